"""What evaluations are called, whatever the script calls them."""

from __future__ import annotations

import pytest

from dettui.store.evaluations import EvaluationNames, common_name
from dettui_probe import tags


@pytest.mark.parametrize(
    ("told", "read"),
    [
        ("val/loss", "eval/loss"),
        ("val_loss", "eval/loss"),
        ("valid/acc", "eval/accuracy"),
        ("Validation/mAP_50", "eval/mAP50"),
        ("eval_loss", "eval/loss"),
        ("test/wer", "eval/wer"),
        ("eval/mIoU", "eval/mIoU"),
    ],
)
def test_a_first_word_tells_an_evaluation(told: str, read: str) -> None:
    assert common_name(told) == read


@pytest.mark.parametrize(
    "name", ["train/loss", "loss/total", "lr/pg0", "val_time", "validity", "train/val_ratio", tags.EVAL_BATCH_MEAN,
             tags.EVAL_MODE, tags.EVAL_ROWS],
)  # fmt: skip
def test_other_series_keep_their_names(name: str) -> None:
    assert common_name(name) == name


def test_every_series_of_the_probe_keeps_its_name() -> None:
    assert [tag.name for tag in tags.VOCABULARY if common_name(tag.name) != tag.name] == []


def test_two_evaluations_are_never_mixed() -> None:
    names = EvaluationNames()
    assert names.read(["val/loss", "test/loss"]) == ["eval/loss", "test/loss"]
    assert names.read(["val/loss"]) == ["eval/loss"]  # another boot
    assert names.read(["eval/loss"]) == ["eval/loss_2"]  # as the probe overheard it


def test_whoever_uses_the_common_name_beside_another_keeps_it() -> None:
    assert EvaluationNames().read(["val/loss", "eval/loss"]) == ["val/loss", "eval/loss"]
