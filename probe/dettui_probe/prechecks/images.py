"""Do the delivered images hold anything?  Exact: an image of one value shows nothing, whatever its targets say."""

from __future__ import annotations

from typing import Final

from dettui_probe.capture.torchlib import Tensor
from dettui_probe.prechecks import policy
from dettui_probe.prechecks.batches import Delivery
from dettui_probe.prechecks.report import Check, abstained, failed, passed

NAME: Final = "images"
_REMEDY: Final = (
    "look at what the reader returns: cv2.imread gives None for a missing file; raise instead of filling in"
)


def check_images(delivery: Delivery) -> Check:
    """How many of the delivered images are blank."""
    images = [image for batch in delivery.batches for image in batch.images]
    if not images:
        return abstained(NAME, delivery.missing or "no images")
    blank = sum(map(is_blank, images))
    text = f"{blank} of {len(images)} images have one and the same value everywhere"
    if blank > policy.BLANK_CERTAIN * len(images):
        return failed(NAME, "certain", "inputs_constant", text, _REMEDY)
    if blank > policy.BLANK_WARN * len(images):
        return failed(NAME, "warn", "inputs_constant", text, _REMEDY)
    return passed(NAME, text)


def is_blank(image: Tensor) -> bool:
    """Whether *image*, of any shape, has one and the same value everywhere."""
    low, high = image.aminmax() if image.numel() else (0, 1)
    return bool(low == high)
