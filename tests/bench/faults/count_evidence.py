"""Count what every clue of the catalogue is worth: ``python tests/bench/faults/count_evidence.py DIR [--write]``

DIR holds the recordings of the programs for tuning with their manifest.jsonl.  Each faulty run is replayed, and each
clue of each cause is asked of its last reading.  The weight of a clue is log10 of a likelihood ratio: how often it
holds with its cause, over how often with other faults under which the cause could be named, with one case of either
outcome added to both (Laplace).  A fault in a program is one case, however often it was recorded; of the other faults
each is one.  Counts and experts are weighed by their precision (dettui/diagnose/counted.py).

Prints the clues whose expert weight the counts contradict.  With --write it also writes dettui/diagnose/counts.json,
from which the catalogue takes its weights.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.faults import injections
from bench.faults.injection import REGISTER
from bench.faults.record import read_manifest
from bench.faults.split import TUNE

from dettui.detect.context import Context
from dettui.detect.signals import signals_of
from dettui.diagnose.catalogue import CATALOGUE
from dettui.diagnose.counted import COUNTS_FILE, Counted, Tally, clue_key, shrunk_weight
from dettui.diagnose.reading import Reading, read
from dettui.domain.finding import Finding
from dettui.engine import replay
from dettui.feed.opening import open_recording
from dettui.store.run_store import RunStore

__all__ = ["injections"]

DISAGREES = 0.5
"""Bins between an expert and the counts that are worth a line."""


@dataclass(frozen=True)
class Case:
    """One faulty run, as it was read at its end."""

    fault: str
    program: str
    causes: frozenset[str]  # the true one, and others that say the same
    reading: Reading
    kinds: frozenset[str]  # of its findings


def cases(folder: Path) -> Iterator[Case]:
    """The faulty runs of *folder*, of programs for tuning, in which anything was found."""
    for row in faulty_rows(folder):
        case = case_of(folder / "runs" / row["run"], row)
        if case is not None:
            yield case


def faulty_rows(folder: Path) -> Iterator[Mapping[str, Any]]:
    """What the manifest of *folder* tells of each recorded fault in a program for tuning."""
    for row in read_manifest(folder).values():
        is_recorded = (folder / "runs" / row["run"]).exists()
        if is_recorded and row["kind"] == "fault" and row["program"] in TUNE and row["what"] in REGISTER:
            yield row


def case_of(path: Path, row: Mapping[str, Any]) -> Case | None:
    """The recording at *path* as it was read at its end, None where nothing was found."""
    findings = replay(open_recording(path)).diagnosis.findings
    if not findings:
        return None
    store, injection = _store_of(path), REGISTER[row["what"]]
    shown: Sequence[Finding] = [replace(finding, state="active") for finding in findings]
    return Case(
        row["what"],
        row["program"],
        frozenset((injection.cause, *injection.accepted)),
        read(signals_of(Context(store, store.last_step)), store.model, shown),
        frozenset(finding.kind for finding in findings),
    )


def _store_of(path: Path) -> RunStore:
    feed, store = open_recording(path), RunStore()
    while not feed.exhausted():
        for arrival in feed.poll(0.0):
            for message in arrival.messages if arrival.rank == 0 else ():
                store.apply(message)
    return store


def count(known: Sequence[Case]) -> dict[str, Counted]:
    """By key of a clue, how often it held with its cause at work and without."""
    counted: dict[str, Counted] = {}
    for record in CATALOGUE.values():
        rivals = [case for case in known if case.kinds.intersection(record.symptoms)]
        for clue in record.clues:
            own, others = defaultdict[str, Tally](lambda: Tally(0, 0)), defaultdict[str, Tally](lambda: Tally(0, 0))
            for case in rivals:
                answer = clue.when(case.reading)
                if answer is None:
                    continue
                if record.id in case.causes:
                    own[case.program + case.fault] = own[case.program + case.fault].plus(answer)
                else:
                    others[case.fault] = others[case.fault].plus(answer)
            counted[clue_key(record.id, clue)] = Counted(_alike(own.values()), _alike(others.values()))
    return counted


def _alike(tallies: Iterable[Tally]) -> Tally:
    """Each of several tallies as one case."""
    whole = Tally(0, 0)
    for tally in tallies:
        whole = whole.plus(tally.held / tally.asked)
    return Tally(round(whole.held, 2), whole.asked)


def contradictions(counted: Mapping[str, Counted]) -> Iterator[str]:
    """Clues whose counts disagree with the weight in force."""
    for record in CATALOGUE.values():
        for clue in record.clues:
            counts = counted[clue_key(record.id, clue)]
            weight = shrunk_weight(clue.weight, counts)
            if abs(weight - clue.weight) > DISAGREES:
                yield (
                    f"{record.id:26} {clue.group:12} {clue.weight:+.1f} -> {weight:+.2f}   with it "
                    f"{counts.own.held:g} of {counts.own.asked:g}, without {counts.others.held:g} of "
                    f"{counts.others.asked:g}   {clue.text[:48]}"
                )


def main() -> None:
    """Counts, compares, and writes where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    known = list(cases(arguments.folder))
    counted = count(known)
    print(f"{len(known)} faulty runs of {len({case.fault for case in known})} faults")
    for line in contradictions(counted):
        print(line)
    if arguments.write:
        table = {key: counts.as_json() for key, counts in sorted(counted.items()) if counts.own.asked}
        COUNTS_FILE.write_text(json.dumps(table, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"wrote {len(table)} clues to {COUNTS_FILE}")


if __name__ == "__main__":
    main()
