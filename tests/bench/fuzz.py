"""Millions of broken, hostile and random inputs over everything that decodes: `python tests/bench/fuzz.py`.

Whatever came off a wire, a disk or another user's hands must be read or refused, never raise, never overlap, and never
fill the memory.  Inputs are mutations of valid ones (flipped, cut, doubled, spliced), random bytes, and messages of the
right types with values that no probe would send.  Chunk k of a target depends on the seed and k alone, so that what
fails can be run again: the failing input is printed with its target, seed and chunk.

    --inputs 10000000      in all, over all targets by their weights
    --state FILE           go on where an earlier run with this file stopped
    --only TARGET          one of them
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.hostile import hostile_message, valid_payloads

from dettui.feed.agent import protocol
from dettui.feed.agent.discovery import member_of
from dettui.feed.agent.extract import Extract
from dettui.feed.agent.liveness import Pulse, judge
from dettui.feed.agent.peek import is_greeting, newest_row, peek
from dettui.feed.agent.process import ProcessSight
from dettui.feed.agent.stream import Assembler, cut
from dettui.feed.agent.tail import LogTail
from dettui.feed.listen.intake import _frame_of, _key_of
from dettui.feed.listen.notes import Notes
from dettui.store.run_store import RunStore
from dettui_probe import keys, wire
from dettui_probe.framing import HEAD_BYTES, MAGIC, MAX_PAYLOAD, SYNC, Frame, Hole, Scanner, frames_in, pack

CHUNK = 2_000
MOST_GROWTH = 64 << 20
_SPICE = (
    b"\x00",
    b"\xff" * 4,
    b"\xdd\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\x91" * 64,
    SYNC,
    MAGIC,
    b"\x1b]0;x\x07",
)
_WHERE = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path(tempfile.gettempdir())


class Mutator:
    """Makes inputs out of a corpus of valid ones."""

    def __init__(self, corpus: Sequence[bytes]) -> None:
        self._corpus = corpus

    def make(self, chance: random.Random) -> bytes:
        """One input: in one case of eight random bytes, else a valid one with one to three changes."""
        if chance.random() < 0.125:
            return chance.randbytes(chance.choice((0, 1, 4, 20, 100, 1000)))
        data = bytearray(chance.choice(self._corpus))
        for _ in range(chance.randint(1, 3)):
            self._change(data, chance)
        return bytes(data)

    def _change(self, data: bytearray, chance: random.Random) -> None:
        at = chance.randrange(len(data) + 1)
        size = chance.choice((1, 1, 2, 4, 8, 64))
        kind = chance.randrange(7)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1 and at < len(data):
            data[at] = chance.choice((0, 0x7F, 0x80, 0xFF, 0x90, 0xC1, 0xDC, 0xDE))
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            del data[at : at + size]
        elif kind == 4:
            data[at:at] = data[max(at - size, 0) : at]
        elif kind == 5:
            data[at:at] = chance.choice(_SPICE)
        else:
            other = chance.choice(self._corpus)
            data[at:] = other[chance.randrange(len(other) + 1) :]


@dataclass(frozen=True)
class Target:
    """Something that decodes."""

    name: str
    weight: float
    corpus: Sequence[bytes]
    read: Callable[[bytes, random.Random], object]


def read_frames(data: bytes, chance: random.Random) -> None:
    """Holes and frames come in order and never overlap, and what is held back is bounded."""
    scanner, end = Scanner(), 0
    for piece in _pieces(data, chance):
        for found in scanner.feed(piece):
            if isinstance(found, Hole):
                assert found.offset >= end and found.size > 0
                end = found.offset + found.size
            else:
                end += HEAD_BYTES + len(found.payload)
        assert end <= scanner.offset <= len(data)
    assert len(scanner._pending) <= MAX_PAYLOAD + HEAD_BYTES + len(MAGIC)
    assert frames_in(data) == [found for found in Scanner().feed(data) if isinstance(found, Frame)]


def read_message(data: bytes, _chance: random.Random) -> None:
    """Decoded or not; if it is, then its rows and strings go through the store."""
    message = wire.decode(data)
    if message is not None:
        RunStore().apply(message)


def read_signs(data: bytes, _chance: random.Random) -> None:
    """The agent's own look into payloads, and what it makes of them."""
    peek(data), newest_row(data), is_greeting(data)
    pulse = Pulse()
    pulse.read(data)
    pulse.settle()
    judge(ProcessSight(state="R"), pulse, 1.7e9)


