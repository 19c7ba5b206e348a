"""Choose the recordings that are replayed in CI: ``python tests/bench/faults/subset.py --out DIR``

From the tune side alone, so that nobody tunes on the test programs to please CI.  Healthy: each variant, and each
program, in its smallest recording.  Faults: each injection that does harm, likewise.  They are written, compressed, to
``tests/bench/faults/recorded``, with what the rules make of them now: tests/faults/test_recorded.py fails where it
becomes less.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.faults import injections
from bench.faults.score import Scored, load

from dettui_probe import wire
from dettui_probe.framing import MAGIC, Frame, Scanner, pack

HERE: Final = Path(__file__).parent / "recorded"
MOST_BYTES: Final = 8 << 20
DEAREST: Final = 220_000  # bytes of one recording, compressed


def smallest(runs: Iterable[Scored], folder: Path, key: Any) -> Iterator[Scored]:
    """Of each group the run whose log is smallest; a fault that is named rightly before one that is not, which would
    guard nothing."""
    groups: dict[Any, list[Scored]] = {}
    for one in runs:
        groups.setdefault(key(one), []).append(one)
    for group in groups.values():
        yield min(group, key=lambda one: (_guards_nothing(one), _size(folder / one.row["run"])))


def _guards_nothing(one: Scored) -> bool:
    return one.row["kind"] == "fault" and not one.is_first_right


def _size(run: Path) -> int:
    return sum(log.stat().st_size for log in run.glob("*.dlog"))


def anonymous(log: bytes) -> bytes:
    """*log* without pictures, and without the place and the machine where it was recorded."""
    messages = [wire.decode(frame.payload) for frame in Scanner().feed(log) if isinstance(frame, Frame)]
    kept = [_placeless(message) for message in messages if message and not isinstance(message, wire.Pictures)]
    return MAGIC + b"".join(pack(seq, wire.encode(message)) for seq, message in enumerate(kept, start=1))


def _placeless(message: wire.AnyMessage) -> wire.AnyMessage:
    if not isinstance(message, wire.Hello):
        return message
    return msgspec.structs.replace(message, host="host", host_boot="", cwd="/", python="python")


def write(runs: Sequence[Scored], folder: Path) -> list[Scored]:
    """Compress *runs*; those that fit."""
    kept, size = [], 0
    for one in runs:
        packed = {
            log.name: lzma.compress(anonymous(log.read_bytes()), preset=9)
            for log in (folder / one.row["run"]).glob("*.dlog")
        }
        cost = sum(map(len, packed.values()))
        if cost > DEAREST or size + cost > MOST_BYTES:
            continue
        size += cost
        kept.append(one)
        target = HERE / one.row["run"]
        target.mkdir(parents=True)
        for name, data in packed.items():
            (target / f"{name}.xz").write_bytes(data)
    return kept


def index(runs: Sequence[Scored]) -> dict[str, Any]:
    """What is true of each, and how well the rules do now."""
    faults = [one for one in runs if one.row["kind"] == "fault"]
    calm = [one for one in runs if one.row["kind"] == "healthy"]
    return {
        "floors": {
            "healthy warned": sum(bool(one.verdict.warnings_since(0)) for one in calm),
            "found": sum(one.found_at is not None for one in faults),
            "first": sum(one.is_first_right for one in faults),
            "among three": sum(one.is_among_first for one in faults),
        },
        "runs": {
            one.row["run"]: {"right": sorted(one.right), "onset": one.onset} if one in faults else {} for one in runs
        },
    }


def main() -> int:
    """Choose and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("DETTUI_FAULTS", ".faults")))
    folder = parser.parse_args().out / "tune" / "runs"
    side = load(folder.parent, 2)
    chosen = [
        *smallest(side.healthy, folder, lambda one: one.what),
        *smallest((one for one in side.healthy if one.what == "base"), folder, lambda one: one.row["program"]),
        *smallest(side.faults, folder, lambda one: one.what),
    ]
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir()
    kept = write(list({one.name: one for one in chosen}.values()), folder)
    (HERE / "index.json").write_text(json.dumps(index(kept), indent=1, sort_keys=True) + "\n")
    size = sum(file.stat().st_size for file in HERE.rglob("*") if file.is_file())
    print(f"{len(kept)} of {len(chosen)} recordings, {size / 2**20:.1f} MiB; {index(kept)['floors']}")
    return 0


if __name__ == "__main__":
    assert injections.__all__  # fills the register
    sys.exit(main())
