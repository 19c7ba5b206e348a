"""The user's transform: found, called as it wants to be called, put to the marker test, and its losses counted."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from dettui_probe.contract import Contract
from dettui_probe.prechecks.attempt import Failure, attempt
from dettui_probe.prechecks.augmentation import check_losses, check_strength
from dettui_probe.prechecks.batches import dataset_of
from dettui_probe.prechecks.conventions import Convention, convention_of, mixes_images
from dettui_probe.prechecks.in_place import InPlace, Stand, call_convention, stand_of
from dettui_probe.prechecks.marker import judge, judge_boxes, made_up, run_marker
from dettui_probe.prechecks.recorded import place_of
from dettui_probe.prechecks.report import Check, abstained, passed


def check_transform(transform: Any, loader: Any, contract: Contract) -> Iterator[Check]:
    """The marker test of *transform*, or of the one that the dataset of *loader* holds; called as the dataset calls it
    where that is known."""
    own = transform if transform is not None else _held(dataset_of(loader))
    if own is None:
        yield abstained("marker_boxes", "no transform was given, and the dataset holds none under a usual name")
        return
    mixing = mixes_images(own)
    if mixing:
        yield abstained("marker_boxes", f"{mixing} blends several images: no pixel belongs to one box")
        return
    stand = attempt(stand_of, loader, transform, contract)
    if isinstance(stand, Failure) or stand is None:
        yield from _check_alone(_copied(own))
    else:
        yield from _check_at(stand)


def _check_alone(transform: Any) -> Iterator[Check]:
    """Nobody is known to call *transform*: it is called as its kind is usually called."""
    convention = convention_of(transform)
    if isinstance(convention, str):
        yield abstained("marker_boxes", f"the transform cannot be called: {convention}")
    else:
        yield from _marked(convention, transform)


def _check_at(stand: Stand) -> Iterator[Check]:
    """The transform as the dataset calls it, then the dataset with the transform in it."""
    convention = call_convention(stand)
    if convention is not None:
        yield from _marked(convention, stand.listener)
        yield from check_losses(stand)
    yield _check_dataset(stand)


def _marked(convention: Convention, *holders: object) -> Iterator[Check]:
    outcome = run_marker(convention.render, made_up(convention.height, convention.width), *holders)
    yield from judge(outcome, convention)
    yield from check_strength(outcome, convention)


def _check_dataset(stand: Stand) -> Check:
    """Do delivered boxes hold what was inside them before the transform?"""
    name = "marker_dataset"
    if stand.form is None:
        return abstained(name, "the head is unknown, and with it the format of delivered boxes")
    holders = (stand.dataset, stand.listener)
    in_place = InPlace(stand)
    if stand.slots.boxes is None:
        in_place.bypass = True
        control = run_marker(in_place.render, in_place.markers(), *holders)
        if not control.enough or control.tears_boxes:
            return abstained(name, "boxes do not reach the transform, and move on a way that is not understood")
        in_place.bypass = False
    outcome = run_marker(in_place.render, in_place.markers(), *holders)
    if not outcome.enough:
        return abstained(name, f"{outcome.decided} of {len(outcome.trials)} markers found again in the dataset")
    note = "the boxes are not handed to the transform" if stand.slots.boxes is None else ""
    check = judge_boxes(name, outcome, "through the dataset", note)
    return check if check.verdict == "failed" else passed(name, check.evidence)


def _held(dataset: Any) -> Any:
    """The transform that *dataset* holds under a usual name; None without one."""
    place = place_of(dataset)
    holder = dataset
    for _ in range(place.depth if place is not None else 0):
        holder = holder.dataset
    return None if place is None else getattr(holder, place.name)


def _copied(transform: Any) -> Any:
    twin = attempt(copy.deepcopy, transform)
    return transform if isinstance(twin, Failure) else twin
