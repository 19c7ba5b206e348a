"""From what a user typed to a feed."""

from __future__ import annotations

import difflib
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dettui.domain.run import Liveness
from dettui.errors import AgentUnavailable, BadUsage, RunNotFound
from dettui.feed.base import Feed
from dettui.feed.logs import strands_at
from dettui.feed.recorded import RecordedFeed
from dettui.feed.summaries import RunSummary, list_runs
from dettui.store.text import clean
from dettui_probe.places import ensure_private, runtime_dir

if TYPE_CHECKING:
    from dettui.feed.ssh.desk import Desk

__all__ = ["RunRef", "RunSummary", "list_runs", "open_local", "open_recording", "resolve_run"]

LONGEST_HOME = 80
"""Bytes; the path of a socket ends at 107, and ours add 14."""
START_S = 3.0
"""How long an agent may take to start."""


@dataclass(frozen=True)
class RunRef:
    """A run that was found."""

    id: str
    name: str
    path: Path  # its log, or the directory of its logs
    liveness: Liveness | None = None  # None where only a path is known


def open_local(runs: Sequence[str] | None = None) -> Feed:
    """A feed of the runs of this host (ids; None: all), by the agent, which is started where there is none.

    Raises AgentUnavailable where none answers.
    """
    from dettui.feed.local import LocalFeed  # noqa: PLC0415 - a recording needs no sockets

    _check(runtime_dir())
    feed = LocalFeed(runs or ())
    deadline = time.monotonic() + START_S
    while not feed.is_connected:
        feed.connect(wait_s=0.05)
        if not feed.is_connected and time.monotonic() > deadline:
            refusal = feed.refusal or "it does not answer"
            feed.close()
            raise AgentUnavailable(f"the local agent: {refusal}; `python -m dettui.feed.agent` shows why")
    return feed


def open_desk() -> Desk:
    """Where what ssh asks arrives.  Raises AgentUnavailable where that cannot be."""
    from dettui.feed.ssh.desk import Desk  # noqa: PLC0415 - nor this

    _check(runtime_dir())
    return Desk()


def _check(home: Path) -> None:
    """Raises AgentUnavailable where sockets cannot be kept in *home*, or would not be safe there."""
    advice = "set DETTUI_HOME to a short path in a directory of your own"
    if len(os.fsencode(home)) > LONGEST_HOME:
        raise AgentUnavailable(f"{home} is too long a path for a socket: {advice}")
    try:
        ensure_private(home)
    except OSError as error:
        raise AgentUnavailable(f"the runtime directory cannot be used: {error}; {advice}") from error


def open_recording(path: Path | str, *, has_overview: bool = False) -> Feed:
    """A feed of the log or run directory *path*; with *has_overview*, all of a long one can be shown at once, before
    it is judged.  Raises RunNotFound, NotARun."""
    return RecordedFeed(path, has_overview=has_overview)


def resolve_run(text: str) -> RunRef:
    """The run that *text* means: a .dlog file, a run directory, an id, a unique name, or a unique beginning of one.

    Raises RunNotFound with near matches, BadUsage where it could be several, NotARun where the path holds no log.
    """
    path = Path(text)
    if path.exists():
        return _run_at(path)
    if "/" in text or text.endswith(".dlog"):
        raise RunNotFound(f"no run at {clean(text)}: `dettui ls` shows the runs that are known")
    known = list_runs()
    exactly = known_exactly(text, known)
    if exactly is not None:
        return exactly
    begun = _the_one(text, [run for run in known if run.id.startswith(text) or run.name.startswith(text)])
    if begun is not None:
        return begun
    raise RunNotFound(_not_found(text, known))


def known_exactly(text: str, known: Sequence[RunSummary] | None = None) -> RunRef | None:
    """The run of this host, or of *known*, whose id or name is *text*.  Raises BadUsage where it could be several."""
    known = list_runs() if known is None else known
    by_id = _the_one(text, [run for run in known if run.id == text])
    return by_id or _the_one(text, [run for run in known if run.name == text])


def _the_one(text: str, matches: Sequence[RunSummary]) -> RunRef | None:
    if len(matches) > 1:
        raise BadUsage(f"{clean(text)} could be {_listed(run.id for run in matches)}: say which")
    return RunRef(matches[0].id, matches[0].name, matches[0].path, matches[0].liveness) if matches else None


def _run_at(path: Path) -> RunRef:
    strand = strands_at(path)[0]
    name = strand.hello.name if strand.hello else strand.run
    return RunRef(clean(strand.run), clean(name), path)


def _not_found(text: str, known: Sequence[RunSummary]) -> str:
    if not known:
        return f"no run named {clean(text)}, and none at all yet: start one with `dettui run -- python train.py`"
    names = {name for run in known for name in (run.id, run.name)}
    near = difflib.get_close_matches(text, names, cutoff=0.4)
    hint = f"did you mean {_listed(near)}?" if near else f"known are {_listed(run.id for run in known)}"
    return f"no run named {clean(text)}: {hint}"


def _listed(names: Iterable[str]) -> str:
    shown = list(dict.fromkeys(names))
    return ", ".join(shown[:5]) + (f" and {len(shown) - 5} more" if len(shown) > 5 else "")
