"""What a detector is surest of in a training step, and whether a target explains it (torchvision detectors).

Looked at are a quarter as many places as the targets make positives: at so low a recall even a weak detector names
hardly anything but objects.  A place is explained where the box that it answers meets an object of its image.  Objects
that nobody labelled look like those that somebody did: then about the same share of the surest places as of the
objects stays unexplained, however long the training goes on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from dettui_probe import tags
from dettui_probe.capture.cadence import Cadence
from dettui_probe.capture.inert import LiveHook
from dettui_probe.capture.patches import Patch
from dettui_probe.capture.record import Reading, Sheet
from dettui_probe.capture.torchlib import Tensor, nn, torch

CADENCE: Final = Cadence(full=0, every=2)
MOST_PLACES: Final = 32
SHARE_OF_POSITIVES: Final = 0.25
MET: Final = 0.3  # IoU from which on an object explains an answer; what answers for a neighbour of it lies above
FOREGROUND: Final = 0.5  # IoU from which on a proposal of an RoI head is a positive
THE_OBJECT_ITSELF: Final = 0.98  # IoU of the proposals that torchvision adds to those of the RPN

_DENSE: Final[Mapping[str, str]] = {
    "RetinaNetHead": "regression_head.box_coder",
    "FCOSHead": "box_coder",
    "SSD": "box_coder",
}
"""Modules with ``compute_loss(targets, head_outputs, anchors, matched_idxs)``, and where their coder of boxes is."""

Targets: TypeAlias = Sequence[Mapping[str, Tensor]]


class Answers(NamedTuple):
    """The surest answers of one forward pass, best first."""

    overlap: Tensor  # (k,) greatest IoU with an object of the image; 0 on an image without one
    positives: Tensor  # () places that the targets make positives
    point_size: Tensor  # () size of a point of FCOS over the distance to the next one; NaN for other heads


Read: TypeAlias = Callable[[], Answers | None]


class Listener(Protocol):
    """What is told of the answers; asked first whether it wants to be.  Neither raises."""

    def wants_answers(self) -> bool: ...

    def answered(self, read: Read) -> None: ...


class AnswerWatch:
    """The places in a model where its answers meet its targets."""

    def __init__(self, model: nn.Module, listener: Listener) -> None:
        self._listener = listener
        self._heads = [module for module in model.modules() if _kinds(module) & _DENSE.keys()]
        self._roi_heads = [module for module in model.modules() if "RoIHeads" in _kinds(module)]
        self._proposals: dict[int, tuple[Sequence[Tensor], Targets]] = {}  # by id of the RoI heads; until they answer

    def patches(self) -> Iterator[Patch]:
        """One for each class of the heads."""
        for modules, method, wrap in (
            (self._heads, "compute_loss", self._around_dense),
            (self._roi_heads, "select_training_samples", self._around_sampling),
        ):
            watched = [module for module in modules if callable(getattr(module, method, None))]
            owners = dict.fromkeys(_definer(module, method) for module in watched)
            yield from (Patch(owner, method, wrap({id(module) for module in watched})) for owner in owners)

    def hooks(self) -> Iterator[tuple[nn.Module, LiveHook]]:
        """One for each predictor of RoI heads, to be called after its forward pass."""
        for heads in self._roi_heads:
            predictor = getattr(heads, "box_predictor", None)
            if isinstance(predictor, nn.Module):
                yield predictor, LiveHook(self._predicted_by(heads))

    def _around_dense(self, ids: set[int]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
            def compute_loss(head: Any, *args: Any, **kwargs: Any) -> Any:
                if self._wanted() and id(head) in ids and len(args) == 4:
                    self._listener.answered(lambda: dense_answers(head, *args))
                return original(head, *args, **kwargs)

            return compute_loss

        return wrap

    def _around_sampling(self, ids: set[int]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
            def select_training_samples(heads: Any, proposals: Any, targets: Any) -> Any:
                result = original(heads, proposals, targets)
                if self._wanted() and id(heads) in ids:
                    self._proposals[id(heads)] = result[0], targets
                return result

            return select_training_samples

        return wrap

    def _predicted_by(self, heads: Any) -> Callable[..., None]:
        def predicted(_module: nn.Module, _args: object, output: Any) -> None:
            taken = self._proposals.pop(id(heads), None)
            if taken is not None:
                self._listener.answered(lambda: roi_answers(heads, *taken, *output))

        return predicted

    def _wanted(self) -> bool:
        return not torch.compiler.is_compiling() and self._listener.wants_answers()


def _kinds(module: nn.Module) -> set[str]:
    return {kind.__name__ for kind in type(module).__mro__}


def _definer(module: nn.Module, method: str) -> type:
    return next(kind for kind in type(module).__mro__ if method in vars(kind))


def dense_answers(
    head: Any, targets: Targets, outputs: Mapping[str, Tensor], anchors: Sequence[Tensor], matches: Sequence[Tensor]
) -> Answers:
    """The surest among the answers of all anchors, or points."""
    logits, deltas = outputs["cls_logits"].detach(), outputs["bbox_regression"].detach()  # (N, A, K), (N, A, 4)
    sure = _sureness(logits, outputs.get("bbox_ctrness"), has_background="SSD" in _kinds(head))
    top = sure.flatten().topk(min(MOST_PLACES, sure.numel())).indices
    image, place = top // sure.shape[1], top % sure.shape[1]
    coder = attrgetter(next(_DENSE[kind] for kind in _kinds(head) & _DENSE.keys()))(head)
    boxes = _decoded(coder, deltas[image, place], torch.stack(list(anchors))[image, place])
    positives = torch.stack([(match >= 0).sum() for match in matches]).sum()
    return Answers(_overlap(boxes, image, targets), positives, _point_size(head, anchors[0]))


def _point_size(head: Any, anchors: Tensor) -> Tensor:
    """FCOS decodes boxes in units of the size of its points, which it takes for the stride.  The first two of *anchors*
    (A, 4) are neighbours in the first row of the finest level."""
    if "FCOSHead" not in _kinds(head) or len(anchors) < 2:
        return anchors.new_full((), torch.nan)
    return (anchors[0, 2] - anchors[0, 0]) / (anchors[1, 0] - anchors[0, 0])


def _sureness(logits: Tensor, centreness: Tensor | None, *, has_background: bool) -> Tensor:
    """Logarithm of the share that the likeliest class of each place is given, shape (N, A)."""
    if has_background:
        return logits[..., 1:].amax(-1) - logits.logsumexp(-1)
    sure = nn.functional.logsigmoid(logits.amax(-1))
    return sure if centreness is None else sure + nn.functional.logsigmoid(centreness.detach().squeeze(-1))


def roi_answers(
    heads: Any, proposals: Sequence[Tensor], targets: Targets, logits: Tensor, deltas: Tensor
) -> Answers | None:
    """The surest among the answers of the proposals that a network made; its objects are left out."""
    logits, deltas = logits.detach(), deltas.detach().reshape(len(logits), -1, 4)  # (n, K), (n, K or 1, 4)
    if not len(logits):
        return None
    places, image = torch.cat(list(proposals)), _owners(proposals)
    meets = _overlap(places, image, targets)
    sure, classes = logits[:, 1:].max(1)
    sure = torch.where(meets < THE_OBJECT_ITSELF, sure - logits.logsumexp(1), -torch.inf)
    top = sure.topk(min(MOST_PLACES, len(sure))).indices
    columns = (classes[top] + 1).clamp(max=deltas.shape[1] - 1)
    boxes = _decoded(heads.box_coder, deltas[top, columns], places[top])
    positives = ((meets >= FOREGROUND) & (meets < THE_OBJECT_ITSELF)).sum()
    return Answers(_overlap(boxes, image[top], targets), positives, places.new_full((), torch.nan))


def _decoded(coder: Any, deltas: Tensor, places: Tensor) -> Tensor:
    """Boxes x1, y1, x2, y2, shape (k, 4)."""
    decode = coder.decode_single if hasattr(coder, "decode_single") else coder.decode
    boxes: Tensor = decode(deltas.float(), places.float())  # areas do not fit half precision
    return boxes


def _owners(parts: Sequence[Tensor]) -> Tensor:
    """The image of each row of *parts*, joined; made where they are, without a wait."""
    return torch.cat([part.new_full((len(part),), i, dtype=torch.int64) for i, part in enumerate(parts)])


def _overlap(boxes: Tensor, image: Tensor, targets: Targets) -> Tensor:
    """Greatest IoU of each of *boxes* (k, 4) with an object of its *image*, shape (k,)."""
    objects = [target["boxes"].detach() for target in targets]
    joined = torch.cat(objects)
    if not len(joined):
        return boxes.new_zeros(len(boxes))
    same = image[:, None] == _owners(objects)[None, :]
    return torch.where(same, iou(boxes, joined), 0.0).amax(1)


def iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union, shape (k, n)."""
    corner = torch.maximum(boxes[:, None, :2], others[None, :, :2])
    opposite = torch.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = (opposite - corner).clamp(min=0).prod(-1)
    areas = [(part[:, 2:] - part[:, :2]).clamp(min=0).prod(-1) for part in (boxes, others)]
    return shared / (areas[0][:, None] + areas[1][None, :] - shared).clamp(min=1e-9)


