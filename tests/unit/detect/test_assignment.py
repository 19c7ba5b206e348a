"""Objects that the head never sees."""

from __future__ import annotations

from typing import Any

import pytest
from scenarios.build import Setting, run_messages
from scenarios.play import store_of

from dettui.detect.assignment import Unassigned
from dettui.detect.base import Symptom
from dettui.detect.context import Context
from dettui.detect.loss_terms import ZeroTerms
from dettui.domain.finding import Abstention
from dettui_probe import tags


def judge(
    rule: Unassigned | ZeroTerms, steps: int, family: str = "torchvision.FasterRCNN", **series: Any
) -> list[Symptom]:
    store = store_of(run_messages(steps, setting=Setting(family=family), **series))
    found = rule.evaluate(Context(store, steps))
    assert not isinstance(found, Abstention)
    return list(found)


def assigned(steps: int, objects: float = 8.0, rpn: float = 20.0, roi: float = 28.0) -> list[Symptom]:
    return judge(Unassigned(), steps, **{tags.ASSIGN_OBJECTS: objects, tags.ASSIGN_RPN: rpn, tags.ASSIGN_ROI: roi})


def test_objects_that_are_met_raise_nothing() -> None:
    assert assigned(300) == []


def test_without_assignment_the_rules_abstain() -> None:
    store = store_of(run_messages(5, **{tags.LOSS_TOTAL: 1.0}))
    assert isinstance(Unassigned().evaluate(Context(store, 5)), Abstention)
    assert isinstance(ZeroTerms().evaluate(Context(store, 5)), Abstention)


def test_twenty_objects_without_one_positive_are_critical_and_nineteen_are_not() -> None:
    (found,) = assigned(1, objects=20.0, roi=0.0)
    assert (found.key, found.severity, found.exact) == (tags.ASSIGN_ROI, "critical", True)
    assert assigned(1, objects=19.0, roi=0.0) == []


def test_only_the_objects_themselves_is_said_once_the_rpn_had_time() -> None:
    (found,) = assigned(200, roi=8.0)
    assert (found.key, found.severity, found.exact) == (tags.ASSIGN_ROI, "warning", False)
    assert assigned(199, roi=8.0) == []
    assert assigned(200, roi=9.0) == []


@pytest.mark.parametrize(
    ("family", "positives", "is_told"),
    [
        ("torchvision.SSD", dict.fromkeys(range(1, 101), 8.0), True),
        ("torchvision.SSD", {step: 8.0 if step % 2 else 9.0 for step in range(1, 101)}, False),  # some objects fit
        ("torchvision.FCOS", dict.fromkeys(range(1, 101), 8.0), False),  # gives no object a place by force
        ("torchvision.SSD", dict.fromkeys(range(1, 41), 8.0), False),  # too few rows
    ],
)
def test_anchors_of_which_none_fits_are_told_by_the_positives(
    family: str, positives: dict[int, float], is_told: bool
) -> None:
    series = {tags.ASSIGN_OBJECTS: dict.fromkeys(positives, 8.0), tags.ASSIGN_POSITIVES: positives}
    found = judge(Unassigned(), 100, family, **series)
    assert [(s.key, s.severity) for s in found] == ([(tags.ASSIGN_POSITIVES, "warning")] if is_told else [])


@pytest.mark.parametrize(
    ("objects", "unlike", "is_told"),
    [
        (4.0, 3.6, True),
        (4.0, 2.0, False),  # some objects are small for the anchors, as in most collections
        (0.5, 0.5, False),  # too few of them
        (4.0, 0.0, False),
    ],
)
def test_anchors_of_somebodys_own_are_told_by_the_shapes_of_objects(
    objects: float, unlike: float, is_told: bool
) -> None:
    series = {
        tags.ASSIGN_OWN_OBJECTS: objects,
        tags.ASSIGN_OWN_UNLIKE: unlike,
        tags.ASSIGN_OWN_OCTAVES: 2 * objects,
    }
    found = judge(Unassigned(), 100, "unknown", **series)
    told = [(tags.ASSIGN_OWN_UNLIKE, "warning", False)] if is_told else []
    assert [(s.key, s.severity, s.exact) for s in found] == told
    assert all("4 times as wide" in s.evidence[0].text for s in found)


def test_rows_without_objects_say_nothing() -> None:
    store = store_of(run_messages(300, **{tags.ASSIGN_OBJECTS: 0.0, tags.ASSIGN_ROI: 0.0}))
    assert isinstance(Unassigned().evaluate(Context(store, 300)), Abstention)


BOTH = {"loss/loss_box_reg": 0.0, "loss/loss_rpn_box_reg": 0.1}


def test_the_pair_of_a_two_stage_detector_decides_at_the_first_step() -> None:
    (found,) = judge(ZeroTerms(), 1, **BOTH, **{tags.TARGET_BOXES: 20.0})
    assert (found.key, found.severity, found.exact) == ("zero:loss/loss_box_reg", "critical", True)


@pytest.mark.parametrize(
    "series",
    [
        {**BOTH, tags.TARGET_BOXES: 0.0},  # images without objects
        {**BOTH, tags.TARGET_BOXES: 19.0},
        {**BOTH, "loss/loss_rpn_box_reg": 0.0, tags.TARGET_BOXES: 20.0},  # the RPN sees nothing either
        {**BOTH, "loss/loss_box_reg": 1e-6, tags.TARGET_BOXES: 20.0},
    ],
)
def test_other_zeros_are_no_proof(series: dict[str, float]) -> None:
    assert judge(ZeroTerms(), 1, **series) == []


def test_zeros_that_are_over_are_over() -> None:
    series = {**BOTH, "loss/loss_box_reg": [0.0] * 5 + [0.1] * 2, tags.TARGET_BOXES: 20.0}
    assert judge(ZeroTerms(), 7, **series) == []


def test_a_silent_term_of_an_unknown_loss_is_only_news() -> None:
    series = {"loss/aux": 0.0, "loss/main": 1.0, tags.TARGET_BOXES: 5.0}
    (found,) = judge(ZeroTerms(), 20, "unknown", **series)
    assert (found.key, found.severity) == ("zero:loss/aux", "info")
    assert judge(ZeroTerms(), 19, "unknown", **series) == []


@pytest.mark.parametrize(("size", "told"), [(1.0, False), (2.0, False), (4.0, True), (0.25, True)])
def test_points_of_an_fcos_are_to_be_as_large_as_their_stride(size: float, told: bool) -> None:
    series = {tags.ASSIGN_OBJECTS: 8.0, tags.ASSIGN_POSITIVES: 30.0, tags.ASSIGN_POINT_SIZE: size}
    found = judge(Unassigned(), 20, family="torchvision.FCOS", **series)
    assert [(one.key, one.severity, one.exact) for one in found] == (
        [(tags.ASSIGN_POINT_SIZE, "warning", True)] if told else []
    )
