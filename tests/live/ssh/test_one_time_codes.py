"""A host that asks for a password and a one-time code: both are asked on the screen, once a connection."""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from live.ssh.machine import Place, Terminal
from live.ssh.place import SSHD, OtherHost, Watcher, is_up, kill, needs_sshd

from dettui.domain.link import LinkState
from dettui.feed.ssh.desk import Desk

MODULES = ("pam_oath.so", "pam_exec.so", "pam_permit.so")
DIRECTORIES = ("/lib/*/security", "/lib/security", "/lib64/security", "/usr/lib/security", "/usr/lib64/security")


def missing_modules() -> list[str]:
    """Modules of PAM that this machine lacks."""
    found = {path.name for place in DIRECTORIES for path in Path("/").glob(f"{place[1:]}/pam_*.so")}
    return [name for name in MODULES if name not in found]


pytestmark = [
    needs_sshd,
    pytest.mark.skipif(os.getuid() != 0, reason="needs root: PAM reads its services from /etc/pam.d"),
    pytest.mark.skipif(
        bool(missing_modules()), reason=f"no {', '.join(missing_modules())}: apt-get install libpam-oath"
    ),
]

Watch = Callable[..., Watcher]
SECRET = b"12345678901234567890"
"""The one of RFC 4226, whose codes are published: 755224, 287082, 359152, ..."""
PASSWORD = "open sesame"


def code(count: int) -> str:
    """The one-time code of the given *count* (RFC 4226)."""
    digest = hmac.digest(SECRET, count.to_bytes(8, "big"), hashlib.sha1)
    at = digest[-1] & 15
    return f"{(int.from_bytes(digest[at : at + 4], 'big') & 0x7FFF_FFFF) % 1_000_000:06d}"


@pytest.fixture
def two_factors(host: OtherHost) -> Iterator[OtherHost]:
    """A host that lets in whoever knows the password and the next code, by a PAM service of its own name."""
    program = host.place / f"dettui-{host.port}-sshd"
    program.symlink_to(SSHD)
    check = host.place / "check"
    check.write_text(f'#!/bin/sh\nread -r answer\ntest "$answer" = "{PASSWORD}"\n')
    check.chmod(0o700)
    codes = host.place / "codes"
    codes.write_text(f"HOTP root - {SECRET.hex()}\n")
    codes.chmod(stat.S_IRUSR | stat.S_IWUSR)
    service = Path("/etc/pam.d") / program.name
    service.write_text(
        f"auth required pam_exec.so expose_authtok quiet {check}\n"
        f"auth required pam_oath.so usersfile={codes} window=5 digits=6\n"
        "account required pam_permit.so\nsession required pam_permit.so\n"
    )
    host.program = str(program)
    host.lets_in = [
        "UsePAM yes", "PasswordAuthentication no", "PubkeyAuthentication no", "KbdInteractiveAuthentication yes",
        "AuthenticationMethods keyboard-interactive",
    ]  # fmt: skip
    host.start()
    yield host
    service.unlink()


def test_the_codes_are_those_of_the_standard() -> None:
    assert [code(count) for count in range(3)] == ["755224", "287082", "359152"]


def test_password_and_code_are_asked_one_after_the_other_and_anew_for_a_new_connection(
    two_factors: OtherHost, watch: Watch, desk: Desk
) -> None:
    two_factors.train(steps=20, waits=True)
    watcher = watch(two_factors, desk=desk)
    _log_in(watcher, desk, code(0))
    watcher.until(lambda watcher: len(watcher.steps()) == 20)
    for pid in two_factors.connections():
        kill(pid)
    watcher.until(lambda watcher: watcher.feed.link.state is LinkState.NEEDS_LOGIN)
    assert desk.questions == () and watcher.feed.link.retry_at is None  # no code is asked for behind the user's back
    watcher.feed.log_in()
    _log_in(watcher, desk, code(1))


def test_a_code_that_was_used_is_not_accepted_again_and_both_are_asked_once_more(
    two_factors: OtherHost, watch: Watch, desk: Desk
) -> None:
    watcher = watch(two_factors, desk=desk)
    desk.answer(watcher.asked(desk).id, PASSWORD)
    desk.answer(watcher.asked(desk).id, "000000")
    assert "Password" in watcher.asked(desk).text
    _log_in(watcher, desk, code(0))


def _log_in(watcher: Watcher, desk: Desk, one_time: str) -> None:
    for named, answer in (("Password", PASSWORD), ("One-time", one_time)):
        question = watcher.asked(desk)
        assert named in question.text and question.kind == "secret"
        desk.answer(question.id, answer)
    watcher.until(is_up)


def test_the_dashboard_asks_for_both_and_shows_neither(two_factors: OtherHost, place: Place) -> None:
    two_factors.train("behind-two-locks", steps=50, pause=0.0, waits=True)
    terminal = Terminal(Place(two_factors, place.cwd), "gpu01")
    terminal.read_until(b"Password")
    terminal.press(PASSWORD.encode() + b"\r")
    terminal.read_until(b"One-time password")
    terminal.press(code(0).encode() + b"\r")
    terminal.read_until(b"behind-two-locks")
    terminal.press(b"q")
    assert terminal.exit_code() == 0
    assert b"sesame" not in terminal.written and code(0).encode() not in terminal.written