class _Stores:
    """Typed nonsense into stores that live for a while, as the dashboard's do."""

    def __init__(self) -> None:
        self._store, self._fed = RunStore(), 0

    def read(self, _data: bytes, chance: random.Random) -> None:
        self._fed += 1
        if self._fed % 500 == 0:
            self._store = RunStore()
        message = wire.decode(wire.encode(hostile_message(chance)))
        assert message is not None
        self._store.apply(message)
        if chance.random() < 0.02:
            store = self._store
            store.snapshot(), store.checks, store.bad_targets, store.given, store.counts("targets"), store.events("lr")


class _Tails:
    """A file that others write to, cut and fill with zeros while it is read."""

    def __init__(self) -> None:
        self._path = _WHERE / f"fuzz-{random.SystemRandom().randrange(1 << 40):x}.dlog"

    def read(self, data: bytes, chance: random.Random) -> None:
        self._path.write_bytes(data)
        tail = LogTail(self._path)
        for _ in range(3):
            tail.poll(chance.choice((1, 64, 1 << 16)))
            with self._path.open("r+b") as file:
                file.truncate(chance.randrange(len(data) + 1))
                file.seek(chance.randrange(len(data) + 1))
                file.write(chance.choice((b"\0" * 50, data[-60:], SYNC)))
        tail.close()
        self._path.unlink()


class _Extracts:
    """What the agent thins for a slow link, out of broken payloads and of typed nonsense."""

    def __init__(self) -> None:
        self._extract, self._fed = Extract(-1, 1 << 12), 0

    def read(self, data: bytes, chance: random.Random) -> None:
        payload = wire.encode(hostile_message(chance)) if chance.random() < 0.5 else data
        self._extract.add(Frame(self._fed, payload))
        self._fed += 1
        if self._fed % 50 == 0:
            packed, _ = self._extract.packed()
            assert all(isinstance(found, Frame) for found in Scanner().feed(packed))
            self._extract, self._fed = Extract(-1, 1 << 12), 0


def read_stream(data: bytes, chance: random.Random) -> None:
    """What comes through ssh, with noise in it."""
    assembler = Assembler(1 << 16)
    for piece in _pieces(data, chance):
        assert all(len(message) <= 1 << 16 for message in assembler.feed(piece))


def read_envelope(data: bytes, chance: random.Random) -> None:
    """What a peer on TCP sends: parts of any number and content."""
    parts = _pieces(data, chance)
    key = _key_of(parts)
    assert key is None or ("/" not in key[0] and key[0] not in ("", ".", ".."))
    if parts:
        _frame_of(parts)


def read_keys(data: bytes, _chance: random.Random) -> None:
    """An address in the environment."""
    try:
        keys.address_of(data.decode("utf-8", "surrogateescape"))
    except keys.KeysRefused:
        return


def _read_notes(data: bytes, _chance: random.Random) -> None:
    import msgspec

    try:
        msgspec.json.decode(data, type=Notes)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return


