"""A fault of ours is caught, counted, told once, and switches its part off."""

from __future__ import annotations

import pytest

from dettui_probe.fence import FAULTS_IN_A_ROW, Fence, Ledger


def broken() -> None:
    raise ZeroDivisionError("ours")


def told_by(*steps: str) -> list[tuple[str, str]]:
    """What a ledger reports after running the parts named in *steps*, each of them broken."""
    reports: list[tuple[str, str]] = []
    ledger = Ledger(lambda part, text: reports.append((part, text)))
    for part in steps:
        ledger.fence(part).run(broken)
    return reports


def test_what_works_passes_its_result_through() -> None:
    assert Fence("part", Ledger(lambda *_: None)).run(divmod, 7, 2) == (3, 1)


def test_a_fault_is_caught_and_told_with_its_part_type_and_place() -> None:
    ((part, text),) = told_by("gradients")
    assert part == "gradients"
    assert text.startswith("ZeroDivisionError: ours (broken:")


def test_a_part_that_failed_is_not_called_again() -> None:
    calls: list[int] = []

    def fails() -> None:
        calls.append(1)
        raise ValueError

    fence = Ledger(lambda *_: None).fence("part")
    assert [fence.run(fails) for _ in range(3)] == [None] * 3
    assert calls == [1]
    assert not fence.open


def test_a_decorated_function_keeps_its_name_and_is_fenced() -> None:
    fenced = Ledger(lambda *_: None).fence("part")(broken)
    assert fenced.__name__ == "broken"
    assert fenced() is None


def test_a_patient_part_is_told_once_and_survives_faults_that_are_not_in_a_row() -> None:
    reports: list[str] = []
    fence = Ledger(lambda part, _: reports.append(part)).fence("values", patience=3)
    for _ in range(10):
        fence.run(broken)
        fence.run(broken)
        fence.run(len, ())
    assert fence.open
    assert reports == ["values"]
    for _ in range(3):
        fence.run(broken)
    assert not fence.open


def test_one_part_switched_off_leaves_the_others_on() -> None:
    ledger = Ledger(lambda *_: None)
    first, second = ledger.fence("first"), ledger.fence("second")
    first.run(broken)
    assert (first.open, second.open) == (False, True)


def test_twenty_faults_in_a_row_switch_everything_off() -> None:
    reports: list[str] = []
    ledger = Ledger(lambda part, _: reports.append(part))
    healthy = ledger.fence("healthy")
    for number in range(FAULTS_IN_A_ROW):
        assert healthy.open
        ledger.fence(f"part {number}").run(broken)
    assert not healthy.open
    assert reports[-1] == "probe"


def test_a_success_in_between_starts_the_count_anew() -> None:
    ledger = Ledger(lambda *_: None)
    healthy = ledger.fence("healthy")
    for number in range(3 * FAULTS_IN_A_ROW):
        ledger.fence(f"part {number}").run(broken)
        healthy.run(len, ())
    assert healthy.open
    assert ledger.faults == 3 * FAULTS_IN_A_ROW


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_what_the_user_means_to_end_passes_through(end: type[BaseException]) -> None:
    def ends() -> None:
        raise end

    with pytest.raises(end):
        Ledger(lambda *_: None).fence("part").run(ends)


def test_an_exception_whose_text_fails_is_told_all_the_same() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise TypeError

    reports: list[str] = []

    def fails() -> None:
        raise MuteError

    Ledger(lambda _, text: reports.append(text)).fence("part").run(fails)
    assert reports[0].startswith("MuteError: (no text)")
