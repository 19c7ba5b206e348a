"""Hosts on the screen: what they ask, and that they are down."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from screens.frames import frame, run_frame, sick_run
from screens.stage import SIZES, Stage, on_stage

from dettui.domain.frame import Frame
from dettui.domain.link import Link, LinkState
from dettui.domain.question import Question
from dettui.domain.run import Liveness, RunState
from dettui.feed.ssh.desk import Hosts
from dettui.screens.ask import REPEATED, AskScreen
from dettui.screens.printed import printed
from dettui.screens.run import RunScreen

NOW = 1.7e9
HOST_KEY = Question(
    1,
    "gpu01",
    "The authenticity of host 'gpu01 (10.0.0.7)' can't be established.\n"
    "ED25519 key fingerprint is SHA256:Qm9yaW5nIGZpbmdlcnByaW50IG9mIGEga2V5IGhlcmUu.\n"
    "This key is not known by any other names.\n"
    "Are you sure you want to continue connecting (yes/no/[fingerprint])? ",
    "yes_no",
)
PASSPHRASE = Question(2, "gpu01", "Enter passphrase for key '/home/me/.ssh/id_ed25519': ", "secret")
TOUCH = Question(3, "gpu01", "Confirm user presence for key ED25519-SK", "notice")
CONFIRM = Question(4, "gpu01", "Allow use of key id_ed25519?", "confirm")
LOST = Link("gpu01", LinkState.LOST, NOW - 72, "gpu01 does not answer any more", retry_at=NOW + 8)


class Questions:
    """A desk at which the test asks."""

    def __init__(self, *questions: Question) -> None:
        self.questions = questions
        self.answers: list[tuple[int, str | None]] = []
        self.calls = 0
        self.on_change: Any = lambda: None

    def ask(self, *questions: Question) -> None:
        self.questions = questions
        self.on_change()

    def answer(self, question: int, text: str | None) -> None:
        self.answers.append((question, text))
        self.ask(*(q for q in self.questions if q.id != question))

    def call(self) -> None:
        self.calls += 1

    @property
    def hosts(self) -> Hosts:
        return Hosts(self, self.call)  # type: ignore[arg-type]


def shown(stage: Stage) -> Question | None:
    screen = stage.app.screen
    return screen.question if isinstance(screen, AskScreen) else None


async def until(stage: Stage, question: Question | None) -> None:
    while shown(stage) != question:
        await stage.pilot.pause(0.01)
    await stage.settle()


@pytest.mark.parametrize("size", SIZES)
async def test_a_host_key_is_shown_whole_and_answered_in_words(size: tuple[int, int]) -> None:
    desk = Questions(HOST_KEY)
    async with on_stage(frame(sick_run()), size, hosts=desk.hosts) as stage:
        await until(stage, HOST_KEY)
        assert "SHA256:Qm9yaW5nIGZpbmdlcnByaW50IG9mIGEga2V5IGhlcmUu" in stage.text
        assert "on the way to gpu01" in stage.text
        await stage.press(*"yes")
        assert "yes" in stage.text.splitlines()[stage.app.screen.query_one("#answer").region.y]
        await stage.press("enter")
        await until(stage, None)
        assert desk.answers == [(1, "yes")]
        await stage.show(frame(sick_run()))
        assert isinstance(stage.app.screen, RunScreen)  # typing an answer decides nothing about screens


async def test_a_passphrase_is_typed_in_the_dark() -> None:
    desk = Questions(PASSPHRASE)
    async with on_stage(frame(sick_run()), hosts=desk.hosts) as stage:
        await until(stage, PASSPHRASE)
        await stage.press(*"qLd?p")  # keys that mean something elsewhere are only typed here
        assert "qLd" not in stage.text
        await stage.press("enter")
        await until(stage, None)
        assert desk.answers == [(2, "qLd?p")]


async def test_escape_refuses() -> None:
    desk = Questions(PASSPHRASE)
    async with on_stage(frame(sick_run()), hosts=desk.hosts) as stage:
        await until(stage, PASSPHRASE)
        await stage.press("escape")
        await until(stage, None)
        assert desk.answers == [(2, None)]


async def test_an_answer_that_was_not_accepted_is_said() -> None:
    again = replace(PASSPHRASE, is_repeated=True)
    async with on_stage(frame(sick_run()), hosts=Questions(again).hosts) as stage:
        await until(stage, again)
        assert REPEATED in stage.text


async def test_what_only_wants_a_touch_waits_and_disappears_by_itself() -> None:
    desk = Questions()
    async with on_stage(frame(sick_run()), hosts=desk.hosts) as stage:
        desk.ask(TOUCH)
        await until(stage, TOUCH)
        assert "Confirm user presence" in stage.text
        desk.ask()
        await until(stage, None)
        assert (TOUCH.id, "") not in desk.answers


async def test_what_wants_agreement_is_agreed_to_with_enter() -> None:
    desk = Questions(CONFIRM)
    async with on_stage(frame(sick_run()), hosts=desk.hosts) as stage:
        await until(stage, CONFIRM)
        await stage.press("enter")
        await until(stage, None)
        assert desk.answers == [(4, "")]


async def test_two_questions_are_asked_one_after_the_other() -> None:
    desk = Questions(HOST_KEY, PASSPHRASE)
    async with on_stage(frame(sick_run()), hosts=desk.hosts) as stage:
        await until(stage, HOST_KEY)
        await stage.press("n", "o", "enter")
        await until(stage, PASSPHRASE)


async def test_a_question_stays_while_frames_come() -> None:
    desk = Questions(PASSPHRASE)
    async with on_stage(frame(), hosts=desk.hosts) as stage:
        await until(stage, PASSPHRASE)
        await stage.press("s")
        for tick in range(3):
            await stage.show(frame(*[sick_run()] * tick, tick=tick))
        assert shown(stage) == PASSPHRASE
        await stage.press("e", "enter")
        assert desk.answers == [(2, "se")]


async def test_a_question_cannot_steer_the_terminal() -> None:
    hostile = replace(PASSPHRASE, text="[bold]x[/bold] \x1b[2J[link=http://x]y")
    async with on_stage(frame(sick_run()), hosts=Questions(hostile).hosts) as stage:
        await until(stage, hostile)
        assert "[bold]x[/bold] ·[2J[link=http://x]y" in stage.text


def lost(*links: Link) -> Frame:
    run = replace(run_frame(age_s=72.0), liveness=Liveness(RunState.LOST, "no word from gpu01"), link=links[0])
    return replace(frame(run, made_at=NOW), links=links)


@pytest.mark.parametrize("size", SIZES)
async def test_a_lost_link_is_told_with_its_age_and_the_curves_stay(size: tuple[int, int]) -> None:
    async with on_stage(lost(LOST), size) as stage:
        assert "LINK LOST gpu01 for 1m12s" in stage.text
        assert "tried again in 8.0s: gpu01 does not answer" in stage.text
        assert "STALE: what you see" not in stage.text  # the link has said so
        assert stage.text.count("⣀") + stage.text.count("⠉") + stage.text.count("⠤") > 10


async def test_a_host_that_wants_a_login_names_the_key_and_the_key_calls_it() -> None:
    desk = Questions()
    link = replace(LOST, state=LinkState.NEEDS_LOGIN, text="gpu01 did not let us in", retry_at=None)
    async with on_stage(lost(link), hosts=desk.hosts) as stage:
        assert "NEEDS LOGIN" in stage.text and "L logs in" in stage.text
        await stage.press("L")
        assert desk.calls == 1


def test_a_printed_frame_tells_of_links_too() -> None:
    text = printed(lost(LOST), 120, 40, colour=False)
    assert "LINK LOST gpu01 for 1m12s, tried again in 8.0s: gpu01 does not answer any more" in text


def test_a_link_that_is_up_says_nothing() -> None:
    text = printed(lost(replace(LOST, state=LinkState.UP)), 120, 40, colour=False)
    assert "gpu01 does not" not in text
