"""Questions arrive from helpers, answers go back, and both are gone then."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from live.patience import PATIENCE_S, until

from dettui.domain.question import Question
from dettui.errors import AgentUnavailable
from dettui.feed.ssh import desk as desks
from dettui.feed.ssh.desk import Desk, kind_of


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv("DETTUI_HOME", str(tmp_path / "home"))
    made = Desk()
    yield made
    made.close()


def ask(desk: Desk, text: str, host: str = "gpu01", **more: str) -> subprocess.Popen[str]:
    """Ask as ssh does."""
    environment = {**os.environ, **desk.environment(host), **more}
    return subprocess.Popen([environment["SSH_ASKPASS"], text], env=environment, stdout=subprocess.PIPE, text=True)


def asked(desk: Desk) -> Question:
    until(lambda: desk.questions)
    return desk.questions[0]


def ended(helper: subprocess.Popen[str]) -> tuple[str, int]:
    answer, _ = helper.communicate(timeout=PATIENCE_S)
    return answer, helper.returncode


def test_an_answer_goes_back_to_whoever_asked(desk: Desk) -> None:
    changes: list[int] = []
    desk.on_change = lambda: changes.append(len(desk.questions))
    helper = ask(desk, "Password: ")
    question = asked(desk)
    assert (question.host, question.text, question.kind) == ("gpu01", "Password: ", "secret")
    assert desk.is_asking("gpu01") and not desk.is_asking("gpu02")
    desk.answer(question.id, "päss wörd")
    assert ended(helper) == ("päss wörd\n", 0)
    until(lambda: desk.questions == ())
    assert changes[:2] == [1, 0]


def test_a_refusal_ends_the_helper_with_a_failure(desk: Desk) -> None:
    helper = ask(desk, "Password: ")
    desk.answer(asked(desk).id, None)
    assert ended(helper) == ("", 1)


def test_a_question_whose_helper_is_gone_is_withdrawn(desk: Desk) -> None:
    helper = ask(desk, "Confirm user presence", SSH_ASKPASS_PROMPT="none")
    assert asked(desk).kind == "notice"
    for pid in [helper.pid]:
        os.kill(pid, 9)
    helper.communicate()
    until(lambda: desk.questions == ())


def test_the_same_question_after_an_answer_is_a_repetition_until_a_new_call(desk: Desk) -> None:
    told = []
    for step in range(3):
        if step == 2:
            desk.begin("gpu01")
        helper = ask(desk, "Password: ")
        question = asked(desk)
        told.append(question.is_repeated)
        desk.answer(question.id, "x")
        ended(helper)
        until(lambda: desk.questions == ())
    assert told == [False, True, False]


def test_two_hosts_may_ask_at_once(desk: Desk) -> None:
    helpers = [ask(desk, "Password: ", host) for host in ("gpu01", "gpu02")]
    until(lambda: len(desk.questions) == 2)
    for question in desk.questions:
        desk.answer(question.id, question.host)
    assert [ended(helper)[0] for helper in helpers] == ["gpu01\n", "gpu02\n"]


def test_closing_refuses_what_waits_and_leaves_nothing(desk: Desk, tmp_path: Path) -> None:
    helper = ask(desk, "Password: ")
    asked(desk)
    desk.close()
    assert ended(helper)[1] == 1
    assert list((tmp_path / "home").iterdir()) == []


def test_nobody_else_may_run_or_reach_it(desk: Desk, tmp_path: Path) -> None:
    environment = desk.environment("gpu01")
    assert stat.S_IMODE(Path(environment["SSH_ASKPASS"]).stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700


@pytest.mark.parametrize("garbage", [b"", b"\n", b"null\n", b'{"host": 3}\n', b"[" * 10_000 + b"\n", b"\xff\n"])
def test_garbage_is_no_question(desk: Desk, garbage: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(desk.environment("x")["DETTUI_ASK"])
        stranger.sendall(garbage)
        stranger.shutdown(socket.SHUT_WR)
        assert stranger.recv(10) == b""
    assert desk.questions == ()


def test_a_question_cannot_steer_the_terminal(desk: Desk) -> None:
    helper = ask(desk, "Pass\x1b[2Jword\nfor \x07you: ")
    question = asked(desk)
    assert question.text == "Password\nfor you: "
    desk.answer(question.id, None)
    ended(helper)


def test_a_place_where_no_program_may_run_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DETTUI_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(desks.os, "access", lambda path, mode: False)
    with pytest.raises(AgentUnavailable, match="no program may be run"):
        Desk()


@pytest.mark.parametrize(
    ("text", "hint", "kind"),
    [
        ("Are you sure you want to continue connecting (yes/no/[fingerprint])? ", "", "yes_no"),
        ("Verification code: ", "", "secret"),
        ("Allow use of key x?", "confirm", "confirm"),
        ("Confirm user presence for key", "none", "notice"),
    ],
)
def test_a_question_is_known_by_its_text_and_hint(text: str, hint: str, kind: str) -> None:
    assert kind_of(text, hint) == kind
