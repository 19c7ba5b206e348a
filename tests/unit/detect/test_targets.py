"""Target checks on either side of their limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scenarios.build import START, Setting, Values, run_messages
from scenarios.play import store_of
from scenarios.shapes import detector, pairing

from dettui.detect.base import Symptom
from dettui.detect.context import Context
from dettui.detect.targets.rules import BadTargets
from dettui.domain.finding import Abstention
from dettui_probe import tags, wire

RNG = np.random.default_rng(0)
STEPS = 100


def judge(series: dict[str, Values], steps: int = STEPS, **setting: Any) -> dict[str, Symptom]:
    """Symptoms of a detector run in which *series* replace the healthy ones, by key."""
    known = detector(steps, np.random.default_rng(0))
    store = store_of(run_messages(steps, setting=Setting(**setting), **{**known, **series}))
    found = BadTargets().evaluate(Context(store, steps))
    assert not isinstance(found, Abstention)
    return {symptom.key: symptom for symptom in found}


def boxes(per_step: float, **counts: float) -> dict[str, Values]:
    """The same number of boxes at each step, and of them so many of each sort."""
    return {tags.TARGET_BOXES: per_step, **{"targets/" + name: value for name, value in counts.items()}}


def test_honest_targets_raise_nothing() -> None:
    assert judge({}) == {}


def test_a_stream_without_targets_abstains() -> None:
    store = store_of(run_messages(5, **{tags.LOSS_TOTAL: 1.0}))
    answer = BadTargets().evaluate(Context(store, 5))
    assert isinstance(answer, Abstention)
    assert answer.missing == (tags.TARGET_BOXES,)


def test_one_degenerate_box_is_a_warning_and_exact() -> None:
    stray = np.zeros(STEPS)
    stray[40] = 1.0
    found = judge({tags.TARGET_DEGENERATE: stray})["degenerate"]
    assert (found.severity, found.exact, found.first_step) == ("warning", True, 41)


def test_many_degenerate_boxes_are_critical() -> None:
    assert judge(boxes(10.0, degenerate=1.0))["degenerate"].severity == "critical"


def test_boxes_that_are_legal_in_no_format_are_not_called_degenerate_where_theirs_is_not_known() -> None:
    legal = {"legal_xyxy": 0.0, "legal_yxyx": 0.0, "legal_xywh": 1.0, "legal_cxcywh": 2.0}
    beyond = boxes(10.0, degenerate=10.0, outside=10.0, **legal)
    found = judge(beyond, family="unknown", background=None)
    assert "degenerate" not in found
    assert found["outside"].exact
    flat = {**beyond, tags.TARGET_LEGAL_CXCYWH: 9.0}  # a tenth of them has no width as centres and sizes either
    assert judge(flat, family="unknown", background=None)["degenerate"].severity == "critical"


@pytest.mark.parametrize(("largest", "key"), [(50.0, "scale"), (70.0, "format")])
def test_boxes_that_end_at_the_middle_are_of_a_smaller_image_and_others_in_the_quarter_of_another_format(
    largest: float, key: str
) -> None:
    quarter = boxes(10.0, centre_top_left=10.0, legal_xyxy=10.0, legal_xywh=10.0)
    found = judge({**quarter, tags.TARGET_MAX_COORD: largest, tags.TARGET_IMAGE_SIDE: 100.0})
    assert list(found) == [key]
    assert found[key].exact == (key == "format")


def test_a_format_is_named_when_it_explains_every_box() -> None:
    found = judge(boxes(10.0, legal_xyxy=6.0, legal_xywh=10.0, legal_cxcywh=5.0))["format"]
    assert found.exact
    assert "xywh" in found.title


def test_no_format_is_named_when_none_explains_the_boxes() -> None:
    assert "format" not in judge(boxes(10.0, legal_xyxy=6.0, legal_xywh=7.0, legal_cxcywh=7.0, legal_yxyx=6.0))


def test_few_boxes_give_a_statistical_verdict_on_the_format_only() -> None:
    found = judge(boxes(3.0, legal_xywh=3.0, centre_top_left=3.0), steps=20)["format"]
    assert (found.exact, found.severity) == (False, "warning")


def test_one_centre_elsewhere_clears_the_format() -> None:
    centres = np.full(STEPS, 10.0)
    centres[7] = 9.0
    assert judge({**boxes(10.0, legal_xyxy=10.0, legal_xywh=10.0), tags.TARGET_TOP_LEFT: centres}) == {}


def test_swapped_axes_are_named_on_images_that_are_not_square() -> None:
    found = judge(boxes(10.0, legal_xyxy=7.0, legal_yxyx=10.0))["format"]
    assert "yxyx" in found.title


@pytest.mark.parametrize(("legal_as_read", "told"), [(10.0, True), (3.0, False)])
def test_sizes_are_not_judged_where_boxes_are_surely_of_another_format(legal_as_read: float, told: bool) -> None:
    """Centres and sizes, read as corners, leave some boxes a sliver."""
    series = boxes(10.0, tiny=2.0, legal_xyxy=legal_as_read, legal_cxcywh=10.0)
    assert ("tiny" in judge(series, family="unknown", background=None)) is told


@pytest.mark.parametrize("family", ["unknown", "DetrForObjectDetection"])
def test_formats_are_not_judged_where_the_contract_is_unknown(family: str) -> None:
    suspicious = boxes(10.0, legal_xyxy=6.0, legal_cxcywh=10.0, degenerate=4.0, outside=2.0)
    assert judge({**suspicious, tags.TARGET_MAX_COORD: 1.0}, family=family) == {}


def test_normalised_boxes_are_a_fault_of_scale_and_not_of_format() -> None:
    found = judge({**boxes(10.0, centre_top_left=10.0, legal_xywh=10.0, tiny=10.0), tags.TARGET_MAX_COORD: 1.0})
    assert set(found) == {"scale"}


@pytest.mark.parametrize(("count", "severity"), [(0.05, None), (0.3, "info"), (0.8, "warning"), (3.0, "critical")])
def test_boxes_outside_weigh_by_their_share(count: float, severity: str | None) -> None:
    found = judge(boxes(10.0, outside=count)).get("outside")
    assert (found.severity if found else None) == severity


def test_label_zero_is_a_fault_only_where_the_head_keeps_it() -> None:
    assert "background" in judge({tags.TARGET_BACKGROUND: 1.0})
    assert judge({tags.TARGET_BACKGROUND: 1.0}, background=None) == {}


@pytest.mark.parametrize(("count", "told"), [(0.3, False), (1.0, True)])
def test_class_ids_below_0_are_told_where_they_are_more_than_ignored_regions(count: float, told: bool) -> None:
    found = judge(boxes(10.0, label_below_zero=count), family="unknown", background=None)
    assert ("below_zero" in found) is told


def test_few_objects_with_class_ids_below_0_tell_nothing_yet() -> None:
    assert "below_zero" not in judge(boxes(1.0, label_below_zero=1.0), family="unknown", background=None)


@pytest.mark.parametrize(
    ("names", "targets", "told"),
    [
        (("background", "circle", "square"), (1.0, 2.0, 2.0), True),
        (("__background__", "circle", "square"), (1.0, 2.0, 2.0), True),
        (("background", "circle", "square"), (0.0, 2.0, 2.0), False),
        (("circle", "square", "triangle"), (1.0, 2.0, 2.0), False),
        ((), (1.0, 2.0, 2.0), False),
    ],
)
def test_objects_that_the_class_names_call_background_are_told_where_the_head_has_none(
    names: tuple[str, ...], targets: tuple[float, ...], told: bool
) -> None:
    setting: dict[str, Any] = {"family": "torchvision.FCOS", "background": None, "num_classes": 3}
    found = judge({}, class_names=names, targets=targets, **setting)
    assert [symptom.severity for symptom in found.values()] == (["warning"] if told else [])
    assert list(found) == (["background"] if told else [])


def test_an_illegal_label_is_named_with_the_size_of_the_head() -> None:
    found = judge({tags.TARGET_LABEL_ILLEGAL: 1.0, tags.TARGET_LABEL_MAX: 4.0})["illegal_label"]
    assert any("4 classes" in e.text for e in found.evidence)


def test_lengths_that_differ_are_critical() -> None:
    assert judge({tags.TARGET_MISMATCH: 1.0})["length_mismatch"].severity == "critical"


def test_no_box_in_thirty_images_is_not_said_yet() -> None:
    nothing = boxes(0.0, empty_images=4.0, centre_top_left=0.0, legal_xyxy=0.0, legal_xywh=0.0)
    assert "empty" not in judge(nothing, steps=7)
    assert judge(nothing, steps=10)["empty"].severity == "warning"
    assert judge(nothing, steps=60)["empty"].exact


@pytest.mark.parametrize(
    ("own", "hflip", "vflip", "severity"),
    [
        (0.95, 0.5, 0.5, None),
        (0.72, 0.72, 0.5, "warning"),  # flipped left to right at even odds
        (0.62, 0.6, 0.6, "warning"),  # flipped either way
        (0.5, 0.5, 0.5, "info"),  # of other images, or too plain to tell
        (0.56, 0.52, 0.52, None),  # hardly any texture
        (0.95, 0.45, 0.4, None),  # objects on one side only
    ],
)
def test_mirrors_that_fit_accuse_the_augmentation(own: float, hflip: float, vflip: float, severity: str | None) -> None:
    series = pairing(1000, np.random.default_rng(5), own=own, hflip=hflip, vflip=vflip, boxes=4.0)
    found = judge(series, steps=1000).get("pairing")
    assert (None if found is None else found.severity) == severity


def coin(tag: str, share: float, per_step: float = 12.0) -> dict[str, Values]:
    """A comparison that is won with that *share*, in every step alike."""
    return {
        f"pairing/{tag}_boxes": per_step,
        f"pairing/{tag}_{'wins' if tag == 'learnt' else 'fits'}": share * per_step,
    }


def lost(own: float, **shares_won: float) -> tuple[str, str] | None:
    """Severity and title for boxes that win with that share at their *own* place, and with *shares_won* elsewhere."""
    series = pairing(300, np.random.default_rng(5), own=own, boxes=12.0)
    for tag, share in shares_won.items():
        series |= coin(tag, share)
    found = judge(series, steps=300).get("pairing")
    return None if found is None else (found.severity, found.title)


def test_swapped_axes_of_square_images_show_in_the_pixels() -> None:
    assert lost(0.5, swapped=0.9) == ("warning", "Boxes fit their images with x and y swapped")
    assert lost(0.95, swapped=0.62) is None  # somewhat symmetric scenes


def test_boxes_that_fit_another_image_of_the_batch_are_a_warning() -> None:
    assert lost(0.2, batch=0.65) == ("warning", "Boxes belong to other images of their batch")
    assert lost(0.9, batch=0.65) is None  # batches of look-alikes


def test_boxes_that_fit_nowhere_are_a_warning_once_everything_was_asked() -> None:
    assert lost(0.5) == ("info", "Boxes do not describe their images")
    assert lost(0.5, learnt=0.5) == ("warning", "Boxes do not describe their images")
    assert lost(0.5, learnt=0.7) is None  # texture, say
    series = pairing(300, np.random.default_rng(5), own=0.5, boxes=12.0) | coin("learnt", 0.5)
    assert judge(series, steps=300, family="unknown")["pairing"].severity == "info"


UNKNOWN = {"family": "unknown", "box_format": "", "box_scale": ""}


@pytest.mark.parametrize(
    ("empty", "score", "total", "severity"),
    [
        (9.0, 0.3, 300, "warning"),
        (7.8, 0.3, 300, "info"),  # ships at sea
        (9.0, 0.7, 300, "info"),  # it finds what it is asked for
        (9.0, 0.3, 900, "info"),  # it has hardly begun
        (5.0, 0.3, 300, None),
    ],
)
def test_nearly_only_empty_images_are_a_warning_where_evaluations_find_little(
    empty: float, score: float, total: int, severity: str | None
) -> None:
    evaluated: Values = dict.fromkeys(range(30, 301, 30), score)
    series = {tags.BATCH_SIZE: 10.0, tags.TARGET_EMPTY: empty, "eval/mAP50": evaluated}
    found = judge(series, steps=300, total_steps=total).get("empty")
    assert (None if found is None else found.severity) == severity


@pytest.mark.parametrize(
    ("size", "empty", "told"),
    [
        (8.0, 7.0, True),
        (8.0, 6.0, False),
        (2.0, 1.0, False),
        (8.0, {step: 7.0 + (step % 3 == 0) for step in range(1, 61)}, False),
    ],
    ids=["one of eight", "two of eight", "one of two", "one or none of eight, as with rare objects"],
)
def test_boxes_of_a_batch_that_all_come_with_one_image_have_lost_theirs(size: float, empty: Values, told: bool) -> None:
    series: dict[str, Values] = {tags.TARGET_BOXES: 20.0, tags.BATCH_SIZE: size, tags.TARGET_EMPTY: empty}
    found = judge(series, steps=60).get("one_image")
    assert (found is not None and found.exact and found.severity == "critical") is told


def unknown_detector(score: float, own: float = 0.5, swapped: float = 0.5, **changes: Values) -> dict[str, Values]:
    """A detector that nobody knows, and its score in ten evaluations."""
    series = (
        pairing(300, np.random.default_rng(5), own=own, boxes=12.0) | coin("learnt", 0.5) | coin("swapped", swapped)
    )
    evaluated: Values = dict.fromkeys(range(30, 301, 30), score)
    return {**series, tags.TARGET_MAX_COORD: 390.0, tags.TARGET_IMAGE_SIDE: 400.0, "eval/mAP50": evaluated, **changes}


def test_boxes_that_describe_nothing_are_a_warning_where_an_unknown_detector_finds_next_to_nothing() -> None:
    found = judge(unknown_detector(0.04), steps=300, total_steps=300, **UNKNOWN)["pairing"]
    assert (found.severity, found.title) == ("warning", "Boxes do not describe their images")


def test_boxes_that_fit_with_swapped_axes_are_told_of_such_a_detector_too() -> None:
    found = judge(unknown_detector(0.04, swapped=0.9), steps=300, total_steps=300, **UNKNOWN)["pairing"]
    assert (found.severity, found.title) == ("warning", "Boxes fit their images with x and y swapped")


@pytest.mark.parametrize(
    ("score", "total", "changes"),
    [
        (0.4, 300, {}),  # it reads its boxes as they are meant
        (0.04, 900, {}),  # it has hardly begun
        (0.04, 300, {tags.TARGET_MAX_COORD: 1.0}),  # shares, of whatever
        (0.04, 300, {tags.TARGET_LEGAL_XYXY: 4.0}),  # boxes of another format
    ],
)
def test_otherwise_it_is_news_at_most(score: float, total: int, changes: dict[str, Values]) -> None:
    found = judge(unknown_detector(score, **changes), steps=300, total_steps=total, **UNKNOWN).get("pairing")
    assert found is None or found.severity == "info"


def test_boxes_in_another_format_are_not_said_to_be_of_other_images() -> None:
    series = pairing(300, np.random.default_rng(5), own=0.5, boxes=12.0) | coin("learnt", 0.5)
    found = judge({**boxes(10.0, legal_xyxy=6.0, legal_xywh=10.0), **series}, steps=300)
    assert "pairing" not in found
    assert "format" in found


def test_boxes_of_one_batch_that_share_a_fate_count_as_few() -> None:
    rng = np.random.default_rng(6)
    series = pairing(60, rng, own=0.9, boxes=8.0)
    series[tags.PAIRING_HFLIP_FITS] = rng.permutation(np.repeat([8.0, 0.0], [37, 23]))  # 62 % in whole batches
    assert "pairing" not in judge(series, steps=60)


CENTRES = {"family": "detr", "box_format": "cxcywh", "box_scale": "unit", "background": None}


def shares(**counts: float) -> dict[str, Values]:
    """Ten boxes a step in shares of the image, all of them legal as a DETR reads them, but for *counts*."""
    legal = {"legal_cxcywh": 10.0, "legal_xyxy": 6.0, "legal_xywh": 7.0, "legal_yxyx": 6.0, "max_coord": 1.0}
    return boxes(10.0, **{**legal, **counts})


def test_normalised_centres_are_right_for_a_head_that_reads_them() -> None:
    assert judge(shares(), **CENTRES) == {}


def test_corners_given_to_a_head_that_reads_centres_are_another_format() -> None:
    found = judge(shares(legal_cxcywh=6.0, legal_xyxy=10.0), **CENTRES)["format"]
    assert found.title == "Boxes look like xyxy, the head reads them as cxcywh"


def test_pixels_given_to_a_head_that_reads_shares_are_one_finding() -> None:
    found = judge(shares(legal_cxcywh=0.0, outside=10.0, max_coord=400.0), **CENTRES)
    assert set(found) == {"scale"}
    assert found["scale"].severity == "critical"


def test_pixels_of_a_pinned_contract_are_judged_as_those_of_torchvision() -> None:
    pinned = {"family": "pinned", "box_format": "xywh", "box_scale": "pixels"}
    assert "format" in judge(boxes(10.0, legal_xywh=5.0, legal_xyxy=10.0), **pinned)
    assert "scale" in judge({tags.TARGET_MAX_COORD: 1.0}, **pinned)


def test_slivers_by_the_dozen_are_told_at_the_first_step() -> None:
    assert judge(boxes(20.0, tiny=11.0), steps=1)["tiny"].exact
    assert "tiny" not in judge(boxes(20.0, tiny=10.0), steps=1)


def test_the_first_bad_target_is_named_with_its_file() -> None:
    data = {"what": "degenerate", "image": 1, "box_index": 2, "box": [3, 3, 3, 9], "file": "val/77.jpg"}
    told = wire.Event(
        4, START, "bad_target", "degenerate: box [3, 3, 3, 9] in an image of 64 x 48, image 1 of the batch", data
    )
    store = store_of(
        [*run_messages(STEPS, **{**detector(STEPS, np.random.default_rng(0)), tags.TARGET_DEGENERATE: 1.0}), told]
    )
    answer = BadTargets().evaluate(Context(store, STEPS))
    assert not isinstance(answer, Abstention)
    (found,) = [symptom for symptom in answer if symptom.key == "degenerate"]
    assert found.evidence[0].text.endswith(
        "first told: step 4, val/77.jpg box 2, box [3, 3, 3, 9] in an image of 64 x 48"
    )
