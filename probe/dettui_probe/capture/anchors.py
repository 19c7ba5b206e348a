"""Do the objects have shapes that a head of somebody's own has anchors for?  (catalogue row R1)

Anchors are found where such heads keep them: in attributes and buffers called anchors or priors, or of a module that is
called so, among what that module returns, and beside the answers that a model returns.  How they are matched with the
objects nobody knows.  But no matcher makes a positive of an anchor that meets its object by less than some IoU, and
none meets it better than laid upon it: so only shapes are compared.  Abstains where the unit of the anchors is not
plain, and of points, which answer for objects of any size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from dettui_probe import tags
from dettui_probe.capture.boxes import Placed
from dettui_probe.capture.inert import LiveHook
from dettui_probe.capture.record import Reading, Sheet
from dettui_probe.capture.torchlib import Tensor, as_mapping, nn, torch

_NAMES: Final = ("anchor", "prior", "default_box", "defaultbox", "dboxes")
LEAST: Final = 16  # anchors of an image
MOST: Final = 2**18
MOST_SHAPES: Final = 2048  # anchors that are cut off at the edges of their image have many
MOST_OBJECTS: Final = 256  # of a batch that are looked at
PER_OCTAVE: Final = 16  # sizes that are told apart
CORNERS: Final = 0.99  # share of rows whose second half lies beyond the first, that corners have
TILED: Final = (0.6, 1.6)  # of the side of an image: how far the anchors of all of it reach
UNLIKE: Final = 0.3  # IoU: matchers leave out what is below 0.4 or 0.5, few below 0.35
LEGAL: Final = 0.9  # share of boxes that corners leave legal


class Shapes(NamedTuple):
    """The sizes of a head's anchors."""

    sides: Tensor  # (k, 2)
    reach: float  # of their centres, from one edge of the image to the other, in the same unit


def called_so(name: str) -> bool:
    """Whether *name* is one of anchors."""
    return any(word in name.lower() for word in _NAMES)


