"""The marker test on correct and broken pipelines of albumentations and torchvision's transforms v2.

    python tests/bench/marker_test.py [PART OF A NAME ...]

A pipeline is given alone (``transform=``) or stands in a dataset that calls it (``dataset``).  Printed for each: trials
decided, how many had pixels outside their box and how many another object's label, what is said, and seconds.  The
last line counts correct pipelines accused and broken ones missed.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations as A  # noqa: N812 - as its own documentation does
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from dettui_probe.contract import NAMED
from dettui_probe.prechecks.report import Check
from dettui_probe.prechecks.transforms import check_transform

HEIGHT, WIDTH = 480, 640
Target = dict[str, Any]


class Pipeline(NamedTuple):
    """A transform, or a dataset that holds one, and whether it is correct."""

    name: str
    correct: bool
    transform: Any = None
    dataset: Any = None


class Pictures(Dataset[Any]):
    """Photograph-like noise with one to five boxes; *prepare* makes an example of image, corners and class ids."""

    def __init__(self, transform: Any, prepare: Callable[..., tuple[Any, Target]]) -> None:
        self.transform = transform
        self.prepare = prepare

    def __len__(self) -> int:
        return 96

    def __getitem__(self, index: int) -> tuple[Any, Target]:
        dice = np.random.default_rng(index)
        image = dice.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        extent = dice.integers(60, 200, (int(dice.integers(1, 6)), 2))
        corner = (dice.random(extent.shape) * (np.array([WIDTH, HEIGHT]) - extent)).astype(np.int64)
        boxes = np.concatenate([corner, corner + extent], axis=1)
        return self.prepare(self.transform, image, boxes, dice.integers(1, 4, len(boxes)))


def collate(rows: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    return [row[0] for row in rows], [row[1] for row in rows]


def target(boxes: Any, labels: Any) -> Target:
    corners = torch.as_tensor(np.asarray(boxes), dtype=torch.float32).reshape(-1, 4)
    return {"boxes": corners, "labels": torch.as_tensor(np.asarray(labels)).long()}


def chw(image: Any) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).float() / 255


# --- how datasets call their transform ----------------------------------------------------------------------------


def with_fields(transform: Any, image: Any, boxes: Any, labels: Any) -> tuple[Any, Target]:
    out = transform(image=image, bboxes=boxes.tolist(), labels=labels.tolist())
    return chw(out["image"]), target(out["bboxes"], out["labels"])


def with_fifth_column(transform: Any, image: Any, boxes: Any, labels: Any) -> tuple[Any, Target]:
    out = transform(image=image, bboxes=[[*box, label] for box, label in zip(boxes, labels, strict=True)])
    rows = np.asarray(out["bboxes"]).reshape(-1, 5)
    return chw(out["image"]), target(rows[:, :4], rows[:, 4])


def image_only(transform: Any, image: Any, boxes: Any, labels: Any) -> tuple[Any, Target]:
    return chw(transform(image=image)["image"]), target(boxes, labels)


def another_key(transform: Any, image: Any, boxes: Any, labels: Any) -> tuple[Any, Target]:
    out = transform(image=image, boxes=boxes.tolist(), labels=labels.tolist())
    return chw(out["image"]), target(out["boxes"], out["labels"])


def forgets_result(transform: Any, image: Any, boxes: Any, labels: Any) -> tuple[Any, Target]:
    out = transform(image=image, bboxes=boxes.tolist(), labels=labels.tolist())
    return chw(out["image"]), target(boxes, labels)


def flips_by_hand_too(transform: Any, image: Any, boxes: Any, labels: Any) -> tuple[Any, Target]:
    """Correct: colour from the pipeline, geometry by hand."""
    image, boxes = chw(transform(image=image)["image"]), torch.as_tensor(boxes).float()
    if torch.rand(()) < 0.5:
        image, boxes = (
            image.flip(-1),
            torch.stack([WIDTH - boxes[:, 2], boxes[:, 1], WIDTH - boxes[:, 0], boxes[:, 3]], 1),
        )
    return image, target(boxes, labels)


def tv_wrapped(transform: Any, image: Any, boxes: Any, labels: Any) -> tuple[Any, Target]:
    wrapped = tv_tensors.BoundingBoxes(torch.as_tensor(boxes), format="XYXY", canvas_size=(HEIGHT, WIDTH))
    out, found = transform(tv_tensors.Image(chw(image)), {"boxes": wrapped, "labels": torch.as_tensor(labels)})
    return out.as_subclass(Tensor), {"boxes": found["boxes"].as_subclass(Tensor).float(), "labels": found["labels"]}


def tv_plain(transform: Any, image: Any, boxes: Any, labels: Any) -> tuple[Any, Target]:
    out, found = transform(tv_tensors.Image(chw(image)), target(boxes, labels))
    return out.as_subclass(Tensor), found


def tv_swapped_canvas(transform: Any, image: Any, boxes: Any, labels: Any) -> tuple[Any, Target]:
    wrapped = tv_tensors.BoundingBoxes(torch.as_tensor(boxes), format="XYXY", canvas_size=(WIDTH, HEIGHT))
    out, found = transform(tv_tensors.Image(chw(image)), {"boxes": wrapped, "labels": torch.as_tensor(labels)})
    return out.as_subclass(Tensor), {"boxes": found["boxes"].as_subclass(Tensor).float(), "labels": found["labels"]}


def tv_wrong_format(transform: Any, image: Any, boxes: Any, labels: Any) -> tuple[Any, Target]:
    wrapped = tv_tensors.BoundingBoxes(torch.as_tensor(boxes), format="XYWH", canvas_size=(HEIGHT, WIDTH))
    out, found = transform(tv_tensors.Image(chw(image)), {"boxes": wrapped, "labels": torch.as_tensor(labels)})
    return out.as_subclass(Tensor), {"boxes": found["boxes"].as_subclass(Tensor).float(), "labels": found["labels"]}


def flip_pair(image: Tensor, target: Target) -> tuple[Tensor, Target]:
    """Correct, by hand."""
    if torch.rand(()) < 0.5:
        boxes = target["boxes"]
        mirrored = torch.stack(
            [image.shape[-1] - boxes[:, 2], boxes[:, 1], image.shape[-1] - boxes[:, 0], boxes[:, 3]], 1
        )
        return image.flip(-1), {**target, "boxes": mirrored}
    return image, target


def flip_image_only(image: Tensor, target: Target) -> tuple[Tensor, Target]:
    return (image.flip(-1) if torch.rand(()) < 0.5 else image), target


def filter_boxes_only(image: Tensor, target: Target) -> tuple[Tensor, Target]:
    keep = torch.rand(len(target["boxes"])) < 0.6
    return image, {**target, "boxes": target["boxes"][keep]}


def declared_coco(image: Tensor, target: Target) -> tuple[Tensor, Target]:
    """Corners handed over as x, y, width, height; clipping hides it."""
    params = A.BboxParams("coco", label_fields=["labels"], clip=True, filter_invalid_bboxes=True)
    flip = A.Compose([A.HorizontalFlip(p=1)], bbox_params=params)
    picture = (image.permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    out = flip(image=picture, bboxes=target["boxes"].tolist(), labels=target["labels"].tolist())
    return chw(out["image"]), {
        **target,
        "boxes": torch.as_tensor(np.asarray(out["bboxes"])).reshape(-1, 4),
        "labels": torch.as_tensor(np.asarray(out["labels"])),
    }


def held(transform: Any, prepare: Callable[..., tuple[Any, Target]]) -> Any:
    return Pictures(transform, prepare)


# --- pipelines ----------------------------------------------------------------------------------------------------

FIELDS = A.BboxParams("pascal_voc", label_fields=["labels"])
VISIBLE = A.BboxParams("pascal_voc", label_fields=["labels"], min_visibility=0.4)
NO_FIELDS = A.BboxParams("pascal_voc")
COCO_CLIPPED = A.BboxParams("coco", label_fields=["labels"], clip=True, filter_invalid_bboxes=True)


def form(name: str) -> A.BboxParams:
    return A.BboxParams(name, label_fields=["labels"])


def pipelines() -> list[Pipeline]:
    flips = [A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.5)]
    crop = [A.RandomCrop(300, 300)]
    colour = [A.ColorJitter(), A.GaussNoise(p=0.5), A.Blur(p=0.5)]
    clean = v2.SanitizeBoundingBoxes()
    return [
        Pipeline("A flips (voc)", True, A.Compose(flips, bbox_params=FIELDS)),
        Pipeline("A rot90 (coco)", True, A.Compose([A.RandomRotate90(p=1)], bbox_params=form("coco"))),
        Pipeline("A affine 45 (yolo)", True, A.Compose([A.Affine(rotate=(-45, 45), p=1)], bbox_params=form("yolo"))),
        Pipeline("A perspective", True, A.Compose([A.Perspective(p=1)], bbox_params=form("albumentations"))),
        Pipeline("A elastic", True, A.Compose([A.ElasticTransform(alpha=60, sigma=8, p=1)], bbox_params=FIELDS)),
        Pipeline("A crop", True, A.Compose(crop, bbox_params=FIELDS)),
        Pipeline("A crop, visibility, pad", True, A.Compose([*crop, A.PadIfNeeded(480, 480)], bbox_params=VISIBLE)),
        Pipeline("A colour, noise, blur", True, A.Compose(colour, bbox_params=FIELDS)),
        Pipeline("A invert, dropout", True, A.Compose([A.InvertImg(p=0.5), A.CoarseDropout(p=1)], bbox_params=FIELDS)),
        Pipeline(
            "A letterbox, normalise",
            True,
            A.Compose([A.LongestMaxSize(320), A.PadIfNeeded(320, 320, fill=114), A.Normalize()], bbox_params=FIELDS),
        ),
        Pipeline(
            "A in dataset, fields", True, dataset=held(A.Compose([*crop, *flips], bbox_params=FIELDS), with_fields)
        ),
        Pipeline(
            "A in dataset, 5th column",
            True,
            dataset=held(A.Compose([*crop, *flips], bbox_params=NO_FIELDS), with_fifth_column),
        ),
        Pipeline("A colour only, no params", True, dataset=held(A.Compose(colour), image_only)),
        Pipeline("A colour, flips by hand", True, dataset=held(A.Compose(colour), flips_by_hand_too)),
        Pipeline(
            "v2 flip, resized crop",
            True,
            v2.Compose([v2.RandomHorizontalFlip(), v2.RandomResizedCrop(256, antialias=True), clean]),
        ),
        Pipeline("v2 zoom out, IoU crop", True, v2.Compose([v2.RandomZoomOut(p=0.5), v2.RandomIoUCrop(), clean])),
        Pipeline(
            "v2 rotate, photometric", True, v2.Compose([v2.RandomRotation(30), v2.RandomPhotometricDistort(), clean])
        ),
        Pipeline(
            "v2 in dataset",
            True,
            dataset=held(v2.Compose([v2.RandomHorizontalFlip(), v2.RandomAffine(20), clean]), tv_wrapped),
        ),
        Pipeline("pair, flip by hand", True, flip_pair),
        Pipeline("A flips, no bbox_params", False, A.Compose(flips)),
        Pipeline("A flips, boxes not passed", False, dataset=held(A.Compose(flips), image_only)),
        Pipeline("A flips, boxes= key", False, dataset=held(A.Compose(flips), another_key)),
        Pipeline(
            "A flips, result forgotten", False, dataset=held(A.Compose(flips, bbox_params=FIELDS), forgets_result)
        ),
        Pipeline("A crop, no bbox_params", False, A.Compose(crop)),
        Pipeline("A crop, labels= no fields", False, dataset=held(A.Compose(crop, bbox_params=NO_FIELDS), with_fields)),
        Pipeline("A voc declared coco", False, dataset=held(A.Compose(flips, bbox_params=COCO_CLIPPED), with_fields)),
        Pipeline("pair, voc declared coco", False, declared_coco),
        Pipeline("v2 plain tensor boxes", False, dataset=held(v2.RandomHorizontalFlip(), tv_plain)),
        Pipeline("v2 canvas swapped", False, dataset=held(v2.RandomHorizontalFlip(), tv_swapped_canvas)),
        Pipeline("v2 XYWH on corners", False, dataset=held(v2.RandomHorizontalFlip(), tv_wrong_format)),
        Pipeline("pair, image flipped alone", False, flip_image_only),
        Pipeline("pair, boxes filtered alone", False, filter_boxes_only),
    ]


def judge(pipeline: Pipeline) -> tuple[list[Check], float]:
    loader = DataLoader(pipeline.dataset, 4, collate_fn=collate) if pipeline.dataset is not None else None
    started = time.perf_counter()
    checks = [
        c for c in check_transform(pipeline.transform, loader, NAMED["fasterrcnn"]) if c.name.startswith("marker")
    ]
    return checks, time.perf_counter() - started


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    accused = missed = 0
    print(f"{'pipeline':<27}{'correct':<9}{'boxes':<10}{'labels':<10}{'dataset':<10}{'seconds':>7}  said")
    for pipeline in pipelines():
        if not any(part in pipeline.name for part in sys.argv[1:] or [""]):
            continue
        checks, seconds = judge(pipeline)
        found = {check.name: figures(check) for check in checks}
        failed = [check for check in checks if check.verdict == "failed" and check.severity == "certain"]
        accused += pipeline.correct and bool(failed)
        missed += not pipeline.correct and not failed
        said = ", ".join(sorted({check.cause for check in failed})) or "-"
        columns = "".join(f"{found.get(name, '-'):<10}" for name in ("marker_boxes", "marker_labels", "marker_dataset"))
        print(
            f"{pipeline.name:<27}{'yes' if pipeline.correct else 'no':<9}{columns}{seconds:>7.1f}  {said}", flush=True
        )
    print(f"wrong of decided.  Correct pipelines accused: {accused}; broken ones missed: {missed}")


def figures(check: Check) -> str:
    """ "wrong/decided" out of the evidence."""
    words = check.evidence.split()
    return f"{words[0]}/{words[2]}" if words[1:2] == ["of"] and check.verdict != "abstained" else "abstains"


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
