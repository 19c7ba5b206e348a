"""What the engine says of a recording, reduced to what is scored; kept, so that only new code or new recordings are
replayed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
CHANCES = "chances.json"
"""Counted from verdicts (count_chances.py); no verdict depends on it."""


@dataclass(frozen=True)
class Named:
    """A cause that was named for the run as a whole."""

    id: str
    score: float
    certain: bool


@dataclass(frozen=True)
class Seen:
    """A finding."""

    kind: str
    severity: str
    state: str
    raised_at: int
    title: str
    causes: tuple[str, ...]

    @property
    def is_warning(self) -> bool:
        """Warning or worse."""
        return self.severity != "info"


@dataclass(frozen=True)
class Verdict:
    """Of one recording."""

    steps: int
    findings: tuple[Seen, ...]
    causes: tuple[Named, ...]
    dropped: int = 0  # rows that the probe lost
    losses: int = 0  # points of the loss
    thinned: int = 1  # every how many steps the loss is measured at the end, by the choice of the probe
    first_warning: str = ""  # the kind of the first one that statistics raised; "" where they raised none
    is_proved: bool = False  # a warning or worse is no matter of chance

    def warnings_since(self, step: int) -> list[Seen]:
        """Findings of warning or worse that were raised at *step* or later, first ones first."""
        return sorted((f for f in self.findings if f.is_warning and f.raised_at >= step), key=lambda f: f.raised_at)


def code_revision() -> str:
    """Digest of everything that a verdict depends on beside the recording; not of what is counted from verdicts."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for folder in ("dettui/domain", "dettui/numerics", "dettui/store", "dettui/detect", "dettui/diagnose",
                   "dettui/engine", "dettui/feed", "probe/dettui_probe"):  # fmt: skip
        for path in sorted((*(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.json"))):
            if path.name != CHANCES:
                digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def judge(path: str) -> dict[str, Any]:
    """Replay the recording at *path*, evaluated as densely as a run of ten steps a second is, which detectors on a GPU
    come to: a pace that spares runs of a hundred steps a second would leave out most of the looks that a false warning
    may come from."""
    from dettui.diagnose.across_runs import first_warning
    from dettui.engine import replay
    from dettui.engine.grid import GRID, EvaluationGrid
    from dettui.feed.opening import open_recording
    from dettui_probe import tags

    frame = replay(open_recording(path), grid=EvaluationGrid(GRID.exact, GRID.statistics))
    findings = tuple(
        Seen(f.kind, f.severity, f.state, f.raised_at_step, f.title, tuple(c.id for c in f.causes))
        for f in frame.diagnosis.findings
    )
    causes = tuple(Named(c.id, c.score, c.certain) for c in frame.diagnosis.causes)
    loss, thinned = frame.series.get(tags.LOSS_TOTAL), frame.vitals.thinned
    every = max(thinned.get("loss", 1), thinned.get("row", 1))
    return asdict(
        Verdict(
            frame.vitals.step,
            findings,
            causes,
            frame.vitals.dropped,
            0 if loss is None else len(loss),
            every,
            first_warning(frame.diagnosis.findings),
            any(f.is_proved and f.severity != "info" for f in frame.diagnosis.findings),
        )
    )


def verdicts(paths: Sequence[Path], cache: Path, workers: int = 2) -> dict[Path, Verdict]:
    """Of all *paths*; what this code said before of the same file is read from *cache*."""
    cache.mkdir(parents=True, exist_ok=True)
    book = cache / f"{code_revision()}.jsonl"
    known = dict(_read(book))
    keys = {path: _key(path) for path in paths}
    missing = [path for path in paths if keys[path] not in known]
    with ProcessPoolExecutor(workers) as pool, book.open("a") as out:
        judged = map(judge, map(str, missing)) if workers == 1 else pool.map(judge, map(str, missing), chunksize=4)
        for path, found in zip(missing, judged, strict=True):
            known[keys[path]] = found
            out.write(json.dumps({"key": keys[path], "verdict": found}) + "\n")
            out.flush()
    return {path: _verdict(known[keys[path]]) for path in paths}


def _key(path: Path) -> str:
    logs = sorted(path.glob("*.dlog")) if path.is_dir() else [path]
    marks = [(log.name, log.stat().st_size, log.stat().st_mtime_ns) for log in logs]
    return f"{path.name} {hashlib.sha256(repr(marks).encode()).hexdigest()[:16]}"


def _read(book: Path) -> Iterable[tuple[str, dict[str, Any]]]:
    for line in book.read_text().splitlines() if book.exists() else ():
        row = json.loads(line)
        yield row["key"], row["verdict"]


def _verdict(found: dict[str, Any]) -> Verdict:
    findings = tuple(Seen(**{**seen, "causes": tuple(seen["causes"])}) for seen in found["findings"])
    causes = tuple(Named(**named) for named in found["causes"])
    rest = {name: value for name, value in found.items() if name not in ("steps", "findings", "causes")}
    return Verdict(found["steps"], findings, causes, **rest)


def all_findings(verdict: Verdict) -> Iterator[str]:
    """In a few words each."""
    for finding in verdict.findings:
        if finding.is_warning:
            yield f"{finding.kind}@{finding.raised_at} ({', '.join(finding.causes[:2])})"