class OwnAnchors:
    """Finds the anchors of *model*, and holds objects against them."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._next = 1
        self._made: list[Tensor] = []  # by the modules that make anchors, in the newest forward pass
        self._shapes: Shapes | None = None  # of the anchors as read last; the writer thread's, as all below
        self._legal = self._seen = 0

    def is_time(self, step: int) -> bool:
        """Whether *step* is one in which to read: at ever longer distances."""
        return step >= self._next

    def made(self, output: object) -> None:
        """A module whose name says so returned *output*."""
        self._made += _anchors_in(output)

    def read(self, step: int, output: object) -> Reading | None:
        """The anchors as they are after a forward pass that returned *output*."""
        self._next = 2 * step
        made, self._made = self._made, []
        found = made or next((found for found in _kept_by(self._model) if found), []) or _beside_answers(output)
        rows = [anchors.detach().reshape(-1, 4) for anchors in found]
        if not LEAST <= sum(len(part) for part in rows) <= MOST:
            return None

        def decode(arrived: Sequence[Tensor], _: Sheet) -> None:
            self._shapes = shapes_of(torch.cat([part.float() for part in arrived]))

        return Reading(rows, decode)

    def compare(self, sheet: Sheet, placed: Placed, are_legal_corners: Tensor) -> None:
        """Adds how the objects of a batch meet the anchors to *sheet*, on the writer thread."""
        self._legal += int(are_legal_corners.sum())
        self._seen += len(placed.raw)
        if self._shapes is None or not len(placed.raw):
            return
        anchors = in_pixels(self._shapes, float(placed.width[0]), float(placed.height[0]))
        objects = placed.raw[:MOST_OBJECTS, 2:]
        if self._legal >= LEGAL * self._seen:
            objects = objects - placed.raw[:MOST_OBJECTS, :2]
        objects = objects[(objects > 0).all(dim=1) & torch.isfinite(objects).all(dim=1)]
        if anchors is None or not len(objects):
            return
        overlap, nearest = _overlap(objects, anchors).max(dim=1)
        octaves = (anchors[nearest].prod(dim=1) / objects.prod(dim=1)).log2() / 2
        for tag, amount in (
            (tags.ASSIGN_OWN_OBJECTS, len(objects)),
            (tags.ASSIGN_OWN_UNLIKE, int((overlap < UNLIKE).sum())),
            (tags.ASSIGN_OWN_OCTAVES, float(octaves.sum())),
        ):
            sheet.values[tag] = sheet.values.get(tag, 0.0) + amount


def anchor_hooks(model: nn.Module, made: LiveHook) -> Iterator[tuple[nn.Module, LiveHook]]:
    """*made* for each module of *model* that is called after what it makes."""
    for module in model.modules():
        if called_so(type(module).__name__):
            yield module, made


def _kept_by(model: nn.Module) -> Iterator[list[Tensor]]:
    """What the modules of *model* keep under such names, one after the other."""
    for module in model.modules():
        of_anchors = called_so(type(module).__name__)
        kept = {**vars(module), **module._buffers}
        for name, value in kept.items():
            if called_so(name) or (of_anchors and not name.startswith("_")):
                yield _anchors_in(value)


def _anchors_in(value: object) -> list[Tensor]:
    """Tensors (..., 4) that are not learnt: *value* itself, or the parts of it."""
    mapping = as_mapping(value)
    parts = [value] if isinstance(value, Tensor) else list(mapping.values()) if mapping is not None else value
    if not isinstance(parts, list | tuple):
        return []
    return [part for part in parts if isinstance(part, Tensor) and _has_shape(part)]


def _has_shape(value: Tensor) -> bool:
    if value.dim() < 2 or value.shape[-1] != 4 or not value.is_floating_point():
        return False
    return not value.requires_grad and not value.is_meta


def _beside_answers(output: object) -> list[Tensor]:
    """Anchors that a model returns with its answers, one for each: (loc, conf, priors) of the SSD that all copied."""
    if not isinstance(output, list | tuple):
        return []
    tensors = [part for part in output if isinstance(part, Tensor)]
    answered = {part.shape[1] for part in tensors if part.dim() == 3 and part.requires_grad}
    return [part for part in tensors if _has_shape(part) and part.dim() == 2 and len(part) in answered][:1]


def shapes_of(anchors: Tensor) -> Shapes | None:
    """The sizes of *anchors* (n, 4): corners, or centres and sides, of an image from edge to edge.  None where they are
    neither, and where they are points."""
    if not bool(torch.isfinite(anchors).all()):
        return None
    start, end = anchors[:, :2], anchors[:, 2:]
    if float((end > start).all(dim=1).float().mean()) >= CORNERS:
        sides, centres = end - start, (start + end) / 2
    else:
        sides, centres = end, start
    if bool((sides <= 0).any()) or _are_points(sides, centres):
        return None
    steps = (PER_OCTAVE * sides.log2()).round()
    told_apart = {tuple(row) for row in steps.tolist()}
    if len(told_apart) > MOST_SHAPES:
        return None
    reach = float((centres.amin(dim=0) + centres.amax(dim=0)).max())
    return Shapes((torch.tensor(sorted(told_apart)) / PER_OCTAVE).exp2(), reach)


def _are_points(sides: Tensor, centres: Tensor) -> bool:
    """Whether each is as wide as the next one is far, and as high: a stride, and no size."""
    distance = (centres[1] - centres[0]).abs().max()
    return bool((sides[:, 0] == sides[:, 1]).all()) and bool(torch.isclose(distance, sides[0, 0], rtol=1e-3))


def in_pixels(shapes: Shapes, width: float, height: float) -> Tensor | None:
    """Their sides (2 k, 2) on an image of *width* and *height*, as x, y and as y, x; None where their unit is not
    plain."""
    least, most = TILED
    if least <= shapes.reach / max(width, height) <= most:
        sides = (shapes.sides, shapes.sides.flip(1))
    elif least <= shapes.reach <= most:
        image = torch.tensor([width, height])
        sides = (shapes.sides * image, shapes.sides.flip(1) * image)
    else:
        return None
    return torch.cat(sides)


def _overlap(objects: Tensor, anchors: Tensor) -> Tensor:
    """IoU (n, k) of *objects* (n, 2) with *anchors* (k, 2) laid upon them; both are widths and heights."""
    shared = torch.minimum(objects[:, None], anchors[None]).prod(dim=-1)
    return shared / (objects.prod(dim=1)[:, None] + anchors.prod(dim=1)[None] - shared)