class Surest:
    """Adds up over the forward passes of a step."""

    def __init__(self) -> None:
        self._taken: list[Answers] = []

    def take(self, read: Read) -> None:
        """Note the surest answers of a forward pass."""
        answers = read()
        if answers is not None:
            self._taken.append(answers)

    def close_step(self) -> Reading | None:
        """How many were looked at, and how many no object explains; nothing without a positive."""
        taken, self._taken = self._taken, []

        def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
            passes = zip(arrived[::3], arrived[1::3], strict=True)
            size = float(arrived[2])
            if 0 < size < math.inf:  # a map of one column has no neighbours
                sheet.values[tags.ASSIGN_POINT_SIZE] = size
            met = [iou for overlap, positives in passes for iou in _surest(overlap.tolist(), int(positives))]
            if not met:
                return
            explained = [iou for iou in met if iou >= MET]
            sheet.values[tags.SUREST] = len(met)
            sheet.values[tags.SUREST_UNEXPLAINED] = len(met) - len(explained)
            sheet.values[tags.SUREST_OVERLAP] = sum(explained)

        return Reading([tensor for answers in taken for tensor in answers], decode) if taken else None


def _surest(overlap: Sequence[float], positives: int) -> Sequence[float]:
    return overlap[: -int(-SHARE_OF_POSITIVES * positives // 1)]
