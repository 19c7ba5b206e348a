"""What a pre-flight says: checks, each passed, failed or abstained, and the report that holds them.  No torch."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

Verdict = Literal["passed", "failed", "abstained"]
Severity = Literal["certain", "warn", "info"]

WIDTH: Final = 80
NAME_WIDTH: Final = 21
_RANK: Final = {"certain": 0, "warn": 1, "info": 2}
_MARK: Final = {"certain": "STOP", "warn": "WARN", "info": "NOTE"}


@dataclass(frozen=True)
class Check:
    """One question and its answer."""

    name: str
    verdict: Verdict
    evidence: str  # with the numbers; of an abstention: what is missing
    severity: Severity = "info"  # of a failed check: "certain" needs no statistics
    cause: str = ""  # an id of the catalogue of causes; "" where none applies
    remedy: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        mark = {"passed": "ok", "failed": _MARK[self.severity], "abstained": "-"}[self.verdict]
        head = f"{mark:<5}{self.name:<{NAME_WIDTH}} "
        lines = _wrapped(self.evidence, head)
        if self.verdict == "failed":
            lines += _wrapped(self.remedy, f"{'':<{len(head) - 3}}-> ") if self.remedy else []
        return "\n".join(lines)


@dataclass(frozen=True)
class PreflightReport:
    """All checks of one pre-flight.  ``print`` it: failed first, with what to do."""

    checks: tuple[Check, ...]
    seconds: float = 0.0

    @property
    def failed(self) -> tuple[Check, ...]:
        """Failed checks, the certain ones first."""
        return tuple(sorted((c for c in self.checks if c.verdict == "failed"), key=lambda c: _RANK[c.severity]))

    @property
    def passed(self) -> tuple[Check, ...]:
        """Checks that found nothing wrong."""
        return tuple(check for check in self.checks if check.verdict == "passed")

    @property
    def abstained(self) -> tuple[Check, ...]:
        """Checks that could not judge, each with the reason."""
        return tuple(check for check in self.checks if check.verdict == "abstained")

    @property
    def ok(self) -> bool:
        """True where nothing certain and nothing strong was found; notes do not count."""
        return all(check.severity == "info" for check in self.failed)

    def at_least(self, severity: Severity) -> tuple[Check, ...]:
        """Failed checks of *severity* or worse."""
        return tuple(check for check in self.failed if _RANK[check.severity] <= _RANK[severity])

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for a log or a JSON file."""
        return {"ok": self.ok, "seconds": self.seconds, "checks": [dict(vars(check)) for check in self.checks]}

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        counts = f"{len(self.failed)} failed, {len(self.passed)} passed, {len(self.abstained)} not judged"
        yield f"preflight: {counts} ({self.seconds:.1f} s)"
        for check in (*self.failed, *self.passed, *self.abstained):
            yield str(check)


class PreflightFailed(RuntimeError):
    """Raised by ``preflight(..., raise_on=...)``.  Its text is the failed lines, ``report`` all of them."""

    def __init__(self, report: PreflightReport, reasons: Sequence[Check]) -> None:
        super().__init__("preflight failed:\n" + "\n".join(str(check) for check in reasons))
        self.report = report


def passed(name: str, evidence: str) -> Check:
    """A check that found nothing wrong."""
    return Check(name, "passed", evidence)


def failed(name: str, severity: Severity, cause: str, evidence: str, remedy: str) -> Check:
    """A check that found what it looks for."""
    return Check(name, "failed", evidence, severity, cause, remedy)


def abstained(name: str, missing: str) -> Check:
    """A check that cannot judge, for want of *missing*."""
    return Check(name, "abstained", missing)


def _wrapped(text: str, head: str) -> list[str]:
    """*text* behind *head*, in lines of at most WIDTH columns that hang under the first."""
    return textwrap.wrap(" ".join(text.split()), WIDTH, initial_indent=head, subsequent_indent=" " * len(head))
