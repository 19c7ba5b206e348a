"""Boxes that describe the pixels win against other places; boxes left behind by a flip do not."""

from __future__ import annotations

import pytest
import torch

from dettui_probe import tags
from dettui_probe.capture.pairing import Pairing, Scene
from dettui_probe.capture.record import Sheet

SCENES = 200


def scene(generator: torch.Generator) -> Scene:
    """A noisy image with one to three rectangles of other colours, and their boxes."""
    pixels = torch.rand(3, 64, 64, generator=generator) * 0.3
    boxes = []
    for _ in range(int(torch.randint(1, 4, (), generator=generator))):
        corner = torch.rand(2, generator=generator) * 0.7
        side = 0.12 + torch.rand(2, generator=generator) * 0.15
        x1, y1, x2, y2 = (int(v * 64) for v in (*corner, *(corner + side)))
        pixels[:, y1:y2, x1:x2] += torch.rand(3, 1, 1, generator=generator)
        boxes.append([x1 / 64, y1 / 64, x2 / 64, y2 / 64])
    return Scene(pixels, torch.tensor(boxes))


def batches(scenes: list[Scene]) -> dict[str, float]:
    """All values of *scenes*, four a batch."""
    sheet, pairing = Sheet(1, 0.0, {}, False), Pairing()
    for start in range(0, len(scenes), 4):
        pairing.compare(sheet, scenes[start : start + 4])
    return sheet.values


def share(values: dict[str, float], name: str) -> float:
    won = "wins" if name == "learnt" else "fits"
    return values[f"pairing/{name}_{won}"] / values[f"pairing/{name}_boxes"]


COMPARISONS = {
    "own": (tags.PAIRING_BOXES, tags.PAIRING_BEATS_OTHER),
    "hflip": (tags.PAIRING_HFLIP_BOXES, tags.PAIRING_HFLIP_FITS),
    "vflip": (tags.PAIRING_VFLIP_BOXES, tags.PAIRING_VFLIP_FITS),
}


def shares(scenes: list[Scene]) -> dict[str, float]:
    sheet = Sheet(1, 0.0, {}, False)
    pairing = Pairing()
    for start in range(0, len(scenes), 4):
        pairing.compare(sheet, scenes[start : start + 4])
    assert all(sheet.values[compared] > 50 for compared, _ in COMPARISONS.values())
    return {place: sheet.values[wins] / sheet.values[compared] for place, (compared, wins) in COMPARISONS.items()}


def scenes() -> list[Scene]:
    generator = torch.Generator().manual_seed(1)
    return [scene(generator) for _ in range(SCENES)]


def test_boxes_that_fit_win_at_their_own_place_and_half_of_the_time_at_their_mirrors() -> None:
    found = shares(scenes())
    assert found["own"] > 0.85
    assert 0.4 < found["hflip"] < 0.6
    assert 0.4 < found["vflip"] < 0.6


def test_boxes_that_lie_on_one_side_only_do_not_look_flipped() -> None:
    left = [made._replace(boxes=made.boxes[made.boxes[:, 2] < 0.55]) for made in scenes()]
    assert 0.4 < shares(left)["hflip"] < 0.6


@pytest.mark.parametrize(("axis", "flipped", "kept"), [(2, "hflip", "vflip"), (1, "vflip", "hflip")])
def test_boxes_left_behind_by_a_flip_win_at_that_mirror_too(axis: int, flipped: str, kept: str) -> None:
    made = [image._replace(pixels=image.pixels.flip(axis)) if i % 2 else image for i, image in enumerate(scenes())]
    found = shares(made)
    assert found[flipped] > 0.63
    assert found["own"] > 0.63
    assert 0.4 < found[kept] < 0.6


def test_boxes_of_other_images_win_half() -> None:
    made = scenes()
    shuffled = [image._replace(boxes=other.boxes) for image, other in zip(made, made[7:] + made[:7], strict=True)]
    assert all(0.4 < share < 0.6 for share in shares(shuffled).values())


def test_images_of_very_different_contrast_compare_as_even() -> None:
    made = [image._replace(pixels=image.pixels * (10.0 if i % 4 == 0 else 1.0)) for i, image in enumerate(scenes())]
    found = shares(made)
    assert 0.4 < found["hflip"] < 0.6
    assert 0.4 < found["vflip"] < 0.6


