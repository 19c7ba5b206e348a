"""What is known about one run, in order of arrival."""

from __future__ import annotations

from dettui.domain.run import ModelInfo, RunInfo
from dettui.domain.series import ClassCounts, Series
from dettui_probe import wire


class RunStore:
    """Everything the stream told about one run.  Not safe for concurrent use: the engine's thread owns it.
    What it hands out (Series, ClassCounts, tuples) is immutable and may be read by any thread."""

    info: RunInfo | None
    model: ModelInfo | None
    last_step: int
    last_time: float

    def apply(self, message: wire.AnyMessage) -> None:
        """Take in one message."""
        raise NotImplementedError

    def apply_rows(self, batch: wire.Batch, *, after: int | None, upto: int | None) -> None:
        """Take in those rows of *batch* whose step s satisfies ``after < s <= upto`` (None: no bound)."""
        raise NotImplementedError

    def tags(self) -> tuple[str, ...]:
        """Names of all series, in order of first arrival."""
        raise NotImplementedError

    def series(self, tag: str) -> Series | None:
        """The series of *tag*, None where it never came: absent is not zero."""
        raise NotImplementedError

    def counts(self, kind: str) -> ClassCounts | None:
        """Class counts of *kind* so far."""
        raise NotImplementedError

    def events(self, kind: str | None = None) -> tuple[wire.Event, ...]:
        """Events so far, all or of one kind."""
        raise NotImplementedError

    @property
    def beat(self) -> wire.Beat | None:
        """The newest beat."""
        raise NotImplementedError

    @property
    def bye(self) -> wire.Bye | None:
        """The goodbye, if it came."""
        raise NotImplementedError
