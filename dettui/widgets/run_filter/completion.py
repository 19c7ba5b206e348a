"""What may follow what was typed so far: fields, their values, names of metrics and settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from dettui.domain.frame import RunFrame
from dettui.domain.run import RunState
from dettui.widgets.run_filter.language import FIELDS
from dettui.widgets.run_filter.matching import VITALS, field_values

_WORD = re.compile(r"[^\s()|]*$")


def completions(text: str, runs: Sequence[RunFrame]) -> tuple[str, ...]:
    """Whole texts that *text* can be completed to, best first; *text* ends where the cursor stands."""
    word = _WORD.search(text)
    started = word[0].lstrip("!-") if word else ""
    before = text[: len(text) - len(started)]
    field, colon, value = started.partition(":")
    if colon:
        return tuple(f"{before}{field}:{_safe(known)}" for known in _fitting(value, _values(field.lower(), runs)))
    heads = [f"{known}:" for known in FIELDS if known.startswith(started.lower())]
    names = dict.fromkeys([*(tag for run in runs for tag in run.series), *_settings(runs), *VITALS])
    return tuple(before + found for found in (*heads, *(_safe(name) for name in _fitting(started, names))))


def _settings(runs: Sequence[RunFrame]) -> Iterable[str]:
    return dict.fromkeys(key for run in runs for key in run.info.config)


def _values(field: str, runs: Sequence[RunFrame]) -> list[str]:
    found = dict.fromkeys(value for run in runs for value in field_values(run, field))
    if field == "state":
        found |= dict.fromkeys(state.value for state in RunState)
    return sorted(found) if field in FIELDS else []


def _fitting(started: str, known: Iterable[str]) -> list[str]:
    """Those of *known* that begin with *started*, then those that hold it."""
    lower = started.lower()
    first = [name for name in known if name.lower().startswith(lower)]
    return first + [name for name in known if lower in name.lower() and name not in first]


def _safe(text: str) -> str:
    return f'"{text}"' if re.search(r"[\s()|<>=:!\"']", text) and '"' not in text else text
