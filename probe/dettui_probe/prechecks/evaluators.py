"""Evaluators of several kinds as one function: predictions and targets in, AP out.  None of the user's is touched."""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from dettui_probe.capture.torchlib import Tensor, as_mapping, torch

Prediction = dict[str, Tensor]  # boxes (n, 4), scores (n,), labels (n,)
Target = dict[str, Any]
Score = Callable[[Sequence[Prediction], Sequence[Target]], float]

AP_KEYS: Final = ("map", "mAP", "AP", "ap", "bbox_mAP", "coco/bbox_mAP", "eval/mAP", "mean_average_precision")
COCO_IMAGES: Final = 500  # of an annotation file: matching a whole validation set takes minutes


def score_of(evaluator: Any) -> Score | None:
    """*evaluator* as a function; None where its kind is unknown (or needs no predictions: see ``is_coco_eval``)."""
    if all(hasattr(evaluator, name) for name in ("coco_eval", "update", "accumulate", "summarize")):
        return lambda predictions, targets: _reference_score(evaluator, predictions, targets)
    if all(hasattr(evaluator, name) for name in ("update", "compute", "reset")):
        return lambda predictions, targets: _metric_score(evaluator, predictions, targets)
    if callable(evaluator):
        return lambda predictions, targets: _call_score(evaluator, predictions, targets)
    return None


def is_coco_eval(evaluator: Any) -> bool:
    """A ``COCOeval`` of pycocotools, faster-coco-eval or their likes, which brings its own ground truth."""
    return all(hasattr(evaluator, name) for name in ("cocoGt", "evaluate", "accumulate", "summarize"))


def annotations_of(evaluator: Any) -> list[dict[str, Any]]:
    """The annotations in the ground truth of a COCOeval."""
    return list(evaluator.cocoGt.dataset.get("annotations", ()))


def coco_echo(evaluator: Any, **changes: Any) -> float:
    """AP of the ground truth of a COCOeval fed back as its result; *changes* overwrite fields of each annotation."""
    whole = evaluator.cocoGt.dataset
    images = list(whole.get("images", ()))[:COCO_IMAGES]
    chosen = {image["id"] for image in images}
    rows = [{**row, **changes} for row in whole["annotations"] if row["image_id"] in chosen]
    results = [{**{key: row[key] for key in ("image_id", "category_id", "bbox")}, "score": 1.0} for row in rows]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = type(evaluator.cocoGt)()
        truth.dataset = {"info": {}, **whole, "images": images, "annotations": rows}
        truth.createIndex()
        judge = type(evaluator)(truth, truth.loadRes(results), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return float(judge.stats[0])


def _metric_score(metric: Any, predictions: Sequence[Prediction], targets: Sequence[Target]) -> float:
    """torchmetrics' protocol."""
    twin = copy.deepcopy(metric)
    twin.reset()
    twin.update(list(predictions), list(targets))
    return _as_ap(twin.compute())


def _reference_score(evaluator: Any, predictions: Sequence[Prediction], targets: Sequence[Target]) -> float:
    """The protocol of the CocoEvaluator in torchvision's reference scripts."""
    twin = copy.deepcopy(evaluator)
    ids = [int(torch.as_tensor(target["image_id"]).reshape(-1)[0]) for target in targets]
    with contextlib.redirect_stdout(io.StringIO()):
        twin.update(dict(zip(ids, predictions, strict=True)))
        if hasattr(twin, "synchronize_between_processes"):
            twin.synchronize_between_processes()
        twin.accumulate()
        twin.summarize()
    return float(next(iter(twin.coco_eval.values())).stats[0])


def _call_score(function: Callable[..., Any], predictions: Sequence[Prediction], targets: Sequence[Target]) -> float:
    with contextlib.redirect_stdout(io.StringIO()):
        return _as_ap(function(list(predictions), list(targets)))


def _as_ap(result: Any) -> float:
    """The AP in what an evaluator returned: a number, a dict, COCO's twelve stats, or an object that has them."""
    mapping = as_mapping(result)
    if mapping is not None:
        return _from_mapping(mapping)
    result = getattr(result, "stats", result)
    if hasattr(result, "tolist"):
        result = result.tolist()
    while isinstance(result, list | tuple):
        result = result[0]
    return float(result)


def _from_mapping(mapping: Mapping[Any, Any]) -> float:
    for key in AP_KEYS:
        if key in mapping:
            return _as_ap(mapping[key])
    raise KeyError(f"no AP among {[str(key) for key in mapping][:8]}")
