"""From what the training thread queued to messages: rows become columns, and nothing but numbers gets through."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from dettui_probe import framing, wire
from dettui_probe.fence import Fence
from dettui_probe.recorder import Gathered, Overheard, Row

BATCH_BYTES: Final = 16_384
ROW_COLUMNS: Final = 1024  # longer rows are cut: 8 KiB of values
MAX_COLUMNS: Final = 65_536
MAX_TAG: Final = 256
MAX_KNOWN: Final = 4096
TAGS_A_MESSAGE: Final = 256
_FLOAT: Final = frozenset({float})
_OF_EVALUATION: Final = re.compile(r"(?:^|[^a-z])(?:val|valid|validation|eval|evaluation|test|dev)(?:[^a-z]|loss|$)")
_LOSS: Final = re.compile(r"loss|nll|entropy|(?:^|[^a-z])(?:ce|xent|criterion|objective)(?:[^a-z]|$)")


class Packet(NamedTuple):
    """An encoded message, how many rows are lost with it where it is lost, and whether a reader who comes late
    cannot do without it."""

    payload: bytes
    rows: int = 0
    introduces: bool = False


class _Group(NamedTuple):
    """Rows of the same tags that wait for the next batch."""

    columns: list[int]
    steps: list[int]
    times: list[float]
    values: list[float]


class Encoder:
    """Turns rows and messages into packets, in order.  Used by the writer thread only."""

    def __init__(self, hello: wire.Hello, fence: Fence) -> None:
        """*fence* stands around what is foreign: turning a tensor into a number."""
        self._hello = hello
        self._fence = fence
        self._columns: dict[str, int] = {}
        self._gathered: set[str] = set()  # tags that nobody has spoken of so far
        self._overheard: set[str] = set()  # tags that the script itself has not logged so far
        self._declared = 0  # columns whose names were sent
        self._known: dict[tuple[str, ...], list[int]] = {}  # tags of a row -> its columns
        self._groups: dict[tuple[str, ...], _Group] = {}
        self._group_bytes = 0
        self._packets: list[Packet] = []
        self.refused: dict[str, int] = {}  # tag -> values that were not numbers, or not recordable

    def greet_as(self, hello: wire.Hello) -> None:
        """Introduce the strand by *hello* from now on, and declare every column again."""
        self._hello = hello
        self._declared = 0

    def preamble(self) -> list[Packet]:
        """What a reader needs before anything else: the hello, and every column declared so far."""
        tags = list(self._columns)[: self._declared]
        return [Packet(wire.encode(self._hello), introduces=True), *_declarations(tags, 0)]

    def packets(self) -> list[Packet]:
        """Everything added since the last call."""
        self._flush()
        done, self._packets = self._packets, []
        return done

    def add_row(self, row: Row) -> None:
        """Take in *row*, less what is no number."""
        tags, values = tuple(row.values), list(row.values.values())
        if type(row.step) is int and tags in self._known and _FLOAT.issuperset(map(type, values)):
            self._add(row.step, row.time, tags, values)
            return
        step = as_step(row.step)
        if step is None:
            self._refuse("step")
            return
        numbers = self._numbers(row.values)
        tags, values = tuple(numbers), list(numbers.values())
        for start in range(0, len(tags), ROW_COLUMNS):
            part = slice(start, start + ROW_COLUMNS)
            self._add(step, row.time, tags[part], values[part])

    def add_overheard(self, row: Overheard) -> None:
        """Take in of *row* what the script has not logged itself."""
        free = {tag: v for tag, v in row.values.items() if tag not in self._columns or tag in self._overheard}
        self.add_row(Row(row.step, row.time, free))
        self._overheard |= free.keys() & self._columns.keys()
        self._gathered -= free.keys()
        self._known.clear()  # so that the script's first row of these tags is looked at, and takes them over

    def add_gathered(self, row: Gathered) -> None:
        """Take in *row* as long as no evaluation of a loss came in any other way."""
        told = self._columns.keys() - (self._gathered & self._overheard)
        if not any(map(is_loss_of_evaluation, told)):
            self.add_overheard(row)
            self._gathered |= row.values.keys()

    def add_message(self, message: wire.AnyMessage) -> None:
        """Take in *message*, behind the rows so far."""
        self._flush()
        packet = _packed(message)
        if packet is None:
            self._refuse(type(message).__name__)
        else:
            self._packets.append(packet)

    def _add(self, step: int, time: float, tags: tuple[str, ...], values: list[float]) -> None:
        size = 8 * len(values) + 16
        if self._group_bytes and self._group_bytes + size > BATCH_BYTES:
            self._flush()
        group = self._groups.get(tags)
        if group is None:
            group = self._groups[tags] = _Group(self._ids(tags), [], [], [])
            size += 5 * len(tags)
        group.steps.append(step)
        group.times.append(time)
        group.values.extend(values)
        self._group_bytes += size

    def _flush(self) -> None:
        """Turn the rows so far into a batch, behind the names of the columns that are new."""
        if not self._groups:
            return
        self._packets += _declarations(list(self._columns)[self._declared :], self._declared)
        self._declared = len(self._columns)
        rows = sum(len(group.steps) for group in self._groups.values())
        batch = wire.Batch([_block(group) for group in self._groups.values()])
        self._packets.append(Packet(wire.encode(batch), rows))
        self._groups.clear()
        self._group_bytes = 0

    def _ids(self, tags: tuple[str, ...]) -> list[int]:
        ids = self._known.get(tags)
        if ids is None:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            ids = self._known[tags] = [self._columns[tag] for tag in tags]
        return ids

    def _numbers(self, values: Mapping[str, Any]) -> dict[str, float]:
        numbers: dict[str, float] = {}
        for key, value in values.items():
            tag = key if type(key) is str else self._fence.run(str, key) or "(no name)"
            number = self._fence.run(as_number, value)
            if number is None or not self._gets_column(tag):
                self._refuse(tag)
            else:
                self._overheard.discard(tag)
                numbers[tag] = number
        return numbers

    def _gets_column(self, tag: str) -> bool:
        if tag not in self._columns:
            if len(tag) > MAX_TAG or len(self._columns) >= MAX_COLUMNS:
                return False
            self._columns[tag] = len(self._columns)
        return True

    def _refuse(self, tag: str) -> None:
        key = tag[:MAX_TAG]
        if key in self.refused or len(self.refused) < MAX_KNOWN:
            self.refused[key] = self.refused.get(key, 0) + 1


def _declarations(names: Sequence[str], first: int) -> list[Packet]:
    """Messages that declare *names*, the first of which has the column id *first*."""
    starts = range(0, len(names), TAGS_A_MESSAGE)
    messages = [wire.Tags(first + start, list(names[start : start + TAGS_A_MESSAGE])) for start in starts]
    return [Packet(wire.encode(message), introduces=True) for message in messages]


def as_number(value: Any) -> float | None:
    """*value* as a float: of a number, or of a tensor or array with one element; None for anything else."""
    if isinstance(value, float):
        return value
    if not isinstance(value, int):
        to_list = getattr(value, "tolist", None)
        if to_list is None:
            return None
        value = to_list()
        while isinstance(value, list) and len(value) == 1:
            value = value[0]
    if not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def as_step(step: Any) -> int | None:
    """*step* as an integer that a float can carry; None for anything else."""
    number = as_number(step)
    return int(number) if number is not None and abs(number) < 2**53 else None


def is_loss_of_evaluation(tag: str) -> bool:
    """Whether *tag* names a loss, and an evaluation."""
    name = tag.lower()
    return bool(_OF_EVALUATION.search(name) and _LOSS.search(name))


def _block(group: _Group) -> wire.Block:
    rows = len(group.steps)
    return wire.Block(
        group.columns,
        struct.pack(f"<{rows}q", *group.steps),
        struct.pack(f"<{rows}d", *group.times),
        struct.pack(f"<{len(group.values)}d", *group.values),
    )


def _packed(message: wire.AnyMessage) -> Packet | None:
    """*message* encoded, its free data reduced to what the wire carries; None where it is beyond a frame."""
    try:
        payload = wire.encode(message)
    except (TypeError, ValueError, OverflowError, RecursionError):
        if not isinstance(message, wire.Event):
            return None
        payload = wire.encode(msgspec.structs.replace(message, data=plain(message.data)))
    return Packet(payload) if len(payload) <= framing.MAX_PAYLOAD else None


def plain(data: Mapping[str, Any]) -> dict[str, Any]:
    """*data* with every value that is no scalar, nor a list of scalars, replaced by its text (200 characters)."""
    return {str(key)[:MAX_TAG]: _plain_value(value) for key, value in data.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, (list, tuple)) and all(_is_scalar(entry) for entry in value):
        return list(value)
    if _is_scalar(value):
        return value
    number = as_number(value)
    return str(value)[:200] if number is None else number


def _is_scalar(value: Any) -> bool:
    """True for what msgpack carries as one value; integers have 64 bits there."""
    if type(value) is int:
        return -(2**63) <= value < 2**64
    return value is None or type(value) in (bool, float, str)
