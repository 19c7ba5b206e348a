"""Do delivered boxes describe their pixels?  (row A17)  The comparisons of the probe, over delivered images; and, where
examples can be read by index, whether boxes fit the example next door.

Every comparison but one is against a fair coin: mirrors, swapped axes and other images win half of the time, whatever
images and boxes look like.  That boxes fit *nowhere* is weaker, and is only said after a discriminant of brightness,
colour, texture and edges was no better than chance either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from dettui_probe import tags
from dettui_probe.capture.boxes import shares_of_image
from dettui_probe.capture.features import Scene, album_of, contrast
from dettui_probe.capture.pairing import Pairing
from dettui_probe.capture.pixels import strided
from dettui_probe.capture.record import Sheet
from dettui_probe.capture.targets import Batch, boxes_of
from dettui_probe.capture.torchlib import Tensor, torch
from dettui_probe.contract import Contract
from dettui_probe.prechecks import policy
from dettui_probe.prechecks.attempt import Failure, attempt
from dettui_probe.prechecks.batches import Delivery, dataset_of, understand, unshared
from dettui_probe.prechecks.coins import Coin, coin_of
from dettui_probe.prechecks.images import is_blank
from dettui_probe.prechecks.report import Check, abstained, failed, passed

NAME: Final = "pairing"


def check_pairing(delivery: Delivery, loader: Any, contract: Contract) -> Check:
    """One verdict on the boxes of *delivery*, and of the examples behind *loader*."""
    if contract.box_format is None or contract.box_scale is None:
        return abstained(NAME, "the head is unknown, and with it the format of delivered boxes")
    batches = list(_batches(delivery, contract))
    rows = _values(batches)
    found = {name: coin_of(*_columns(rows, *pair)) for name, pair in _PAIRS.items()}
    own = found["own"]
    if own is None:
        boxes = sum(row.get(tags.PAIRING_BOXES, 0) for row in rows)
        text = f"{boxes:.0f} boxes could be compared; {policy.PAIRING_MIN_BOXES} are needed"
        return abstained(NAME, f"{text}; blank images say nothing of their boxes" if _has_blank(delivery) else text)
    elsewhere = _elsewhere(found, own)
    if elsewhere is not None:
        return elsewhere
    text = f"{own.share:.0%} of {own.compared:.0f} boxes stand out more on their own image than on another"
    if own.at_least > policy.PAIRING_SURELY:
        return passed(NAME, f"{text}; chance: 50 %")
    return _next_door(loader, contract) or _nowhere(_learnt(batches, rows), text, contract)


_PAIRS: Final[Mapping[str, tuple[str, str]]] = {
    "own": (tags.PAIRING_BEATS_OTHER, tags.PAIRING_BOXES),
    "hflip": (tags.PAIRING_HFLIP_FITS, tags.PAIRING_HFLIP_BOXES),
    "vflip": (tags.PAIRING_VFLIP_FITS, tags.PAIRING_VFLIP_BOXES),
    "swapped": (tags.PAIRING_SWAP_FITS, tags.PAIRING_SWAP_BOXES),
    "batch": (tags.PAIRING_BATCH_FITS, tags.PAIRING_BATCH_BOXES),
}
_FLIP_REMEDY: Final = "hand the boxes to the transform that flips the images, and use the boxes that it returns"
_JOIN_REMEDY: Final = "join images and boxes by a key, not by position: by_image_id[image_id]; sort both listings"


def _elsewhere(found: Mapping[str, Coin | None], own: Coin) -> Check | None:
    """Where boxes fit, if not (only) at their own place: the fair coins."""
    fits = {name: coin for name, coin in found.items() if coin is not None and _fits(coin, own)}
    swapped, batch = fits.get("swapped"), fits.get("batch")
    if swapped is not None and swapped.share > own.share:
        text = _told(swapped, "fit their image with x and y swapped", own)
        return failed(NAME, "warn", "boxes_wrong_format", text, "swap them back: boxes[:, [1, 0, 3, 2]]")
    for name, words in (("hflip", "left to right"), ("vflip", "upside down")):
        if name in fits:
            text = _told(fits[name], f"fit their image mirrored {words}", own)
            return failed(NAME, "warn", "boxes_not_transformed", text, _FLIP_REMEDY)
    if batch is not None and own.share < batch.share:
        text = _told(batch, "fit another image of their batch better than one of another batch", own)
        return failed(NAME, "warn", "labels_shuffled", text, "keep images and targets in one order in collate_fn")
    return None


def _fits(coin: Coin, own: Coin) -> bool:
    likely = (coin.at_least + coin.share) / 2
    return coin.at_least > policy.PAIRING_SURELY and likely > 0.5 + policy.PAIRING_OF_OWN * (own.share - 0.5)


def _told(coin: Coin, what: str, own: Coin) -> str:
    return f"{coin.share:.0%} of {coin.compared:.0f} boxes {what} (chance: 50 %), {own.share:.0%} their own as they are"


def _nowhere(learnt: Coin | None, text: str, contract: Contract) -> Check:
    if learnt is None or contract.box_scale != "pixels":
        return abstained(NAME, f"{text}: objects too plain to tell, or too few of them")
    told = (
        f"{learnt.share:.0%} of {learnt.compared:.0f} are told by brightness, colour, texture and edges; chance: 50 %"
    )
    if learnt.at_most < policy.PAIRING_LEARNT_AT_MOST:
        return failed(NAME, "warn", "labels_shuffled", f"{text}; {told}", _JOIN_REMEDY)
    if learnt.at_least > policy.PAIRING_SURELY:
        return passed(NAME, told)
    return abstained(NAME, f"{text}; {told}")


def _learnt(batches: Sequence[Sequence[Scene]], rows: Sequence[Mapping[str, float]]) -> Coin | None:
    """What was learnt from the batches before each one, as *rows* have it, and from those behind it."""
    pair = tags.PAIRING_LEARNT_WINS, tags.PAIRING_LEARNT_BOXES
    ahead, behind = _columns(rows, *pair), _columns(_values(batches[::-1])[::-1], *pair)
    wins, compared = ([a + b for a, b in zip(*both, strict=True)] for both in zip(ahead, behind, strict=True))
    return coin_of(wins, compared)


def _next_door(loader: Any, contract: Contract) -> Check | None:
    """Whether the boxes of example i fit example i + k better than example i - k: a fair coin, whatever the data."""
    scenes = attempt(_neighbours, loader, contract)
    if isinstance(scenes, Failure) or len(scenes) < policy.PAIRING_MIN_CLUSTERS:
        return None
    for shift in range(1, policy.PAIRING_SHIFTS + 1):
        coin = coin_of(*_shifted(scenes, shift))
        for sign, side in ((1, coin), (-1, None if coin is None else _turned(coin))):
            if side is not None and side.at_least > policy.PAIRING_SURELY:
                text = f"{side.share:.0%} of {side.compared:.0f} boxes fit the image {sign * shift:+d} places on"
                text += f" rather than {-sign * shift:+d}; chance: 50 %"
                return failed(NAME, "warn", "labels_shuffled", text, _JOIN_REMEDY)
    return None


def _turned(coin: Coin) -> Coin:
    return coin._replace(wins=coin.compared - coin.wins)


def _shifted(scenes: Sequence[Scene], shift: int) -> tuple[list[float], list[float]]:
    """Wins of the scene *shift* places on against that *shift* places back, and comparisons, by scene."""
    album = album_of(scenes)
    inner = (album.scene >= shift) & (album.scene < len(scenes) - shift)
    boxes, scene = album.boxes[inner], album.scene[inner]
    ahead, behind = (contrast(album, boxes, scene + by) for by in (shift, -shift))
    usable = torch.isfinite(ahead) & torch.isfinite(behind) & (ahead != behind)
    count = len(scenes)
    won = torch.bincount(scene[usable], (ahead > behind)[usable].double(), minlength=count)
    return won.tolist(), torch.bincount(scene[usable], minlength=count).double().tolist()


def _neighbours(loader: Any, contract: Contract) -> list[Scene]:
    """The first examples of the dataset behind *loader*, in its order."""
    dataset = dataset_of(loader)
    if dataset is None:
        return []
    twin, collate = unshared(dataset), getattr(loader, "collate_fn", list)
    scenes: list[Scene] = []
    for index in range(min(len(dataset), policy.PAIRING_NEIGHBOURS)):
        batch = attempt(lambda number: understand(collate([twin[number]])), index)
        if batch is not None and not isinstance(batch, Failure):
            scenes += _scenes(batch, contract)
    return scenes


def _batches(delivery: Delivery, contract: Contract) -> Iterator[list[Scene]]:
    for batch in delivery.batches:
        scenes = attempt(lambda given: _scenes(given, contract), batch)
        yield [] if isinstance(scenes, Failure) else scenes


def _has_blank(delivery: Delivery) -> bool:
    return any(is_blank(image) for batch in delivery.batches for image in batch.images)


def _scenes(batch: Batch, contract: Contract) -> list[Scene]:
    """The images of *batch* that have boxes and show something: any boxes fit a blank one as badly as its own."""
    return [
        Scene(strided(image.detach()).float().cpu(), shares_of_image(boxes.cpu(), _size(image), contract))
        for image, target in zip(batch.images, batch.targets, strict=False)
        if (boxes := boxes_of(target)) is not None and not is_blank(image)
    ]


def _size(image: Tensor) -> tuple[int, int]:
    return image.shape[-2], image.shape[-1]


def _values(batches: Sequence[Sequence[Scene]]) -> list[Mapping[str, float]]:
    """The comparisons in each of *batches*, in their order."""
    compare = Pairing()
    rows: list[Mapping[str, float]] = []
    for scenes in batches:
        sheet = Sheet(0, 0.0, {}, False)
        compare.compare(sheet, scenes)
        rows.append(sheet.values)
    return rows


def _columns(rows: Sequence[Mapping[str, float]], won: str, of: str) -> tuple[list[float], list[float]]:
    return [row.get(won, 0.0) for row in rows], [row.get(of, 0.0) for row in rows]
