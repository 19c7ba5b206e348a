"""The target series of the newest rows, summed once for all checks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dettui.detect.context import Context
from dettui.domain.run import ModelInfo
from dettui.store.checks import BAD_TARGET_KIND
from dettui_probe import tags, wire

_LONGEST_NAME = 120

FORMATS: dict[str, str] = {
    "xyxy": tags.TARGET_LEGAL_XYXY,
    "xywh": tags.TARGET_LEGAL_XYWH,
    "cxcywh": tags.TARGET_LEGAL_CXCYWH,
    "yxyx": tags.TARGET_LEGAL_YXYX,
}
"""Box formats, and the series that counts the boxes legal in each."""

MISREADINGS: dict[str, str] = {
    "xyxy_as_cxcywh": "corners taken for centres and sizes",
    "xywh_as_cxcywh": "left, top, width and height taken for centres and sizes",
    "xyxy_as_xywh": "corners taken for left, top, width and height",
    "cxcywh_as_xywh": "centres and sizes taken for left, top, width and height",
}
"""What boxes may have been taken for when their corners were made, in words."""


@dataclass(frozen=True)
class TargetReading:
    """Sums over the newest rows.  None: the stream does not carry it."""

    context: Context
    horizon: int
    boxes: float

    def count(self, tag: str) -> float | None:
        """Sum of *tag*."""
        return self.context.total(tag, self.horizon) if len(self.context.window(tag, self.horizon)) else None

    def share(self, tag: str) -> float | None:
        """Sum of *tag* as a share of the boxes; None without boxes."""
        count = self.count(tag)
        return None if count is None or self.boxes <= 0 else count / self.boxes

    def greatest(self, tag: str) -> float | None:
        """Largest value of *tag*."""
        newest = self.context.window(tag, self.horizon)
        return float(newest.max()) if len(newest) else None

    def least(self, tag: str) -> float | None:
        """Smallest value of *tag*."""
        newest = self.context.window(tag, self.horizon)
        return float(newest.min()) if len(newest) else None

    def legal_shares(self) -> dict[str, float]:
        """Share of legal boxes for each format that the stream counts."""
        shares = {name: self.share(tag) for name, tag in FORMATS.items()}
        return {name: share for name, share in shares.items() if share is not None}

    def first_step(self, tag: str) -> int:
        """First step of the newest rows at which *tag* is above zero; the newest step where it never is."""
        series = self.context.series(tag)
        if series is None:
            return self.context.step
        above = np.flatnonzero(series.values[-self.horizon :] > 0)
        start = max(0, len(series) - self.horizon)
        return int(series.steps[start + above[0]]) if len(above) else int(series.steps[-1])

    def example(self, tag: str) -> str:
        """The first target that the probe told of as counted by *tag*, with its file; "" where it told of none."""
        what = tag.removeprefix("targets/")
        first = next((e for e in self.context.events(BAD_TARGET_KIND) if e.data.get("what") == what), None)
        if first is None:
            return ""
        file, box = first.data.get("file"), first.data.get("box_index")
        where = f"image {first.data.get('image')} of its batch" if file is None else str(file)[:_LONGEST_NAME]
        which = "" if box is None else f" box {box}"
        return f"; first told: step {first.step}, {where}{which}, {_offence(first)}"

    @property
    def window(self) -> tuple[int, int]:
        """Steps of the newest rows."""
        return self.context.span(tags.TARGET_BOXES, self.horizon)

    @property
    def declared_format(self) -> str:
        """The format that the head is known to read, "" where it is not."""
        return declared_format(self.context.model)

    @property
    def expects_pixels(self) -> bool:
        """True where the head is known to take pixels."""
        model = self.context.model
        return model is not None and (model.box_scale == "pixels" or _is_of_old_torchvision(model))

    @property
    def expects_shares(self) -> bool:
        """True where the head is known to take shares of the image's width and height."""
        model = self.context.model
        return model is not None and model.box_scale == "unit"


def _offence(event: wire.Event) -> str:
    """What is wrong, out of "degenerate: box [...] in an image of ..., image 0 of the batch"."""
    said = event.text.partition(": ")[2] or event.text
    return said.rpartition(", image ")[0] or said


def declared_format(model: ModelInfo | None) -> str:
    """The format that the head of *model* is known to read, "" where it is not."""
    if model is None:
        return ""
    return "xyxy" if _is_of_old_torchvision(model) else model.box_format


def _is_of_old_torchvision(model: ModelInfo) -> bool:
    """A torchvision detector as a probe described it that did not tell formats yet: all of them take x1, y1, x2, y2
    in pixels."""
    return not model.box_format and model.family.startswith("torchvision.")


def read_targets(context: Context, horizon: int) -> TargetReading | None:
    """The reading of the newest *horizon* rows, None where no box count came."""
    if not len(context.window(tags.TARGET_BOXES, horizon)):
        return None
    return TargetReading(context, horizon, context.total(tags.TARGET_BOXES, horizon))
