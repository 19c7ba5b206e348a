"""Warnings are told, and shown as before."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator

import pytest

from dettui_probe.fence import Fence, Ledger
from dettui_probe.heard import MAX_TOLD, Ear, raised_before


@pytest.fixture
def shown() -> Iterator[list[str]]:
    """What is shown to the user while warnings are no errors."""
    texts: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *rest, **more: texts.append(str(message))
        yield texts


@pytest.fixture
def ear(shown: list[str]) -> Iterator[Ear]:
    ear = Ear(Fence("warnings", Ledger(lambda part, text: None)))
    list(ear.take())  # of modules that were imported before
    yield ear
    ear.close()


def test_a_warning_is_heard_with_its_place_and_shown(ear: Ear, shown: list[str]) -> None:
    warnings.warn("careful", UserWarning, stacklevel=1)
    (heard,) = ear.take()
    assert (heard.category, heard.text, heard.worker) == ("UserWarning", "careful", False)
    assert "test_heard.py:" in heard.place
    assert shown == ["careful"]


def test_each_text_is_told_once_and_so_many_at_most(ear: Ear) -> None:
    for _ in range(3):
        warnings.warn("again", UserWarning, stacklevel=1)
    assert [heard.text for heard in ear.take()] == ["again"]
    for number in range(2 * MAX_TOLD):
        warnings.warn(f"number {number}", UserWarning, stacklevel=1)
        list(ear.take())
    warnings.warn("too many", UserWarning, stacklevel=1)
    assert list(ear.take()) == []


def test_what_somebody_wraps_around_us_stays(ear: Ear) -> None:
    def theirs(*args: object, **kwargs: object) -> None:
        return None

    warnings.showwarning = theirs
    ear.close()
    assert warnings.showwarning is theirs


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_is_heard(ear: Ear) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
        child = os.fork()
    if child == 0:
        warnings.warn("from\tthe child\0" + "x" * 5000, UserWarning, stacklevel=1)
        os._exit(0)
    os.waitpid(child, 0)
    (heard,) = ear.take()
    assert heard.worker
    assert heard.text.startswith("from\tthe child xxx")


def test_a_child_that_warns_more_than_the_pipe_holds_does_not_wait(ear: Ear) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        for number in range(500):
            warnings.warn(f"{number} " + "x" * 1000, UserWarning, stacklevel=1)
        os._exit(0)
    os.waitpid(child, 0)
    heard = list(ear.take())
    assert 10 < len(heard) <= MAX_TOLD
    assert heard[0].text.startswith("0 ")


def test_what_was_raised_before_anybody_listened_is_found() -> None:
    script = (
        "import warnings, dettui_probe.heard as h\n"
        "warnings.warn('early', UserWarning)\n"
        "warnings.warn('ignored', DeprecationWarning, stacklevel=5)\n"
        "print([(w.category, w.text) for w in h.raised_before()])\n"
    )
    command = [sys.executable, "-W", "default", "-W", "ignore::DeprecationWarning", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[('UserWarning', 'early')]\n"
    assert "early" in done.stderr
    assert isinstance(raised_before(), list)
