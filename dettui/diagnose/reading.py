"""What the diagnosis may look at at one step: numbers, words, symptoms."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Final

from dettui.detect.signals import Signals
from dettui.detect.targets.formats import READINGS
from dettui.detect.targets.reading import MISREADINGS, declared_format
from dettui.domain.finding import Finding
from dettui.domain.run import ModelInfo


@dataclass(frozen=True)
class Reading:
    """Everything known about a run at one step, as numbers, words and symptoms."""

    numbers: Mapping[str, float]  # fields of Signals and DERIVED, those that are known
    words: Mapping[str, str] = field(default_factory=dict)  # names that texts may quote
    findings: Mapping[str, Sequence[Finding]] = field(default_factory=dict)  # by kind, those not resolved

    def fill(self, template: str) -> str:
        """*template* with the numbers of this run in its braces; what is unknown appears as a symbol."""
        return template.format_map(_Symbols({**self.numbers, **self.words}))


def read(signals: Signals, model: ModelInfo | None, findings: Sequence[Finding]) -> Reading:
    """Gather the reading of one step.  Non-finite measurements count as absent."""
    numbers = dict(_known(signals))
    for name, formula in DERIVED.items():
        value = _computed(formula, numbers)
        if value is not None and math.isfinite(value):
            numbers[name] = value
    if model is not None:
        numbers["in_training_mode"] = float(model.in_training_mode)
        if model.background is not None:
            numbers["background"] = float(model.background)
    return Reading(numbers, _words(numbers, model), _by_kind(findings))


def _computed(formula: Callable[[Mapping[str, float]], float | None], numbers: Mapping[str, float]) -> float | None:
    """The value of *formula*, None where a wild measurement leads beyond the range of a float."""
    try:
        return formula(numbers)
    except OverflowError:
        return None


def _known(signals: Signals) -> Iterator[tuple[str, float]]:
    for entry in fields(signals):
        value = getattr(signals, entry.name)
        if value is not None and math.isfinite(value):
            yield entry.name, float(value)


def _words(numbers: Mapping[str, float], model: ModelInfo | None) -> dict[str, str]:
    declared = declared_format(model)
    words = {"likely_format": _likely_format(numbers, declared), "declared_format": declared or "xyxy"}
    words["told_format"] = declared  # "" where nobody knows what the head reads
    words["conversion"] = _conversion(words["likely_format"], declared)
    words |= _misreading(numbers)
    if model is not None:
        words["box_scale"] = model.box_scale
        words["family"] = model.family
        words["optimizer"] = model.optimizer or "the optimizer"
        words["missing_names"] = _name_some(model.missing)
    return words


def _misreading(numbers: Mapping[str, float]) -> dict[str, str]:
    """What corners were made of, and what it was taken for."""
    measured = numbers.get("misread_as")
    name = next((name for index, name in enumerate(MISREADINGS) if index == measured), None)
    if name is None:
        return {}
    true, taken = name.split("_as_")
    line = f"torchvision.ops.box_convert(boxes, in_fmt='{true}', out_fmt=...), where they are read as {taken}"
    return {"misread": MISREADINGS[name], "likely_format": true, "conversion": line}


def _name_some(names: Sequence[str], most: int = 3) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown or "unnamed"


def _by_kind(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.state != "resolved":
            kinds.setdefault(finding.kind, []).append(finding)
    return kinds


_FORMATS: Final = {
    "share_legal_xywh": "xywh",
    "share_legal_cxcywh": "cxcywh",
    "share_legal_xyxy": "xyxy",
    "share_legal_yxyx": "yxyx",  # last: on square images what is legal as xyxy is legal so too
}


def _likely_format(numbers: Mapping[str, float], declared: str) -> str:
    """The format in which most boxes are legal, of those that the head does not read; and the one that pixels speak
    for, where every box of square images is legal in either."""
    if numbers.get("swap_wins_at_least", 0.0) > 0.54:
        return "yxyx"
    if not declared and "read_as" in numbers:
        return READINGS[int(numbers["read_as"])]
    others = {key: name for key, name in _FORMATS.items() if name != (declared or "xyxy")}
    known = {name: numbers[key] for key, name in others.items() if key in numbers}
    return max(known, key=known.__getitem__) if known else "another format"


def _conversion(likely: str, declared: str) -> str:
    """The line that mends boxes of the *likely* format for a head that reads the *declared* one ("": nobody knows)."""
    if likely == "yxyx":
        return "boxes[:, [1, 0, 3, 2]]"  # box_convert does not know it
    wanted = f"'{declared}'" if declared else "..."
    line = f"torchvision.ops.box_convert(boxes, in_fmt='{likely}', out_fmt={wanted})"
    return line if declared else f"{line}, with the format that the loss and the decoding of answers read"


def _ratio(over_name: str, under_name: str) -> Callable[[Mapping[str, float]], float | None]:
    def formula(numbers: Mapping[str, float]) -> float | None:
        top, bottom = numbers.get(over_name), numbers.get(under_name)
        return top / bottom if top is not None and bottom else None

    return formula


def _scaled(name: str, factor: float) -> Callable[[Mapping[str, float]], float | None]:
    def formula(numbers: Mapping[str, float]) -> float | None:
        value = numbers.get(name)
        return None if value is None else value * factor

    return formula


def _power_of_ten(name: str) -> Callable[[Mapping[str, float]], float | None]:
    def formula(numbers: Mapping[str, float]) -> float | None:
        exponent = numbers.get(name)
        return None if exponent is None else 10.0**exponent

    return formula


def _unclipped(numbers: Mapping[str, float]) -> float | None:
    """log10 of the update ratio that the gradients would have made without clipping."""
    update, ratio = numbers.get("log10_update_ratio"), numbers.get("clip_ratio")
    return None if update is None or ratio is None else update + math.log10(max(ratio, 1.0))


LARGEST_SHARE: Final = 1.5
"""Coordinates of boxes that are shares of their image stay below."""

_GREW: Final = 1.5
"""Violent steps enlarge the weights; tensors that begin at zero move by their own size and harm nobody."""


def _highest_update(numbers: Mapping[str, float]) -> float | None:
    """Now, near the peak of the schedule, or in the first steps: violent steps inflate the weights, or kill units, and
    hide later."""
    names = ["log10_update_ratio", "log10_update_at_peak_lr"]
    if numbers.get("weight_growth_early", _GREW) >= _GREW or _units_died(numbers):
        names.append("log10_update_ratio_early")
    known = [numbers[name] for name in names if name in numbers]
    return max(known, default=None)


def _units_died(numbers: Mapping[str, float]) -> bool:
    """True where most of the gradient was alive at the first step and is exactly 0 now."""
    return numbers.get("grad_zero_share_first", 1.0) < 0.7 and numbers.get("grad_zero_share", 0.0) > 0.9


def _log_classes(numbers: Mapping[str, float]) -> float | None:
    classes = numbers.get("num_classes", 0)
    return math.log(classes) if classes > 1 else None


def _softmax_twice_floor(numbers: Mapping[str, float]) -> float | None:
    """ln(1 + (K-1)/e), the least loss that cross-entropy can reach on probabilities (diagnosis S27)."""
    classes = numbers.get("num_classes", 0)
    return math.log(1.0 + (classes - 1.0) / math.e) if classes > 1 else None


def _sum_over_batch(numbers: Mapping[str, float]) -> float | None:
    per_image, log_classes = numbers.get("batch_size"), numbers.get("ln_classes")
    return per_image * log_classes if per_image and log_classes else None


def _effective_classes(numbers: Mapping[str, float]) -> float | None:
    entropy, classes = numbers.get("class_entropy"), numbers.get("num_classes", 0)
    return math.exp(entropy) / classes if entropy is not None and classes else None


def _usual(numbers: Mapping[str, float]) -> float | None:
    """1 for corners in pixels and for centres and sizes as shares of the image: what most detection heads read."""
    if "read_as" not in numbers or "max_coord" not in numbers:
        return None
    form, in_shares = READINGS[int(numbers["read_as"])], numbers["max_coord"] <= LARGEST_SHARE
    return float((form, in_shares) in {("xyxy", False), ("cxcywh", True)})


DERIVED: Final[Mapping[str, Callable[[Mapping[str, float]], float | None]]] = {
    "update_ratio": _power_of_ten("log10_update_ratio"),
    "log10_update_ratio_highest": _highest_update,
    "highest_update": _power_of_ten("log10_update_ratio_highest"),
    "log10_update_unclipped": _unclipped,
    "lr_over_peak": _ratio("lr_now", "lr_peak"),
    "update_at_peak_lr": _power_of_ten("log10_update_at_peak_lr"),
    "lr_third": _scaled("lr_now", 1 / 3),
    "lr_tenth": _scaled("lr_now", 0.1),
    "lr_peak_tenfold": _scaled("lr_peak", 10.0),
    "lr_peak_tenth": _scaled("lr_peak", 0.1),
    "ln_classes": _log_classes,
    "softmax_twice_floor": _softmax_twice_floor,
    "loss_over_softmax_floor": _ratio("loss_last", "softmax_twice_floor"),
    "loss_first_over_ln_classes": _ratio("loss_first", "ln_classes"),
    "sum_over_batch": _sum_over_batch,
    "loss_first_over_batch_sum": _ratio("loss_first", "sum_over_batch"),
    "effective_class_share": _effective_classes,
    "unseen_share": _ratio("classes_unseen", "num_classes"),
    "coord_over_side": _ratio("max_coord", "min_image_side"),
    "usual_boxes": _usual,
}
"""Numbers computed from the signals, in an order in which each finds what it needs."""

FROM_MODEL: Final = ("in_training_mode", "background")
"""Numbers that the model's description adds."""

_SYMBOLS: Final[Mapping[str, str]] = {
    "lr_now": "lr",
    "lr_third": "lr/3",
    "lr_tenth": "lr/10",
    "lr_peak": "lr",
    "lr_peak_tenfold": "10*lr",
    "lr_peak_tenth": "lr_peak/10",
    "num_classes": "K",
    "missing_names": "the missing parameters",
    "likely_format": "their own format",
    "declared_format": "xyxy",
    "conversion": "torchvision.ops.box_convert(boxes, in_fmt=..., out_fmt=...)",
    "misread": "taken for another format",
}


class _Symbols(dict[str, "float | str"]):
    def __missing__(self, name: str) -> _Symbol:
        return _Symbol(_SYMBOLS.get(name, name))


@dataclass(frozen=True)
class _Symbol:
    """Stands in a text for a number that is not known; ignores the number's format."""

    name: str

    def __format__(self, spec: str) -> str:
        return self.name
