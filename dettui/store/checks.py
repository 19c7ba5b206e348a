"""Events of pre-flight checks and of bad targets as values.  Anybody may have written them: what does not fit is left
out, never an error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from dettui.domain.check import BadTarget, Check, Verdict, Weight
from dettui_probe import wire

CHECK_KIND: Final = "preflight"
BAD_TARGET_KIND: Final = "bad_target"

_VERDICTS: Final[Mapping[str, Verdict]] = {"passed": "passed", "failed": "failed", "abstained": "abstained"}
_WEIGHTS: Final[Mapping[str, Weight]] = {"certain": "certain", "warning": "warning", "warn": "warning"}


def checks_of(events: Iterable[wire.Event], since: float) -> tuple[Check, ...]:
    """The newest answer to each question that was told at the time *since* or later, in order of first asking.

    An earlier start of the run had its own data and its own code: its answers say nothing about this one.
    """
    newest: dict[str, Check] = {}
    for event in events:
        check = _check_of(event) if event.time >= since else None
        if check is not None:
            newest[check.name] = check
    return tuple(newest.values())


def _check_of(event: wire.Event) -> Check | None:
    data = event.data
    name, verdict = _text(data, "check"), _VERDICTS.get(_text(data, "verdict"))
    if not name or verdict is None:
        return None
    return Check(
        name=name,
        verdict=verdict,
        evidence=_text(data, "evidence"),
        weight=_WEIGHTS.get(_text(data, "severity"), "info"),
        cause=_text(data, "cause"),
        remedy=_text(data, "remedy"),
        seconds=_number(data.get("seconds")) or 0.0,
        step=event.step,
    )


def bad_target_of(event: wire.Event) -> BadTarget:
    """The target that *event* points at, as far as it says so."""
    data = event.data
    width, height = _integer(data.get("width")), _integer(data.get("height"))
    what, _, text = event.text.partition(": ")
    return BadTarget(
        step=event.step,
        what=_text(data, "what") or what,
        text=text or event.text,
        image=_integer(data.get("image")) or 0,
        file=_text(data, "file"),
        box_index=_integer(data.get("box_index")),
        box=_box(data.get("box")),
        label=_integer(data.get("label")),
        size=None if width is None or height is None else (width, height),
    )


def _text(data: Mapping[str, object], key: str) -> str:
    value = data.get(key)
    return str(value) if isinstance(value, str | int) else ""


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _box(value: object) -> tuple[float, ...]:
    """Four numbers, NaN among them where the target had one; () for anything else."""
    numbers = [_number(entry) for entry in value] if isinstance(value, list) else []
    return tuple(n for n in numbers if n is not None) if len(numbers) == 4 and None not in numbers else ()
