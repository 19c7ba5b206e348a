"""The dashboard draws where there is a terminal."""

from __future__ import annotations

import sys

import pytest
from textual.drivers.linux_driver import LinuxDriver

from dettui.screens.driver import StdoutDriver, driver_for_this_terminal


class Stream:
    """A stream that is a terminal, or is none."""

    closed = False

    def __init__(self, *, is_terminal: bool) -> None:
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        """As told."""
        return self._is_terminal


@pytest.mark.parametrize(
    ("stdout", "stderr", "draws_on_stdout"),
    [(True, True, False), (True, False, True), (False, True, False), (False, False, False)],
)
def test_stdout_is_drawn_on_only_where_it_alone_is_a_terminal(
    stdout: bool, stderr: bool, draws_on_stdout: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "__stdout__", Stream(is_terminal=stdout))
    monkeypatch.setattr(sys, "__stderr__", Stream(is_terminal=stderr))
    assert (driver_for_this_terminal(LinuxDriver) is StdoutDriver) == draws_on_stdout


def test_a_missing_stderr_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "__stdout__", Stream(is_terminal=True))
    monkeypatch.setattr(sys, "__stderr__", None)
    assert driver_for_this_terminal(LinuxDriver) is StdoutDriver
