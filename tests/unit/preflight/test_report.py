"""What a report says, and when it stops a script."""

from __future__ import annotations

import io

import pytest

import dettui_probe as probe
from dettui_probe.prechecks.report import Check, PreflightReport, abstained, failed, passed

LONG = "a sentence that goes on for quite a while, with numbers such as 12 of 34, and does not end before column 80"
STOP = failed("labels", "certain", "labels_out_of_range", LONG, "map class ids to what the head has")
NOTE = failed("anchors", "info", "anchors_mismatch", "90 % fit", "choose other anchors")


def test_failed_checks_come_first_and_the_certain_ones_before_all() -> None:
    report = PreflightReport((passed("loader", "8 batches"), NOTE, abstained("evaluator", "none given"), STOP))
    marks = [line.split()[0] for line in str(report).splitlines()[1:] if not line.startswith(" ")]
    assert marks == ["STOP", "NOTE", "ok", "-"]


def test_no_line_is_wider_than_80_columns() -> None:
    assert max(map(len, str(PreflightReport((STOP, NOTE))).splitlines())) <= 80


def test_every_failed_check_says_what_to_do() -> None:
    assert "-> map class ids" in str(STOP)


def test_a_note_leaves_the_report_ok_and_a_warning_does_not() -> None:
    warning = failed("objects", "warn", "empty_targets", "70 % empty", "check the filter")
    assert PreflightReport((NOTE,)).ok
    assert not PreflightReport((NOTE, warning)).ok


def test_the_report_is_plain_data_too() -> None:
    assert PreflightReport((STOP,)).as_dict()["checks"][0]["cause"] == "labels_out_of_range"


def test_the_exception_carries_the_failed_lines_and_the_report() -> None:
    report = PreflightReport((passed("loader", "fine"), STOP))
    error = probe.PreflightFailed(report, report.at_least("certain"))
    assert "labels" in str(error) and "fine" not in str(error) and error.report is report


@pytest.mark.parametrize(("severity", "count"), [("certain", 1), ("warn", 1), ("info", 2)])
def test_at_least_counts_what_is_as_bad_or_worse(severity: probe.Severity, count: int) -> None:
    assert len(PreflightReport((STOP, NOTE)).at_least(severity)) == count


def test_a_check_is_frozen() -> None:
    with pytest.raises(AttributeError):
        Check("a", "passed", "b").name = "c"  # type: ignore[misc]


def test_the_progress_line_goes_to_a_terminal_only() -> None:
    from dettui_probe.prechecks.progress import Progress

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, pipe = Terminal(), io.StringIO()
    for out in (terminal, pipe):
        progress = Progress(out, 2)
        progress.begin("targets")
        progress.end()
    assert "targets" in terminal.getvalue() and terminal.getvalue().endswith("\r\x1b[K")
    assert pipe.getvalue() == ""
