"""Statistics of images as the model is given them."""

from __future__ import annotations

import math

import pytest
import torch

from dettui_probe import tags
from dettui_probe.capture.pixels import SIDE, Pixels, sample, strided
from dettui_probe.capture.record import Sheet
from dettui_probe.capture.targets import find_images, find_sizes


def statistics_of(images: list[torch.Tensor]) -> dict[str, float]:
    sheet = Sheet(1, 0.0, {}, False)
    reading = Pixels().reading(sample(images, None, step=0))
    reading.decode(reading.tensors, sheet)
    return sheet.values


def test_mean_and_range_of_the_pixels() -> None:
    values = statistics_of([torch.full((3, 8, 8), 2.0), torch.full((3, 8, 8), 4.0)])
    assert (values[tags.IMAGE_MEAN], values[tags.IMAGE_MIN], values[tags.IMAGE_MAX]) == (3.0, 2.0, 4.0)
    assert values[tags.IMAGE_STD] == pytest.approx(1.0)
    assert values[tags.IMAGE_CONSTANT] == 2


def test_a_broken_pixel_is_counted_and_kept_out_of_the_statistics() -> None:
    broken = torch.rand(3, 8, 8)
    broken[0, 0, 0] = math.nan
    values = statistics_of([broken, torch.rand(3, 8, 8)])
    assert (values[tags.IMAGE_NONFINITE], values[tags.IMAGE_CONSTANT]) == (1, 0)
    assert math.isfinite(values[tags.IMAGE_MEAN])


def test_bytes_are_read_as_numbers() -> None:
    assert statistics_of([torch.full((3, 8, 8), 200, dtype=torch.uint8)])[tags.IMAGE_MAX] == 200


def test_padding_is_no_pixel_of_the_input() -> None:
    batch = torch.full((1, 3, 8, 8), 5.0)
    batch[..., 4:] = 0
    sheet = Sheet(1, 0.0, {}, False)
    reading = Pixels().backbone_reading(batch)
    reading.decode(reading.tensors, sheet)
    assert sheet.values[tags.INPUT_MEAN] == 5.0


def test_a_large_image_is_sampled_and_a_small_one_taken_whole() -> None:
    assert strided(torch.zeros(3, 2000, 1000)).shape[-1] <= SIDE
    assert strided(torch.zeros(3, 20, 10)).shape == (3, 20, 10)


def test_a_sample_is_a_copy() -> None:
    image = torch.zeros(3, 8, 8)
    taken = sample([image], None, step=0)
    image.fill_(9)
    assert taken.images[0].max() == 0


def test_the_state_of_an_lstm_is_no_list_of_images() -> None:
    words, state = torch.zeros(20, 4, dtype=torch.long), (torch.zeros(1, 4, 8), torch.zeros(1, 4, 8))
    assert find_images([words, state]) is None
    assert not find_sizes([words, state])


def test_a_list_of_images_comes_first_and_a_batch_anywhere() -> None:
    listed = [torch.zeros(3, 8, 6), torch.zeros(3, 8, 6)]
    batch = torch.zeros(2, 3, 8, 6)
    assert find_images([listed, torch.zeros(2)]) is not None
    assert len(find_images([torch.zeros(2), batch]) or ()) == 2
    assert list(find_sizes([torch.zeros(2), batch])) == [(8, 6), (8, 6)]
