"""Images that hold nothing are told exactly, ahead of what is guessed from pixels."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from unit.preflight.pictures import Pictures, detector, load

import dettui_probe as probe
from dettui_probe.prechecks.batches import deliver
from dettui_probe.prechecks.images import check_images
from dettui_probe.prechecks.report import Check

COUNT = 100


def judged(blank: int) -> Check:
    """The check of COUNT images, of which the first *blank* are grey all over."""

    def change(image: Tensor, target: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        return (torch.full_like(image, 0.5) if target["image_id"] < blank else image), target

    return check_images(deliver(load(Pictures(COUNT, change))))


@pytest.mark.parametrize(
    ("blank", "verdict", "severity"),
    [
        (0, "passed", "info"),
        (2, "passed", "info"),
        (3, "failed", "warn"),
        (20, "failed", "warn"),
        (21, "failed", "certain"),
    ],
)
def test_blank_images_are_counted(blank: int, verdict: str, severity: str) -> None:
    check = judged(blank)
    assert (check.verdict, check.severity) == (verdict, severity)
    assert check.evidence.startswith(f"{blank} of {COUNT} images")


def test_without_images_nothing_is_said() -> None:
    assert check_images(deliver(iter(()))).verdict == "abstained"


def test_black_images_are_named_first_and_their_labels_are_not_doubted() -> None:
    black = Pictures(96, lambda image, target: (torch.zeros_like(image), target))
    report = probe.preflight(detector(), load(black), out=None)
    assert report.failed[0].cause == "inputs_constant"
    assert "labels_shuffled" not in {check.cause for check in report.failed}
