"""What ssh asks is asked on the screen, once, and nowhere else; a host key that has changed is never accepted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from live.patience import until
from live.ssh.place import OtherHost, Watcher, is_up, kill, make_key, needs_sshd

from dettui.domain.link import LinkState
from dettui.feed.ssh.desk import Desk

pytestmark = needs_sshd

Watch = Callable[..., Watcher]


@pytest.fixture
def locked(host: OtherHost) -> OtherHost:
    """A host that takes a key with a passphrase."""
    make_key(host.place / "locked", "open sesame")
    (host.place / "authorized").write_text((host.place / "locked.pub").read_text())
    host.key = "locked"
    host.start()
    host.train(steps=20, waits=True)
    return host


def needs_login(watcher: Watcher) -> bool:
    return watcher.feed.link.state is LinkState.NEEDS_LOGIN


def test_a_passphrase_is_asked_for_in_the_dark_and_again_only_when_the_user_wants(
    locked: OtherHost, watch: Watch, desk: Desk
) -> None:
    watcher = watch(locked, desk=desk)
    question = watcher.asked(desk)
    assert (question.kind, question.host, question.is_repeated) == ("secret", "gpu01", False)
    assert question.text.startswith("Enter passphrase for key")
    desk.answer(question.id, "open sesame")
    watcher.until(is_up)
    for pid in locked.connections():
        kill(pid)
    watcher.until(needs_login)  # it is called again without a word, and the key asks
    assert desk.questions == ()
    assert watcher.feed.link.retry_at is None
    watcher.feed.log_in()
    desk.answer(watcher.asked(desk).id, "open sesame")
    watcher.until(is_up)
    watcher.until(lambda watcher: len(watcher.steps()) == 20)


@pytest.mark.long
def test_a_wrong_answer_is_asked_again_and_said_to_be(locked: OtherHost, watch: Watch, desk: Desk) -> None:
    watcher = watch(locked, desk=desk)
    first = watcher.asked(desk)
    desk.answer(first.id, "wrong")
    second = watcher.asked(desk)
    assert (second.text, second.is_repeated) == (first.text, True)
    desk.answer(second.id, "wrong again")
    desk.answer(watcher.asked(desk).id, "and again")
    watcher.until(needs_login)
    assert "did not let us in" in watcher.feed.link.text
    watcher.feed.log_in()
    assert not watcher.asked(desk).is_repeated  # a new call


def test_a_refusal_to_answer_leaves_the_host_alone(locked: OtherHost, watch: Watch, desk: Desk) -> None:
    watcher = watch(locked, desk=desk)
    desk.answer(watcher.asked(desk).id, None)
    watcher.until(lambda watcher: bool(desk.questions) or needs_login(watcher))
    for question in desk.questions:
        desk.answer(question.id, None)
    watcher.until(needs_login)


def test_where_nobody_can_be_asked_it_says_so_at_once(locked: OtherHost, watch: Watch) -> None:
    watcher = watch(locked)
    watcher.until(needs_login)
    assert "ssh-add" in watcher.feed.link.text


def test_an_unknown_host_key_is_shown_with_its_fingerprint(host: OtherHost, watch: Watch, desk: Desk) -> None:
    host.known = False
    host.start()
    host.train(steps=20)
    watcher = watch(host, desk=desk)
    question = watcher.asked(desk)
    assert question.kind == "yes_no"
    assert "SHA256:" in question.text
    desk.answer(question.id, "yes")
    watcher.until(Watcher.is_finished)


def test_an_unknown_host_key_is_not_accepted_where_nobody_is_asked(host: OtherHost, watch: Watch) -> None:
    host.known = False
    host.start()
    watcher = watch(host)
    watcher.until(needs_login)
    assert "confirm its host key" in watcher.feed.link.text


def test_a_host_key_that_has_changed_is_never_accepted(host: OtherHost, watch: Watch, desk: Desk) -> None:
    way = host.way
    (host.place / "other").mkdir()
    other = make_key(host.place / "other" / "host")
    host.start()
    watcher = watch(host, desk=desk)
    (host.place / "known").write_text(f"[127.0.0.1]:{host.port} {other.with_suffix('.pub').read_text()}")
    watcher.until(lambda watcher: watcher.feed.link.state is LinkState.FAILED)
    assert way.ssh
    assert "CHANGED" in watcher.feed.link.text and "ssh-keygen -R" in watcher.feed.link.text
    assert desk.questions == ()
    assert watcher.feed.link.retry_at is None


def test_a_question_that_ssh_takes_back_disappears(locked: OtherHost, watch: Watch, desk: Desk) -> None:
    watcher = watch(locked, desk=desk)
    watcher.asked(desk)
    watcher.feed.close()
    until(lambda: desk.questions == ())
