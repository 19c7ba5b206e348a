"""The oracle test: ground truth fed back as predictions has to score an AP of 1.  (rows E1, E5, E9)

Where it does not, the predictions are changed in the ways in which evaluations go wrong (labels shifted, corners given
as width and height, another scale, ...): the change that brings the score back names the defect.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from dettui_probe.capture.boxes import read_as_xywh
from dettui_probe.capture.targets import LABEL_KEYS, boxes_of
from dettui_probe.capture.torchlib import Tensor, as_mapping, torch
from dettui_probe.prechecks import policy
from dettui_probe.prechecks.attempt import Failure, attempt
from dettui_probe.prechecks.batches import Delivery
from dettui_probe.prechecks.evaluators import (
    Prediction,
    Score,
    Target,
    annotations_of,
    coco_echo,
    is_coco_eval,
    score_of,
)
from dettui_probe.prechecks.report import Check, abstained, failed, passed
from dettui_probe.prechecks.scenes import written_as

NAME: Final = "evaluator"
SCALES: Final = (2.0, 0.5, 4.0, 0.25)
CAUSE: Final = "evaluator_broken"


class Case(NamedTuple):
    """One image whose objects are known."""

    boxes: Tensor  # (n, 4) as delivered
    labels: Tensor  # (n,)
    target: Target
    height: int
    width: int


def check_evaluator(evaluator: Any, delivery: Delivery) -> Iterator[Check]:
    """The oracle test, and whether the images have ids of their own."""
    if evaluator is None:
        yield abstained(NAME, "no evaluator was given")
        return
    if is_coco_eval(evaluator):
        yield _coco(evaluator)
        return
    yield image_ids(delivery)
    score, cases = score_of(evaluator), cases_of(delivery)
    if score is None:
        yield abstained(NAME, f"a {type(evaluator).__name__} is neither callable nor an evaluator that is known")
    elif len(cases) < 2:
        yield abstained(NAME, f"{len(cases)} images with usable objects; 2 are needed")
    else:
        yield _oracle(score, cases)


def cases_of(delivery: Delivery) -> list[Case]:
    """Images with objects that an evaluator can find: at least one, at most maxDets, all with an area."""
    cases = [
        case
        for batch in delivery.batches
        for pair in zip(batch.images, batch.targets, strict=False)
        if (case := _case(*pair)) is not None
    ]
    return cases[: policy.ORACLE_IMAGES]


def image_ids(delivery: Delivery) -> Check:
    """Predictions are filed under image ids: images that share one overwrite each other."""
    targets = [target for batch in delivery.batches for target in batch.targets]
    ids = [str(target["image_id"]) for target in targets if "image_id" in target]
    if len(ids) < 8:
        return abstained("image_ids", f"{len(ids)} of {len(targets)} targets carry an image_id")
    text = f"{len(set(ids))} different ids among {len(ids)} images"
    if len(set(ids)) <= len(ids) // 4:  # a sampler that draws with replacement leaves far more
        return failed("image_ids", "certain", CAUSE, text, "give every image an id of its own")
    return passed("image_ids", text)


def _case(image: Tensor, target: Any) -> Case | None:
    plain = as_mapping(target)
    key = next((key for key in LABEL_KEYS if plain is not None and key in plain), None)
    boxes = boxes_of(plain) if plain is not None and "boxes" in plain else None
    if plain is None or key is None or boxes is None or not 0 < len(boxes) <= policy.ORACLE_MAX_OBJECTS:
        return None
    labels = torch.as_tensor(plain[key]).detach().cpu().reshape(-1)
    boxes = boxes.as_subclass(Tensor).float().cpu()
    if len(labels) != len(boxes) or not bool((boxes[:, 2:] > boxes[:, :2]).all()):
        return None
    return Case(boxes, labels, dict(plain), image.shape[-2], image.shape[-1])


def _oracle(score: Score, cases: Sequence[Case]) -> Check:
    found = attempt(_ap, score, cases)
    if isinstance(found, Failure):
        text = f"it raised when it was given boxes, scores and labels: {found.text}"
        return abstained(NAME, text)
    objects = sum(len(case.boxes) for case in cases)
    text = f"ground truth fed back as predictions scores AP {found:.3f} ({objects} objects, {len(cases)} images)"
    if found >= policy.ORACLE_MIN_AP:
        return passed(NAME, text)
    defect, remedy = next(
        _defects(score, cases, found),
        (
            "no known defect brings it back to 1",
            "compare ids, classes, box format and scale of predictions and ground truth inside the evaluator",
        ),
    )
    return failed(NAME, "certain", CAUSE, f"{text}; {defect}", remedy)


def _defects(score: Score, cases: Sequence[Case], found: float) -> Iterator[tuple[str, str]]:
    """Defects that explain the score, most specific first."""
    if found < 0 and _restores(score, [_not_crowd(case) for case in cases]):
        yield "it is 1 once no object is a crowd", "set iscrowd to 0: crowds are no objects to be found"
    for shift in (1, -1):
        if _restores(score, cases, [_shifted(case, shift) for case in cases]):
            yield (
                f"it is 1 with {shift:+d} on predicted labels",
                "map labels back to the category ids of the annotations",
            )
    for form, boxes in _rewritten(cases).items():
        if _restores(score, cases, boxes):
            yield (
                f"it is 1 with predicted boxes {form}",
                f"the evaluator reads boxes {form}: convert predictions to that",
            )
    yield from _id_defects(score, cases, found)


def _id_defects(score: Score, cases: Sequence[Case], found: float) -> Iterator[tuple[str, str]]:
    remedy = "number annotations 1, 2, 3, ... through all images: COCO's tools take 0 for unmatched"
    if all(_restores(score, [case]) for case in cases[:4]):
        yield "each image alone scores 1: annotation or image ids restart, and overwrite each other", remedy
    elif found > 0 and all(_lonely(score, case) <= 0 for case in cases[:3]):
        yield "an object alone is never found: annotation ids start at 0", remedy


def _lonely(score: Score, case: Case) -> float:
    """AP of an evaluation of nothing but the first object of *case*."""
    ap = attempt(_ap, score, [_first_object(case)])
    return 1.0 if isinstance(ap, Failure) else ap


def _restores(score: Score, cases: Sequence[Case], predicted: Sequence[Case] | None = None) -> bool:
    ap = attempt(_ap, score, cases, predicted)
    return not isinstance(ap, Failure) and ap >= policy.ORACLE_MIN_AP


def _ap(score: Score, cases: Sequence[Case], predicted: Sequence[Case] | None = None) -> float:
    return score([_prediction(case) for case in predicted or cases], [_fresh(case.target) for case in cases])


def _prediction(case: Case) -> Prediction:
    return {"boxes": case.boxes.clone(), "scores": torch.ones(len(case.boxes)), "labels": case.labels.clone()}


def _fresh(target: Target) -> Target:
    return {key: value.detach().cpu().clone() if isinstance(value, Tensor) else value for key, value in target.items()}


def _shifted(case: Case, shift: int) -> Case:
    return case._replace(labels=case.labels + shift)


def _rewritten(cases: Sequence[Case]) -> dict[str, list[Case]]:
    """The boxes of *cases* in other formats and at other scales."""
    written = {
        "as x, y, width, height": [case._replace(boxes=_written(case, "coco")) for case in cases],
        "in 0..1": [case._replace(boxes=_written(case, "albumentations")) for case in cases],
        "with width and height added to their corners": [
            case._replace(boxes=read_as_xywh(case.boxes)) for case in cases
        ],
    }
    for factor in SCALES:
        written[f"scaled by {factor:g}"] = [case._replace(boxes=case.boxes * factor) for case in cases]
    return written


def _written(case: Case, form: str) -> Tensor:
    return written_as(case.boxes, form, case.height, case.width)


def _not_crowd(case: Case) -> Case:
    return case._replace(target={**case.target, "iscrowd": torch.zeros(len(case.boxes), dtype=torch.int64)})


def _first_object(case: Case) -> Case:
    count = len(case.boxes)
    target = {
        key: value[:1] if _has_length(value, count) and key != "image_id" else value
        for key, value in case.target.items()
    }
    return case._replace(boxes=case.boxes[:1], labels=case.labels[:1], target=target)


def _has_length(value: object, count: int) -> bool:
    if isinstance(value, Tensor):
        return value.dim() > 0 and len(value) == count
    return isinstance(value, list | tuple) and len(value) == count


def _coco(evaluator: Any) -> Check:
    """The oracle test of a COCOeval on the annotations that it brings."""
    annotations = annotations_of(evaluator)
    if not annotations:
        return abstained(NAME, "its ground truth has no annotations")
    doubtful = _coco_ids(annotations, list(evaluator.cocoGt.dataset.get("images", ())))
    ap = attempt(coco_echo, evaluator)
    if isinstance(ap, Failure):
        return (
            failed(
                NAME,
                "certain",
                CAUSE,
                f"fed back as a result, its own ground truth raises: {ap.text}",
                "repair the annotation file",
            )
            if doubtful
            else abstained(NAME, ap.text)
        )
    text = f"its ground truth fed back as a result scores AP {ap:.3f}"
    if doubtful:
        remedy = "number annotations and images 1, 2, 3, ... through the whole file"
        return failed(NAME, "certain", CAUSE, f"{text}; {doubtful}", remedy)
    if ap < 0 and coco_echo(evaluator, iscrowd=0) >= policy.ORACLE_MIN_AP:
        text += "; it is 1 once no object is a crowd"
        return failed(NAME, "certain", CAUSE, text, "set iscrowd to 0: crowds are no objects to be found")
    if ap < policy.ORACLE_MIN_AP and not _has_crowded_images(annotations):
        return failed(NAME, "certain", CAUSE, text, "check ids, bbox (x, y, width, height) and area of the annotations")
    return passed(NAME, text)


def _coco_ids(annotations: Sequence[Any], images: Sequence[Any]) -> str:
    """What is wrong with the ids of an annotation file; "" where nothing is."""
    ids = [row["id"] for row in annotations]
    if len(set(ids)) < len(ids):
        return f"annotation ids repeat: {len(set(ids))} different ones among {len(ids)}"
    if 0 in ids:
        return "an annotation has id 0, which the tools take for unmatched"
    image_ids = [image["id"] for image in images]
    if len(set(image_ids)) < len(image_ids):
        return f"image ids repeat: {len(set(image_ids))} different ones among {len(image_ids)}"
    return ""


def _has_crowded_images(annotations: Sequence[Any]) -> bool:
    """True where an image has more objects than maxDets lets an evaluation find."""
    counts: dict[object, int] = {}
    for row in annotations:
        counts[row["image_id"]] = counts.get(row["image_id"], 0) + 1
    return max(counts.values()) > policy.ORACLE_MAX_OBJECTS
