"""Which anchors and proposals an untrained model gives to its objects (rows R1-R4), on a copy of it.

torchvision's detectors decide this in a ``Matcher``: it is handed the IoU of every object with every anchor, and
returns the object of each anchor.  On the copy, each matcher is wrapped; one forward pass then tells how well the
anchors fit, which objects get none, and whether proposals find objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from dettui_probe.capture.targets import Batch
from dettui_probe.capture.torchlib import Tensor, nn, torch
from dettui_probe.prechecks import policy
from dettui_probe.prechecks.attempt import Failure, attempt
from dettui_probe.prechecks.report import Check, abstained, failed, passed

_MATCHERS: Final = {
    "anchors": ("rpn.proposal_matcher", "proposal_matcher"),
    "proposals": ("roi_heads.proposal_matcher",),
}


class _Tap:
    """Stands in for a matcher, and remembers what it decided."""

    def __init__(self, matcher: Any) -> None:
        self._matcher = matcher
        self.low = float(getattr(matcher, "low_threshold", 0.5))
        self.best: list[Tensor] = []  # by call: best IoU of each object
        self.given: list[Tensor] = []  # by call: how many anchors each object got

    def __call__(self, quality: Tensor) -> Any:
        matched = self._matcher(quality)
        self.best.append(quality.detach().max(dim=1).values.float().cpu())
        taken = matched[matched >= 0]
        self.given.append(torch.bincount(taken, minlength=quality.shape[0])[: quality.shape[0]].cpu())
        return matched

    def __getattr__(self, name: str) -> Any:
        return getattr(self._matcher, name)


class Assignment(NamedTuple):
    """What the matchers of a model decided."""

    sizes: Tensor  # (n,) square roots of the objects' areas at the network's scale, px
    anchor_iou: Tensor  # (n,) of each object's best anchor
    anchors: Tensor  # (n,) positives of each object
    low: float  # IoU below which an anchor is background
    proposals: Tensor | None  # (n,) foreground proposals of each object; None for one-stage detectors


def check_assignment(model: nn.Module, batches: Sequence[Batch]) -> Iterator[Check]:
    """*model* is a copy, on its device, in training mode; *batches* are on that device."""
    if not batches:
        yield abstained("anchors", "no batch")
        return
    taps = _tap(model)
    if "anchors" not in taps:
        yield abstained("anchors", f"a {type(model).__name__} has no matcher that is known")
        return
    found = attempt(_assign, model, batches, taps)
    if isinstance(found, Failure):
        yield failed("first_forward", "certain", "", f"the model refuses a batch: {found.text}", "repair the targets")
    elif len(found.sizes) < policy.ASSIGNMENT_MIN_OBJECTS:
        yield abstained("anchors", f"{len(found.sizes)} objects; {policy.ASSIGNMENT_MIN_OBJECTS} are needed")
    else:
        yield passed("first_forward", f"the model takes {len(batches)} batches")
        yield from _judged(found)


def _judged(found: Assignment) -> Iterator[Check]:
    yield anchor_fit(found)
    yield positives(found)
    if found.proposals is not None:
        yield proposals(found.proposals)
    yield object_size(found)


def anchor_fit(found: Assignment) -> Check:
    """Row R3: the share of objects that some anchor fits."""
    fits = float((found.anchor_iou >= found.low).float().mean())
    typical = float(found.sizes.median())
    text = f"{fits:.1%} of {len(found.sizes)} objects have an anchor with IoU >= {found.low:g}; side {typical:.0f} px"
    remedy = "choose anchor sizes and aspect ratios for objects of this size, or enlarge the images"
    if fits < policy.ANCHOR_RECALL_WARN:
        return failed("anchors", "warn", "anchors_mismatch", text, remedy)
    if fits < policy.ANCHOR_RECALL_NOTE:
        return failed("anchors", "info", "anchors_mismatch", text, remedy)
    return passed("anchors", text)


def positives(found: Assignment) -> Check:
    """Row R1: objects that no anchor is trained to find."""
    without = float((found.anchors == 0).float().mean())
    text = f"{without:.1%} of {len(found.anchors)} objects get no anchor, the others {_mean_given(found.anchors):.1f}"
    if without > policy.UNMATCHED_SHARE:
        return failed("positives", "warn", "anchors_mismatch", text, "see anchors; check the scale of boxes too")
    return passed("positives", text)


def proposals(given: Tensor) -> Check:
    """Row R2: only the object itself, appended to the proposals, matches it.  Untrained and healthy: 3.5."""
    mean = float(given.float().mean())
    text = f"{mean:.2f} proposals an object, {len(given)} objects"
    if mean <= policy.SELF_MATCH_ONLY:
        remedy = "check format and scale of boxes: no proposal comes near them"
        return failed("proposals", "warn", "anchors_mismatch", text, remedy)
    return passed("proposals", text)


def object_size(found: Assignment) -> Check:
    """Row R4: objects below the finest stride."""
    share = float((found.sizes < policy.TINY_AT_NETWORK_PX).float().mean())
    text = f"{share:.0%} of the objects are smaller than {policy.TINY_AT_NETWORK_PX:g} px where the network sees them"
    if share > policy.TINY_SHARE:
        return failed("object_size", "warn", "anchors_mismatch", text, "enlarge the images, or train on crops of them")
    return passed("object_size", text)


def _mean_given(anchors: Tensor) -> float:
    some = anchors[anchors > 0].float()
    return float(some.mean()) if len(some) else 0.0


def _tap(model: Any) -> dict[str, _Tap]:
    """Wrap the matchers of *model*."""
    taps: dict[str, _Tap] = {}
    for kind, paths in _MATCHERS.items():
        for path in paths:
            owner, name = _owner_of(model, path)
            if owner is not None and hasattr(owner, name):
                taps[kind] = _Tap(getattr(owner, name))
                setattr(owner, name, taps[kind])
                break
    return taps


def _owner_of(model: Any, path: str) -> tuple[Any, str]:
    *parts, name = path.split(".")
    for part in parts:
        model = getattr(model, part, None)
    return model, name


def _assign(model: Any, batches: Sequence[Batch], taps: dict[str, _Tap]) -> Assignment:
    sizes: list[Tensor] = []

    def note_sizes(_module: nn.Module, _args: Any, output: Any) -> None:
        for target in output[1] or ():
            boxes = target["boxes"].detach().float().cpu()
            if len(boxes):
                sizes.append((boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(dim=1).sqrt())

    model.transform.register_forward_hook(note_sizes)
    with torch.no_grad():
        for batch in batches:
            model(list(batch.images), list(batch.targets))
    anchors, heads = taps["anchors"], taps.get("proposals")
    none = torch.zeros(0)
    return Assignment(
        torch.cat(sizes) if sizes else none,
        torch.cat(anchors.best) if anchors.best else none,
        torch.cat(anchors.given) if anchors.given else none,
        anchors.low,
        torch.cat(heads.given) if heads is not None and heads.given else None,
    )
