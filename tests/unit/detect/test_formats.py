"""Boxes of a head that nobody knows: their format, and what is wrong with them in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scenarios.build import Setting, Values, run_messages
from scenarios.play import store_of
from scenarios.shapes import detector, pairing

from dettui.detect.base import Symptom
from dettui.detect.context import Context
from dettui.detect.signals import signals_of
from dettui.detect.targets.formats import Format, read_format
from dettui.detect.targets.policy import DEFAULT_POLICY
from dettui.detect.targets.reading import read_targets
from dettui.detect.targets.rules import BadTargets
from dettui.domain.finding import Abstention
from dettui_probe import tags

STEPS = 300
UNKNOWN: dict[str, Any] = {"family": "unknown", "box_format": "", "box_scale": "", "background": None}


def centres(*, start: float = 0.01, reach: float = 0.99, legal: float = 10.0, **counts: Values) -> dict[str, Values]:
    """Ten boxes a step that are centres and sizes, so many of them legal as that."""
    told = {"degenerate": 9.0, "no_extent": 0.0, "outside": 0.0, "max_coord": 0.9, "legal_yxyx": 0.5} | counts
    return {
        **detector(STEPS, np.random.default_rng(0)),
        **pairing(STEPS, np.random.default_rng(5), own=0.9, boxes=12.0),
        tags.TARGET_BOXES: 10.0,
        tags.TARGET_LEGAL_CXCYWH: legal,
        tags.TARGET_LEGAL_XYWH: 0.6 * legal,
        tags.TARGET_LEGAL_XYXY: 0.05 * legal,
        tags.TARGET_START + "cxcywh": start,
        tags.TARGET_REACH + "cxcywh": reach,
        **{"targets/" + name: value for name, value in told.items()},
    }


def fits(**shares: float) -> dict[str, Values]:
    """Ten comparisons a step in each reading, that share of them won."""
    found: dict[str, Values] = {tags.PAIRING_READ_BOXES + name: 10.0 for name in shares}
    return found | {tags.PAIRING_READ_FITS + name: 10.0 * share for name, share in shares.items()}


def context_of(series: dict[str, Values], **setting: Any) -> Context:
    return Context(store_of(run_messages(STEPS, setting=Setting(**{**UNKNOWN, **setting}), **series)), STEPS)


def judge(series: dict[str, Values], **setting: Any) -> dict[str, Symptom]:
    found = BadTargets().evaluate(context_of(series, **setting))
    assert not isinstance(found, Abstention)
    return {symptom.key: symptom for symptom in found if symptom.severity != "info"}


def misread(undone: float = 10.0, legal: float = 2.0, **counts: Values) -> dict[str, Values]:
    """Ten boxes a step that reach out of their images, so many of them not once a mistake is undone."""
    told = {
        "outside": 8.0,
        "straying": 10.0,
        "undone_xyxy_as_cxcywh": undone,
        "undone_xyxy_as_xywh": 3.0,
        "max_coord": 120.0,
    } | counts
    edges = {tags.TARGET_START + "xyxy": -0.23, tags.TARGET_REACH + "xyxy": 1.31}
    legal_ = {tags.TARGET_LEGAL_XYXY: legal, tags.TARGET_LEGAL_YXYX: legal, tags.TARGET_LEGAL_XYWH: 1.0}
    series = {**detector(STEPS, np.random.default_rng(0)), tags.TARGET_BOXES: 10.0, tags.TARGET_LEGAL_CXCYWH: 0.0}
    return {**series, **edges, **legal_, **{"targets/" + name: value for name, value in told.items()}}


def format_of(series: dict[str, Values]) -> Format:
    reading = read_targets(context_of(series), DEFAULT_POLICY.horizon)
    assert reading is not None
    found = read_format(reading, DEFAULT_POLICY)
    assert found is not None
    return found


def test_boxes_that_fit_their_images_in_some_format_raise_nothing() -> None:
    assert judge(centres()) == {}


def test_the_format_is_the_one_that_keeps_boxes_within_their_images() -> None:
    assert format_of(centres()).name == "cxcywh"


def test_pixels_choose_among_formats_that_are_as_legal() -> None:
    alike = centres() | {tags.TARGET_LEGAL_XYWH: 10.0}
    assert format_of(alike | fits(cxcywh=0.9, xywh=0.6)).name == "cxcywh"
    told = format_of(alike | fits(cxcywh=0.6, xywh=0.9))
    assert (told.name, told.fits) == ("xywh", pytest.approx(0.9))
    assert told.fits_at_least is not None
    assert 0.85 < told.fits_at_least < 0.9


def test_a_head_that_declares_its_format_is_not_guessed_at() -> None:
    context = context_of(centres(), family="torchvision.FCOS", box_format="xyxy", box_scale="pixels")
    reading = read_targets(context, DEFAULT_POLICY.horizon)
    assert reading is not None
    assert read_format(reading, DEFAULT_POLICY) is None


@pytest.mark.parametrize(("reach", "told"), [(0.016, True), (0.5, True), (0.7, False)])
def test_boxes_that_all_end_before_the_middle_are_of_a_smaller_image(reach: float, told: bool) -> None:
    assert ("scale" in judge(centres(reach=reach))) is told


def test_objects_in_the_middle_of_all_images_are_of_their_own() -> None:
    assert judge(centres(start=0.45, reach=0.55)) == {}


@pytest.mark.parametrize(
    ("start", "reach", "legal", "told"),
    [
        (0.0, 2.0, 2.0, "scale"),
        (0.5, 1.5, 2.0, "outside"),
        (1.0, 2.0, 0.0, "outside"),
        (-0.1, 1.1, 8.5, "outside"),  # boxes that are not cut at the edges, by the dozen
        (-0.1, 1.1, 9.8, ""),
    ],
)
def test_boxes_beyond_their_images_begin_at_the_edge_of_a_larger_one_or_were_shifted(
    start: float, reach: float, legal: float, told: str
) -> None:
    assert set(judge(centres(start=start, reach=reach, legal=legal))) == ({told} if told else set())


def test_centres_without_extent_are_degenerate_and_corners_read_from_them_are_not() -> None:
    found = judge(centres(no_extent=0.4, legal=9.6))["degenerate"]
    assert found.evidence[0].measured == pytest.approx(0.4 * STEPS)
    assert signals_of(context_of(centres(no_extent=0.4, legal=9.6))).share_degenerate == pytest.approx(0.04)


@pytest.mark.parametrize(("aside", "told"), [(0.95, False), (0.74, False), (0.65, True), (0.52, True)])
def test_boxes_that_are_as_good_beside_their_objects_scatter(aside: float, told: bool) -> None:
    beside: dict[str, Values] = {tags.PAIRING_ASIDE_BOXES: 12.0, tags.PAIRING_ASIDE_WINS: 12.0 * aside}
    assert ("pairing" in judge(centres() | beside)) is told


def test_boxes_that_show_nothing_of_their_objects_are_not_said_to_scatter() -> None:
    beside: dict[str, Values] = {tags.PAIRING_ASIDE_BOXES: 12.0, tags.PAIRING_ASIDE_WINS: 6.0}
    faint = pairing(STEPS, np.random.default_rng(5), own=0.6, boxes=12.0)
    assert "pairing" not in judge(centres() | faint | beside)


def test_a_model_with_boxes_is_no_classifier() -> None:
    """The loss of its classes was met before its boxes were, which only a plain function is given."""
    model = context_of(centres(), family="classification", num_classes=3).model
    assert model is not None
    assert (model.family, model.num_classes) == ("unknown", None)


def test_formats_that_are_as_legal_and_fit_no_pixels_are_read_as_the_likelier() -> None:
    alike = centres() | {tags.TARGET_LEGAL_XYWH: 10.0}
    assert format_of(alike | fits(cxcywh=0.45, xywh=0.52)).name == "cxcywh"


@pytest.mark.parametrize("setting", [{}, {"family": "torchvision.FasterRCNN", "box_format": "xyxy"}])
def test_corners_that_were_made_of_another_format_are_told_and_nothing_else_of_them(setting: dict[str, Any]) -> None:
    found = judge(misread(), **setting)
    assert set(found) == {"format"} and "corners taken for centres and sizes" in found["format"].title
    known = signals_of(context_of(misread(), **setting))
    assert (known.misread_as, known.misread_legal, known.share_outside) == (0, pytest.approx(1.0), None)


@pytest.mark.parametrize(
    "series", [misread(undone=9.5), misread(legal=9.5), misread(undone=0.0), misread(straying=0.1, undone=0.1)]
)
def test_boxes_that_no_such_mistake_explains_are_not(series: dict[str, Values]) -> None:
    assert "format" not in judge(series)
    assert signals_of(context_of(series)).misread_as is None
