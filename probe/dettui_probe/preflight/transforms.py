"""The user's transform: found, called as it wants to be called, and put to the marker test."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, Final

from dettui_probe.preflight.attempt import Failure, attempt
from dettui_probe.preflight.conventions import Convention, convention_of, mixes_images
from dettui_probe.preflight.marker import judge, run_marker
from dettui_probe.preflight.report import Check, abstained

ATTRIBUTES: Final = ("transforms", "transform", "augment", "augmentation", "augmentations", "aug", "tfms")


def check_transform(transform: Any, dataset: Any) -> Iterator[Check]:
    """The marker test of *transform*, or of the one that *dataset* holds."""
    own = transform if transform is not None else transform_of(dataset)
    if own is None:
        yield abstained("marker_boxes", "no transform was given, and the dataset holds none under a usual name")
        return
    mixing = mixes_images(own)
    if mixing:
        yield abstained("marker_boxes", f"{mixing} blends several images: no pixel belongs to one box")
        return
    own = _copied(own)
    convention = convention_of(own)
    if isinstance(convention, str):
        yield abstained("marker_boxes", f"the transform cannot be called: {convention}")
        return
    yield from _marked(own, convention)


def transform_of(dataset: Any) -> Any:
    """The transform that *dataset*, or one that it wraps, holds under a usual name."""
    while dataset is not None:
        for name in ATTRIBUTES:
            found = getattr(dataset, name, None)
            if callable(found):
                return found
        dataset = getattr(dataset, "dataset", None)
    return None


def _marked(transform: Any, convention: Convention) -> Iterator[Check]:
    outcome = run_marker(convention, transform)
    yield from judge(outcome, convention)


def _copied(transform: Any) -> Any:
    twin = attempt(copy.deepcopy, transform)
    return transform if isinstance(twin, Failure) else twin