def _pieces(data: bytes, chance: random.Random) -> list[bytes]:
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randrange(5)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def targets() -> list[Target]:
    """Every decoder, with valid inputs and its share of all inputs."""
    payloads = valid_payloads()
    log = MAGIC + b"".join(pack(seq, payload) for seq, payload in enumerate(payloads[:12]))
    frames = [pack(seq, payload) for seq, payload in enumerate(payloads)]
    asked = [
        protocol.encode(request)
        for request in (
            protocol.Open(protocol.VERSION, ("run",), (protocol.Have("run", "b" * 16, 0, 7),)),
            protocol.Next(1 << 20),
        )
    ]
    answered = [
        protocol.encode(protocol.Opened(protocol.VERSION, 77)),
        protocol.encode(protocol.Refused("no")),
        protocol.encode(
            protocol.News((protocol.Portion("run", "b" * 16, 0, frames[0], protocol.State("running")),), 1.0, 2.0)
        ),
    ]
    entry = json.dumps(
        {"run": "r", "boot": "b", "rank": 0, "name": "n", "host": "h", "host_boot": "x", "pid": 1, "pid_start": 2,
         "log": "/tmp/r0-b.dlog", "started": 1.5, "world": 1, "python": "p", "argv": ["a"], "cwd": "/"}
    ).encode()  # fmt: skip
    return [
        Target("frames", 3.0, [log, *frames], read_frames),
        Target("messages", 3.0, payloads, read_message),
        Target("signs of life", 2.0, payloads, read_signs),
        Target("requests", 1.0, asked, lambda data, _: protocol.request_of(data)),
        Target("replies", 1.0, answered, lambda data, _: protocol.reply_of(data)),
        Target("extract", 0.1, payloads, _Extracts().read),
        Target("stream", 0.5, [b"motd\n" + cut(asked[0]) + cut(answered[2]), cut(bytes(100))], read_stream),
        Target("registry", 1.0, [entry], lambda data, _: member_of(data)),
        Target("typed nonsense", 1.0, [b"-"], _Stores().read),
        Target("tail", 0.3, [log], _Tails().read),
        Target("tcp envelope", 0.5, [b"run-1" + b"0" * 16 + b"0" + frames[0]], read_envelope),
        Target("addresses", 0.3, [b"tcp://" + b"ab" * 32 + b"@host:7733"], read_keys),
        Target("notes", 0.2, [b'{"endpoint":"tcp://x:1","pid":1,"refused":[{"time":1.0,"text":"t"}]}'], _read_notes),
    ]


def run_chunk(target: Target, seed: int, chunk: int, size: int = CHUNK) -> None:
    """Raises AssertionError that names the input on which *target* failed."""
    chance = random.Random(f"{seed}/{target.name}/{chunk}")
    mutator = Mutator(target.corpus)
    for number in range(size):
        data = mutator.make(chance)
        try:
            target.read(data, chance)
        except Exception as error:
            raise AssertionError(f"{target.name}, seed {seed}, chunk {chunk}, input {number}: {data.hex()}") from error


def resident_bytes() -> int:
    """Of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--only")
    options = parser.parse_args()
    chosen = [target for target in targets() if options.only in (None, target.name)]
    total = sum(target.weight for target in chosen)
    done: dict[str, int] = json.loads(options.state.read_text()) if options.state and options.state.exists() else {}
    for target in chosen:  # what is loaded late is not growth
        run_chunk(target, options.seed, -1)
    before, most, began = resident_bytes(), 0, time.monotonic()
    for target in chosen:
        wanted = max(1, round(options.inputs * target.weight / total / CHUNK))
        for chunk in range(done.get(target.name, 0), wanted):
            run_chunk(target, options.seed, chunk)
            done[target.name] = chunk + 1
            most = max(most, resident_bytes() - before)
            if options.state and chunk % 20 == 0:
                options.state.write_text(json.dumps(done))
        print(f"{target.name:>16} {wanted * CHUNK:>10,} inputs  growth so far {most / 2**20:.1f} MiB", flush=True)
        if options.state:
            options.state.write_text(json.dumps(done))
    inputs = sum(done.values()) * CHUNK
    took = time.monotonic() - began
    print(f"{inputs:,} inputs, 0 failures, {took:.0f} s, memory grew by at most {most / 2**20:.1f} MiB")
    assert most < MOST_GROWTH, "memory"


if __name__ == "__main__":
    main()
