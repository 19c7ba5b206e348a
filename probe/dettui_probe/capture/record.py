"""One step on its way to the writer thread: numbers known at once, and readings that still have to be decoded."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from dettui_probe import wire
from dettui_probe.capture.budget import Instrument
from dettui_probe.capture.courier import Courier, Parcel
from dettui_probe.capture.torchlib import Tensor
from dettui_probe.recorder import Gathered, Row

MAX_UNREAD: Final = 64
"""Steps whose tensors may wait for the writer thread.  Beyond that only the vital ones go with the row."""
MAX_UNREAD_VITAL: Final = 4096
"""Where the disk or the core is stuck for long, rows go on without any: a stuck disk must not become a full memory."""

Message: TypeAlias = wire.Counts | wire.Event | wire.Model | wire.Pictures


class Sheet:
    """What the decoders of one step fill in, on the writer thread."""

    def __init__(
        self,
        step: int,
        when: float,
        values: Mapping[str, float],
        detailed: bool,
        kept_tags: Collection[str] | None = None,
    ) -> None:
        """*kept_tags*: all that is told of the step; None: everything."""
        self.step = step
        self.time = when
        self.detailed = detailed  # whether per-layer values are wanted
        self.values = dict(values)
        self.messages: list[Message] = []
        self.gathered: dict[str, float] = {}  # of an evaluation: told where the script tells none
        self._kept_tags = kept_tags

    @property
    def told(self) -> Mapping[str, float]:
        """The values that are to be told."""
        return self._kept(self.values)

    def _kept(self, values: Mapping[str, float]) -> Mapping[str, float]:
        if self._kept_tags is None:
            return values
        return {tag: value for tag, value in values.items() if tag in self._kept_tags}

    @property
    def told_of_evaluation(self) -> Mapping[str, float]:
        """The same of what was gathered."""
        return self._kept(self.gathered)

    def tell(self, kind: str, text: str, **data: object) -> None:
        """Send an event dated at this step."""
        self.messages.append(wire.Event(self.step, self.time, kind, text, data))


class Reading(NamedTuple):
    """What an instrument took in one step: tensors, and how to read them once they are on the CPU."""

    tensors: Sequence[Tensor]
    decode: Callable[[Sequence[Tensor], Sheet], None]


Signed: TypeAlias = tuple[Instrument, Reading]


class StepRecord:
    """A row of one step with everything that the instruments took in it (a ``Deferred`` of the recorder)."""

    def __init__(self, sheet: Sheet, signed: Sequence[Signed], parcel: Parcel | None, post: Post) -> None:
        self._sheet = sheet
        self._signed = signed
        self._parcel = parcel
        self._post = post

    def ready(self) -> bool:
        """True where every tensor has arrived."""
        return self._parcel is None or self._parcel.ready()

    def resolve(self) -> Iterator[Row | Message]:
        """The row, then counts, events and models that its readings gave."""
        self._post.read += 1
        tensors = iter(self._parcel.open() if self._parcel is not None else ())
        for instrument, reading in self._signed:
            own = [next(tensors) for _ in reading.tensors]
            started = time.thread_time()
            instrument.decoding.run(reading.decode, own, self._sheet)
            instrument.decoded(time.thread_time() - started)
        told = self._sheet.told
        if told:
            yield Row(self._sheet.step, self._sheet.time, told)
        gathered = self._sheet.told_of_evaluation
        if gathered:
            yield Gathered(self._sheet.step, self._sheet.time, gathered)
        yield from self._sheet.messages


class Post:
    """Makes records; counts what waits unread."""

    def __init__(self) -> None:
        self.courier = Courier()
        self.sent = 0
        self.read = 0  # written by the writer thread alone

    @property
    def unread(self) -> int:
        """Records that the writer thread has not come to yet."""
        return self.sent - self.read

    def record(self, sheet: Sheet, signed: Sequence[Signed]) -> StepRecord:
        """The record of one step.  Without its readings where nothing can carry them; that is counted."""
        if self.unread > MAX_UNREAD:
            self.courier.dropped += 1
            signed = [one for one in signed if one[0].vital and self.unread <= MAX_UNREAD_VITAL]
        tensors = [tensor for _, reading in signed for tensor in reading.tensors]
        parcel = self.courier.send(tensors) if tensors else None
        if tensors and parcel is None:
            signed = ()
        self.sent += 1
        return StepRecord(sheet, signed, parcel, self)
