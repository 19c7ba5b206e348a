"""Do the boxes describe the pixels?  (catalogue row A17, on the writer thread)

An object differs from what surrounds it.  s(b) = |mean inside b - mean of a ring around b|, summed over channels and
divided by the image's deviation, is therefore larger at the right place than at a wrong one.

Each place is compared on two images: the box's own and the next one.  The law of where objects lie cancels out, so
that a place which has nothing to do with either image wins half of the time, whatever the texture.  Boxes that fit
win nearly always at their own place and half of the time at their mirrors.  Boxes left behind by a flip win at that
mirror too (p = 1/2: about three in four, at both places), boxes with swapped axes where they are swapped back.  Boxes
of other images win half of the time everywhere; where their image is in the same batch, they win on it against an
image of another batch.

Boxes that are drawn tightly also win against the place a quarter of their size aside, on their own image; boxes that
scatter about their objects are as good there.

That boxes win nowhere proves little: objects may differ from what surrounds them in more than their mean.  So a
second comparison learns by which features (``features.py``) a box's own image is told from another one, and is asked
of boxes that it has not learnt from.

Boxes of a head that nobody knows are compared in every reading, and everything else of them is asked in the reading
that leaves most of them within their images, of several the one that fits the pixels best (``readings.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple, TypeAlias

from dettui_probe import tags
from dettui_probe.capture.features import Album, Learner, Scene, album_of, contrast, features
from dettui_probe.capture.readings import Readings
from dettui_probe.capture.record import Sheet
from dettui_probe.capture.torchlib import Tensor, torch
from dettui_probe.contract import BoxFormat, Contract

__all__ = ["MAX_OVERLAP", "Pairing", "Scene"]

MAX_OVERLAP: Final = 0.3  # IoU with an annotated box from which on a wrong place is too right to compare with
ASIDE: Final = 0.25  # of the side of a box: a step that a box which is drawn tightly loses by
SQUARE: Final = 0.02  # difference of the sides from which on swapped axes show in the boxes themselves


class _Places(NamedTuple):
    """Places (n, 4) on the scenes *here* (n,), each with what it is compared with."""

    boxes: Tensor
    here: Tensor
    there: Tensor  # scene of the other place
    others: Tensor  # (n, 4): the other place, mostly the same on another scene


_Tally: TypeAlias = tuple[str, str]
"""Tags that count how many places were compared, and how many won."""

_TALLIES: Final[tuple[_Tally, ...]] = (
    (tags.PAIRING_BOXES, tags.PAIRING_BEATS_OTHER),
    (tags.PAIRING_HFLIP_BOXES, tags.PAIRING_HFLIP_FITS),
    (tags.PAIRING_VFLIP_BOXES, tags.PAIRING_VFLIP_FITS),
    (tags.PAIRING_SWAP_BOXES, tags.PAIRING_SWAP_FITS),
    (tags.PAIRING_ASIDE_BOXES, tags.PAIRING_ASIDE_WINS),
    (tags.PAIRING_BATCH_BOXES, tags.PAIRING_BATCH_FITS),
)
"""In the order of ``_kinds``."""


class Pairing:
    """Compares the boxes of sampled images with other places, and counts where they win."""

    def __init__(self) -> None:
        self._previous: Scene | None = None  # so that batches of one image have another to compare with
        self._learner = Learner()
        self._readings = Readings()

    def compare(self, sheet: Sheet, scenes: Sequence[Scene]) -> None:
        """Adds the comparisons of *scenes*, images of one batch, to the values of *sheet*.  The last one is compared
        with the scene kept from the call before."""
        usable = [scene for scene in scenes if len(scene.boxes) and bool(torch.isfinite(scene.pixels.sum()))]
        if not usable:
            return
        kept, self._previous = self._previous, usable[0]
        shown = usable if kept is None else [*usable, kept]
        alike = [scene for scene in shown if scene.pixels.shape[0] == usable[0].pixels.shape[0]]
        if len(alike) > 1:
            album, read = self._as_read(alike)
            kinds = _kinds(album, has_another_batch=kept is not None)
            asked = [*zip(_TALLIES, kinds, strict=False), *((_read_so(name), places) for name, places in read.items())]
            counted = _count(sheet, album, asked)
            self._readings.note({name: counted[_read_so(name)] for name in read})
            self._learn(sheet, album, kinds[0])

    def read_as(self, contract: Contract) -> Contract:
        """*contract*, where it tells no format of boxes with the one that suits them best so far."""
        return contract if contract.box_format is not None else replace(contract, box_format=self._readings.best())

    def _as_read(self, scenes: Sequence[Scene]) -> tuple[Album, dict[BoxFormat, _Places]]:
        """*scenes* in the reading that suits them best so far, and their own places in each reading."""
        album = album_of(scenes)
        if all(scene.are_corners for scene in scenes):
            return album, {}
        read = self._readings.of(album.boxes)
        places = {name: _own(album._replace(boxes=corners)) for name, corners in read.items()}
        return album._replace(boxes=read[self._readings.best()]), places

    def _learn(self, sheet: Sheet, album: Album, own: _Places) -> None:
        """Tell own images from others by what was learnt before, then learn."""
        apart = features(album, own.boxes, own.here) - features(album, own.boxes, own.there)
        wins = self._learner.judge(apart[torch.isfinite(apart).all(dim=1)])
        if wins is not None:
            _add(sheet, tags.PAIRING_LEARNT_BOXES, len(wins))
            _add(sheet, tags.PAIRING_LEARNT_WINS, float(wins.sum()))


def _read_so(name: str) -> _Tally:
    return tags.PAIRING_READ_BOXES + name, tags.PAIRING_READ_FITS + name


def _asking(album: Album) -> tuple[Tensor, Tensor]:
    """The boxes of every scene but the last, and the scene of each."""
    asking = album.scene < len(album.width) - 1
    return album.boxes[asking], album.scene[asking]


def _own(album: Album) -> _Places:
    """The place of each of them, where it overlaps no box of the next scene."""
    boxes, scene = _asking(album)
    own = _Places(boxes, scene, scene + 1, boxes)
    if not len(boxes):
        return own
    apart = _is_apart(album, boxes, scene + 1)
    return _Places(*(part[apart] for part in own))


def _kinds(album: Album, *, has_another_batch: bool) -> tuple[_Places, ...]:
    """What is compared, in the order of ``_TALLIES``: places of the boxes of every scene but the last."""
    last = len(album.width) - 1
    boxes, scene = _asking(album)
    kinds = [_own(album)]
    if len(boxes):
        square = ((album.width - album.height).abs() <= SQUARE * album.height)[scene]
        mirrors = (_mirrored(boxes, 0), _mirrored(boxes, 1), boxes[:, [1, 0, 3, 2]])
        for places, possible in zip(mirrors, (None, None, square), strict=True):
            fair = _is_apart(album, places, scene) & _is_apart(album, places, scene + 1)
            fair = fair if possible is None else fair & possible
            kinds.append(_Places(places[fair], scene[fair], scene[fair] + 1, places[fair]))
        kinds.append(_Places(boxes, scene, scene, _moved_aside(boxes)))
    if has_another_batch and last > 1:
        kinds.append(_elsewhere(boxes, scene, last))
    return tuple(kinds)


def _moved_aside(boxes: Tensor) -> Tensor:
    """Each of *boxes* by a part of its size to the right, up, to the left or down, in turn."""
    turn = torch.arange(len(boxes)) % 4
    directions = torch.tensor([[1.0, 0.0], [0.0, -1.0], [-1.0, 0.0], [0.0, 1.0]])[turn]
    return boxes + (ASIDE * directions * (boxes[:, 2:] - boxes[:, :2])).repeat(1, 2)


def _elsewhere(boxes: Tensor, scene: Tensor, last: int) -> _Places:
    """Each box on every other scene of its batch, against the *last* one, which is of another batch."""
    others = torch.arange(last).expand(len(boxes), last)
    row, other = (others != scene[:, None]).nonzero().unbind(1)
    return _Places(boxes[row], other, torch.full_like(other, last), boxes[row])


def _count(sheet: Sheet, album: Album, asked: Sequence[tuple[_Tally, _Places]]) -> dict[_Tally, tuple[float, float]]:
    """Comparisons and wins of each of what is *asked*.  All at once: some hundred small operations a kind would cost
    more than the arithmetic."""
    boxes, here, there, others = (torch.cat(parts) for parts in zip(*(places for _, places in asked), strict=True))
    both = contrast(album, torch.cat([boxes, others]), torch.cat([here, there]))
    first, second = both[: len(boxes)], both[len(boxes) :]
    comparable = torch.isfinite(first) & torch.isfinite(second)
    wins = torch.where(comparable, (first > second).double() + (first == second).double() / 2, 0.0)
    lengths = [len(places.boxes) for _, places in asked]
    pieces = zip(asked, torch.split(comparable.double(), lengths), torch.split(wins, lengths), strict=True)
    counted = {tally: (float(compared.sum()), float(won.sum())) for (tally, _), compared, won in pieces}
    for (compared_tag, wins_tag), (compared, won) in counted.items():
        if compared:
            _add(sheet, compared_tag, compared)
            _add(sheet, wins_tag, won)
    return counted


def _add(sheet: Sheet, tag: str, amount: float) -> None:
    sheet.values[tag] = sheet.values.get(tag, 0.0) + amount


def _mirrored(boxes: Tensor, axis: int) -> Tensor:
    """*boxes* mirrored left to right (axis 0) or upside down (axis 1)."""
    mirrored = boxes.clone()
    mirrored[:, axis], mirrored[:, axis + 2] = 1 - boxes[:, axis + 2], 1 - boxes[:, axis]
    return mirrored


def _is_apart(album: Album, places: Tensor, where: Tensor) -> Tensor:
    """Which *places* (n, 4) of the scenes *where* (n,) overlap no box there by more than MAX_OVERLAP; shape (n,)."""
    low = torch.maximum(places[:, None, :2], album.boxes[None, :, :2])
    high = torch.minimum(places[:, None, 2:], album.boxes[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(dim=2)
    union = _areas(places)[:, None] + _areas(album.boxes)[None, :] - shared
    elsewhere = where[:, None] != album.scene[None, :]
    return (elsewhere | (shared <= MAX_OVERLAP * union)).all(dim=1)


def _areas(boxes: Tensor) -> Tensor:
    return (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(dim=1)
