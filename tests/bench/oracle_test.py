"""The oracle test on eight defects of a COCO evaluation, with pycocotools and with faster-coco-eval.

    python tests/bench/oracle_test.py

Each defect sits inside an evaluator ``(predictions, targets) -> AP``, as in a training script: it turns torchvision's
targets into COCO annotations, predictions into COCO results, and runs COCOeval.  Where a defect shows in the
annotations, the COCOeval itself is tested too.  Printed: AP of perfect predictions, the verdict, and what is said.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

from dettui_probe.capture.targets import Batch
from dettui_probe.prechecks.batches import Delivery
from dettui_probe.prechecks.oracle import check_evaluator
from dettui_probe.prechecks.report import Check

IMAGES, SIDE = 12, 200


class Library(NamedTuple):
    """Where an evaluator's classes come from."""

    name: str
    truth: Callable[[], Any]
    judge: Callable[..., Any]


class Defect(NamedTuple):
    """What is wrong in the evaluation."""

    name: str
    annotation_id: Callable[[int, int], int] = lambda number, _in_image: number + 1
    category_shift: int = 0
    as_corners: bool = False
    scale: float = 1.0
    crowd: int = 0
    one_image_id: bool = False


DEFECTS = (
    Defect("none"),
    Defect("annotation ids start at 0", annotation_id=lambda number, _: number),
    Defect("annotation ids restart", annotation_id=lambda _, in_image: in_image + 1),
    Defect("predicted category off by one", category_shift=1),
    Defect("predictions xyxy for xywh", as_corners=True),
    Defect("predictions scaled by 2", scale=2.0),
    Defect("every object is a crowd", crowd=1),
    Defect("same image_id everywhere", one_image_id=True),
)


def libraries() -> list[Library]:
    found = []
    if importlib.util.find_spec("pycocotools"):
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        found.append(Library("pycocotools", COCO, COCOeval))
    if importlib.util.find_spec("faster_coco_eval"):
        import faster_coco_eval

        found.append(Library("faster-coco-eval", faster_coco_eval.COCO, faster_coco_eval.COCOeval_faster))
    return found


def delivery(defect: Defect) -> Delivery:
    """Twelve images with one to three objects each."""
    dice = torch.Generator().manual_seed(0)
    targets = []
    for image in range(IMAGES):
        count = 1 + image % 3
        extent = 20 + 40 * torch.rand(count, 2, generator=dice)
        corner = (SIDE / 2 - 30) * torch.rand(count, 2, generator=dice)
        labels = torch.randint(1, 4, (count,), generator=dice)
        image_id = torch.tensor(1 if defect.one_image_id else image + 1)
        targets.append({"boxes": torch.cat([corner, corner + extent], 1), "labels": labels, "image_id": image_id})
    return Delivery((Batch([torch.zeros(3, SIDE, SIDE) for _ in targets], targets),))


def truth_of(library: Library, targets: Sequence[Any], defect: Defect) -> Any:
    """The ground truth of *targets* as COCO annotations."""
    annotations: list[dict[str, Any]] = []
    for target in targets:
        for in_image, (box, label) in enumerate(zip(target["boxes"].tolist(), target["labels"].tolist(), strict=True)):
            width, height = box[2] - box[0], box[3] - box[1]
            crowd = int(target["iscrowd"][in_image]) if "iscrowd" in target else defect.crowd
            annotations.append(
                {
                    "id": defect.annotation_id(len(annotations), in_image),
                    "image_id": int(target["image_id"]),
                    "category_id": label,
                    "bbox": [box[0], box[1], width, height],
                    "area": width * height,
                    "iscrowd": crowd,
                }
            )
    truth = library.truth()
    images = [{"id": int(target["image_id"]), "width": SIDE, "height": SIDE} for target in targets]
    truth.dataset = {
        "info": {},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": k, "name": str(k)} for k in range(1, 6)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
    return truth


def results_of(predictions: Sequence[Any], targets: Sequence[Any], defect: Defect) -> list[dict[str, Any]]:
    """*predictions* as COCO results, with the defect."""
    results = []
    for prediction, target in zip(predictions, targets, strict=True):
        boxes = prediction["boxes"] * defect.scale
        boxes = boxes if defect.as_corners else torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
        columns = (boxes.tolist(), prediction["labels"].tolist(), prediction["scores"].tolist())
        for box, label, score in zip(*columns, strict=True):
            results.append(
                {
                    "image_id": int(target["image_id"]),
                    "category_id": label + defect.category_shift,
                    "bbox": box,
                    "score": score,
                }
            )
    return results


def evaluator(library: Library, defect: Defect) -> Callable[[Sequence[Any], Sequence[Any]], float]:
    def evaluate(predictions: Sequence[Any], targets: Sequence[Any]) -> float:
        with contextlib.redirect_stdout(io.StringIO()):
            truth = truth_of(library, targets, defect)
            judge = library.judge(truth, truth.loadRes(results_of(predictions, targets, defect)), "bbox")
            judge.evaluate()
            judge.accumulate()
            judge.summarize()
        return float(judge.stats[0])

    return evaluate


def coco_eval(library: Library, defect: Defect) -> Any:
    targets = delivery(defect).batches[0].targets
    with contextlib.redirect_stdout(io.StringIO()):
        return library.judge(truth_of(library, targets, defect), None, "bbox")


def say(library: Library, kind: str, defect: Defect, checks: Sequence[Check]) -> None:
    failed = [check for check in checks if check.verdict == "failed"]
    shown = failed[0] if failed else next(check for check in checks if check.name == "evaluator")
    expected = "passed" if defect.name == "none" else "failed"
    right = "" if shown.verdict == expected else "  <- not as expected"
    print(f"{library.name:<17}{kind:<9}{defect.name:<31}{shown.verdict:<10}{shown.evidence}{right}", flush=True)


def main() -> None:
    known = libraries()
    if not known:
        raise SystemExit("neither pycocotools nor faster-coco-eval is installed: pip install one of them")
    for library in known:
        for defect in DEFECTS:
            say(library, "callable", defect, list(check_evaluator(evaluator(library, defect), delivery(defect))))
        for defect in DEFECTS:
            shows = defect.category_shift == 0 and not defect.as_corners and defect.scale == 1
            if shows:
                say(library, "COCOeval", defect, list(check_evaluator(coco_eval(library, defect), Delivery(()))))


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
