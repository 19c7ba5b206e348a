"""What is known about one run, in order of arrival."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dettui.domain.check import BadTarget, Check
from dettui.domain.given import GivenImage
from dettui.domain.run import ModelInfo, RunInfo
from dettui.domain.series import ClassCounts, Floats, Series
from dettui.store import introductions
from dettui.store.checks import BAD_TARGET_KIND, CHECK_KIND, bad_target_of, checks_of
from dettui.store.pictures import given_images
from dettui.store.rows import Columns, rows_of
from dettui.store.table import Block, Table, rows_between
from dettui.store.tally import Tally
from dettui_probe import wire

_KINDS_OF_COUNTS = frozenset({"targets", "predictions"})


@dataclass(frozen=True)
class StorePolicy:
    """Bounds on the memory of one run.  Both sides of each bound have a test."""

    max_points: int = 12_000_000  # some 60 MB with 20 tags; beyond it the oldest half is thinned to extremes
    max_tags: int = 20_000
    max_events: int = 5_000  # the oldest go first
    max_bad_targets: int = 100  # handed out; more than anybody opens
    max_batches_shown: int = 2  # whose pictures are kept, newest first
    keeps_unnamed: bool = True  # columns whose name was lost
    max_exhibits: int = 24  # pictures kept of images whose targets cannot be right


class RunStore:
    """Everything the stream told about one run.  Not safe for concurrent use: the engine's thread owns it.
    What it hands out (Series, ClassCounts, tuples) is immutable and may be read by any thread.

    A hello with another boot begins a new strand of the same run: what was known stays, and steps may begin again.
    """

    def __init__(self, policy: StorePolicy | None = None) -> None:
        self._policy = policy = policy or StorePolicy()
        self.info: RunInfo | None = None
        self.model: ModelInfo | None = None
        self.last_step = 0  # greatest step of the newest strand
        self.last_time = 0.0  # of the newest row, seconds since the epoch
        self.boots: tuple[str, ...] = ()  # in order of arrival; the last one speaks
        self.malformed = 0  # blocks and pictures left out because their sizes contradict each other
        self.events_forgotten = 0  # older than the policy keeps
        self._table = Table(policy.max_points)
        self._columns = Columns(policy.max_tags, keeps_unnamed=policy.keeps_unnamed)
        self._tallies: dict[str, Tally] = {}
        self._counts: dict[str, ClassCounts] = {}
        self._events: deque[wire.Event] = deque(maxlen=policy.max_events)
        self._events_by_kind: dict[str | None, tuple[wire.Event, ...]] = {}
        self._checks: tuple[Check, ...] | None = None  # while no event has come since they were read
        self._bad_targets: tuple[BadTarget, ...] | None = None
        self._shown: deque[tuple[GivenImage, ...]] = deque(maxlen=policy.max_batches_shown)  # oldest first
        self._exhibits: deque[GivenImage] = deque(maxlen=policy.max_exhibits)  # oldest first
        self._names_are_told = False  # the script named its classes: it knows better than its model
        self._beat: wire.Beat | None = None
        self._bye: wire.Bye | None = None

    def apply(self, message: wire.AnyMessage) -> None:
        """Take in one message."""
        if isinstance(message, wire.Batch):
            self.apply_rows(message, after=None, upto=None)
        elif isinstance(message, wire.Beat):
            self._beat = introductions.clean_beat(message)
        elif isinstance(message, wire.Tags):
            self._columns.learn(message.first, introductions.tag_names(message))
        elif isinstance(message, wire.Counts):
            self._count(message)
        elif isinstance(message, wire.Event):
            self._note(introductions.clean_event(message))
        elif isinstance(message, wire.Model):
            self._describe(message)
        elif isinstance(message, wire.Hello):
            self._greet(message)
        elif isinstance(message, wire.Pictures):
            self._show(message)
        else:
            self._bye = introductions.clean_bye(message)

    def apply_rows(self, batch: wire.Batch, *, after: int | None, upto: int | None) -> None:
        """Take in those rows of *batch* whose step s satisfies ``after < s <= upto`` (None: no bound)."""
        self.append(rows_between(self.read(batch), after, upto))

    def read(self, batch: wire.Batch) -> list[Block]:
        """The rows of *batch* as named blocks, not taken in yet; what contradicts itself is left out."""
        blocks = []
        for block in batch.blocks:
            rows = rows_of(block)
            if rows is None:
                self.malformed += 1
            elif rows.height:
                blocks.append(Block(*self._columns.name(block.columns, rows)))
        return blocks

    def append(self, blocks: Sequence[Block]) -> None:
        """Take in *blocks*, which came in one message."""
        for block in blocks:
            self.last_step = max(self.last_step, block.rows.last_step)
            self.last_time = max(self.last_time, block.rows.last_time)
        self._table.append([block for block in blocks if block.names])

    def has_room(self, blocks: Sequence[Block]) -> bool:
        """Whether *blocks* can be taken in without thinning older rows."""
        return self.points + sum(block.rows.values.size for block in blocks) <= self._policy.max_points

    def tags(self) -> tuple[str, ...]:
        """Names of all series, in order of first arrival."""
        return tuple(self._table.tags)

    def tags_under(self, prefix: str) -> tuple[str, ...]:
        """Names of all series that begin with *prefix*, in order of first arrival."""
        return self._table.tags_under(prefix)

    def series(self, tag: str) -> Series | None:
        """The series of *tag* over all strands, None where it never came: absent is not zero."""
        return self._table.series(tag)

    def snapshot(self) -> Mapping[str, Series]:
        """All series over all strands as they are now, by tag in order of first arrival; later rows do not show."""
        return self._table.snapshot()

    def strand_series(self, tag: str) -> Series | None:
        """The series of *tag* since the newest start of the run; empty where it has not come since."""
        return self._table.strand_series(tag)

    def newest(self, tag: str, points: int, upto: int) -> Floats | None:
        """The newest *points* values of *tag* since the newest start of the run, up to the step *upto*; None where it
        never came.  To be read at once: what is taken in later may show."""
        return self._table.newest(tag, points, upto)

    def counts(self, kind: str) -> ClassCounts | None:
        """Class counts of *kind* ("targets", "predictions") so far."""
        tally = self._tallies.get(kind)
        if tally is None:
            return None
        if kind not in self._counts:
            self._counts[kind] = tally.result(self.info.class_names if self.info else ())
        return self._counts[kind]

    def events(self, kind: str | None = None) -> tuple[wire.Event, ...]:
        """Events so far, all or of one kind."""
        if kind not in self._events_by_kind:
            self._events_by_kind[kind] = tuple(e for e in self._events if kind is None or e.kind == kind)
        return self._events_by_kind[kind]

    @property
    def checks(self) -> tuple[Check, ...]:
        """The pre-flight of the newest start: the newest answer to each question."""
        if self._checks is None:
            self._checks = checks_of(self.events(CHECK_KIND), since=self.info.started if self.info else 0.0)
        return self._checks

    @property
    def bad_targets(self) -> tuple[BadTarget, ...]:
        """Targets that cannot be right, newest first."""
        if self._bad_targets is None:
            newest = self.events(BAD_TARGET_KIND)[-self._policy.max_bad_targets :]
            self._bad_targets = tuple(bad_target_of(event) for event in reversed(newest))
        return self._bad_targets

    @property
    def given(self) -> tuple[GivenImage, ...]:
        """Images that the newest start of the run was given: those with targets that cannot be right, newest first,
        then the others, the newest batch first."""
        return (*reversed(self._exhibits), *(image for batch in reversed(self._shown) for image in batch))

    @property
    def beat(self) -> wire.Beat | None:
        """The newest beat."""
        return self._beat

    @property
    def bye(self) -> wire.Bye | None:
        """The goodbye of the newest strand, if it came."""
        return self._bye

    @property
    def undeclared_end(self) -> int | None:
        """The last step of a run that ended well without having told how long it would be; None of any other."""
        bye, info = self._bye, self.info
        if bye is None or info is None or info.total_steps is not None:
            return None
        ended_well = bye.reason == "finished" or (bye.reason == "exit" and not bye.exit_code)
        return self.last_step if ended_well and self.last_step else None

    @property
    def points(self) -> int:
        """Values held."""
        return self._table.points

    @property
    def held_bytes(self) -> int:
        """Memory that the values, their steps and their times take."""
        return self._table.bytes

    @property
    def thinned(self) -> bool:
        """True once old rows had to be thinned to stay within the bounds."""
        return self._table.thinned

    def _greet(self, hello: wire.Hello) -> None:
        self.info = introductions.run_info(hello)
        self._names_are_told = bool(hello.class_names)
        self._counts.clear()
        self._checks = None
        if hello.boot in self.boots[-1:]:
            return
        if self.boots:
            self._begin_strand()
        self.boots = (*self.boots, hello.boot)

    def _describe(self, model: wire.Model) -> None:
        self.model = introductions.model_info(model)
        if self.info is not None and model.class_names and not self._names_are_told:
            self.info = replace(self.info, class_names=introductions.names(model.class_names))
            self._counts.clear()

    def _begin_strand(self) -> None:
        self._columns.forget()
        self._table.begin_strand()
        self._shown.clear()
        self._exhibits.clear()
        self._beat = None
        self._bye = None
        self.last_step = 0

    def _count(self, counts: wire.Counts) -> None:
        if counts.kind in _KINDS_OF_COUNTS:
            self._tallies.setdefault(counts.kind, Tally(counts.kind)).add(counts)
            self._counts.pop(counts.kind, None)

    def _note(self, event: wire.Event) -> None:
        if len(self._events) == self._events.maxlen:
            self.events_forgotten += 1
        self._events.append(event)
        self._events_by_kind.clear()
        self._checks = self._bad_targets = None

    def _show(self, message: wire.Pictures) -> None:
        images = given_images(message)
        self.malformed += len(message.pictures) - len(images)
        self._exhibits.extend(image for image in images if image.what)
        others = tuple(image for image in images if not image.what)
        if others:
            self._shown.append(others)