def test_images_without_texture_compare_as_even() -> None:
    flat = [made._replace(pixels=torch.ones(3, 64, 64)) for made in scenes()]
    assert set(shares(flat).values()) == {0.5}


def test_a_single_image_is_compared_with_the_one_before() -> None:
    sheet = Sheet(1, 0.0, {}, False)
    pairing = Pairing()
    for made in scenes()[:40]:
        pairing.compare(sheet, [made])
    assert sheet.values[tags.PAIRING_BOXES] > 5


def test_broken_pixels_and_boxes_take_no_part() -> None:
    sheet = Sheet(1, 0.0, {}, False)
    good, other = scenes()[:2]
    broken = good._replace(boxes=torch.full((2, 4), torch.nan))
    Pairing().compare(sheet, [broken, good._replace(pixels=good.pixels * torch.nan), other])
    assert sheet.values.get(tags.PAIRING_BOXES, 0.0) <= len(other.boxes)


def test_swapped_axes_win_where_they_are_swapped_back() -> None:
    made = [image._replace(boxes=image.boxes[:, [1, 0, 3, 2]]) for image in scenes()]
    assert share(batches(made), "swapped") > 0.85
    assert 0.4 < share(batches(scenes()), "swapped") < 0.6


def test_axes_are_not_swapped_on_images_that_are_not_square() -> None:
    wide = [image._replace(pixels=image.pixels[:, :48]) for image in scenes()]
    assert "pairing/swapped_boxes" not in batches(wide)


def test_boxes_of_the_next_image_of_a_batch_win_in_their_batch() -> None:
    made, moved = scenes(), []
    for start in range(0, len(made), 4):
        batch = made[start : start + 4]
        rolled = batch[1:] + batch[:1]
        moved += [image._replace(boxes=other.boxes) for image, other in zip(batch, rolled, strict=True)]
    assert share(batches(moved), "batch") > 0.58
    assert 0.45 < share(batches(made), "batch") < 0.55


def texture_only(made: Scene, dice: torch.Generator, strength: float) -> Scene:
    """Objects that differ from what surrounds them in their texture alone."""
    pixels = torch.rand(3, 64, 64, generator=dice)
    for x1, y1, x2, y2 in (made.boxes * 64).round().long().tolist():
        pixels[:, y1:y2, x1:x2] = 0.5 + strength * (pixels[:, y1:y2, x1:x2] - 0.5)
    return made._replace(pixels=pixels)


@pytest.mark.parametrize("strength", [0.5, 1.5])
def test_objects_of_another_texture_are_learnt_to_be_told(strength: float) -> None:
    dice = torch.Generator().manual_seed(3)
    values = batches([texture_only(made, dice, strength) for made in scenes()])
    assert values[tags.PAIRING_BEATS_OTHER] / values[tags.PAIRING_BOXES] < 0.7
    assert share(values, "learnt") > 0.9


def test_nothing_is_learnt_from_boxes_of_other_images() -> None:
    made = scenes()
    shuffled = [image._replace(boxes=other.boxes) for image, other in zip(made, made[7:] + made[:7], strict=True)]
    assert 0.4 < share(batches(shuffled), "learnt") < 0.6


# --- boxes that are drawn tightly -------------------------------------------------------------------------------------


def aside(made: list[Scene]) -> float:
    values = batches(made)
    return values[tags.PAIRING_ASIDE_WINS] / values[tags.PAIRING_ASIDE_BOXES]


def scattered(made: Scene, share: float, dice: torch.Generator) -> Scene:
    """Corners off by up to *share* of the size."""
    size = (made.boxes[:, 2:] - made.boxes[:, :2]).repeat(1, 2)
    moved = made.boxes + share * size * (2 * torch.rand(made.boxes.shape, generator=dice) - 1)
    return made._replace(boxes=torch.where(moved[:, 2:].repeat(1, 2) > moved[:, :2].repeat(1, 2), moved, made.boxes))


def test_boxes_win_against_the_place_beside_them() -> None:
    assert aside(scenes()) > 0.85


def test_boxes_that_scatter_about_their_objects_are_as_good_beside() -> None:
    dice = torch.Generator().manual_seed(5)
    made = [scattered(image, 0.8, dice) for image in scenes()]
    assert aside(made) < 0.6 < shares(made)["own"]
