"""What the demos share: a set of coloured shapes made on the fly, a tiny Faster R-CNN, a training loop, and mAP.

Nothing here is faulty.  Each file beside this one is a training script with one mistake in it, of the kind that raises
no error; ``healthy.py`` is the same script without one.
"""

from __future__ import annotations

import argparse
import itertools
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the network for a newer version at import

import albumentations as A  # noqa: N812 - as its own documentation does
import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign, box_iou

if TYPE_CHECKING:
    from dettui_probe import Run

torch.set_num_threads(1)  # steps this small run slower on many threads
cv2.setNumThreads(0)

CLASSES = ("circle", "square", "triangle")
CLASS_NAMES = ("background", *CLASSES)  # torchvision's Faster R-CNN keeps class id 0 for background
SIDE = 96  # pixels; every image is SIDE x SIDE
BATCH = 4
STEPS = 1500
TRAIN_IMAGES = 800
EVALUATION_IMAGES = 64
EVALUATION_SEED = 1_000_000  # far from any seed that a demo is given: no picture is in both sets
EVALUATE_EVERY = 100

Image = NDArray[np.uint8]  # (height, width, 3)
Target = dict[str, Tensor]  # torchvision's: "boxes" (n, 4) as x1, y1, x2, y2 and "labels" (n,)
Example = tuple[Tensor, Target]
Annotation = dict[str, list[Any]]  # {"bbox": n x [x, y, width, height], "category": n x 1..3}, as in COCO's files


# --- data ---------------------------------------------------------------------------------------------------------


def background(rng: np.random.Generator) -> Image:
    """Clouds, grain and a few strokes that are nobody's object; shape (SIDE, SIDE, 3)."""
    coarse = rng.uniform(10, 140, size=(6, 6, 3)).astype(np.float32)
    clouds = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    image = np.clip(clouds + rng.normal(0, 15, size=clouds.shape), 0, 255).astype(np.uint8)
    for x1, y1, x2, y2 in rng.integers(0, SIDE, size=(4, 4)).tolist():
        cv2.line(image, (x1, y1), (x2, y2), colour(rng), thickness=2)
    return image


def colour(rng: np.random.Generator) -> tuple[int, int, int]:
    """A random colour, brighter than most of the background."""
    red, green, blue = rng.integers(100, 256, size=3).tolist()
    return red, green, blue


def draw(image: Image, category: int, box: Sequence[int], paint: tuple[int, int, int]) -> None:
    """Fill *box* (x, y, width, height) of *image* with one shape."""
    x, y, w, h = box
    if category == 1:
        cv2.ellipse(image, (x + w // 2, y + h // 2), (w // 2, h // 2), 0, 0, 360, paint, -1)
    elif category == 2:
        cv2.rectangle(image, (x, y), (x + w - 1, y + h - 1), paint, -1)
    else:
        corners = np.array([(x, y + h - 1), (x + w - 1, y + h - 1), (x + w // 2, y)], dtype=np.int32)
        cv2.fillPoly(image, [corners], paint)


def overlaps(box: Sequence[int], others: Sequence[Sequence[int]]) -> bool:
    """True where *box* touches one of *others*; all are (x, y, width, height)."""
    x, y, w, h = box
    return any(x < ox + ow and ox < x + w and y < oy + oh and oy < y + h for ox, oy, ow, oh in others)


def make_image(seed: int, index: int, class_weights: Sequence[float]) -> tuple[Image, Annotation]:
    """Image number *index* of the set *seed*, with one to five shapes, and its annotation."""
    rng = np.random.default_rng((seed, index))
    image = background(rng)
    boxes: list[list[int]] = []
    categories: list[int] = []
    for _ in range(rng.integers(1, 6)):
        w, h = rng.integers(16, 41, size=2).tolist()
        box = [int(rng.integers(0, SIDE - w)), int(rng.integers(0, SIDE - h)), w, h]
        if overlaps(box, boxes):
            continue
        category = 1 + int(rng.choice(len(CLASSES), p=class_weights))
        draw(image, category, box, colour(rng))
        boxes.append(box)
        categories.append(category)
    return image, {"bbox": boxes, "category": categories}


def augmentation(seed: int) -> A.Compose:
    """The pipeline of the healthy demo: it moves the boxes with the pixels and their classes with the boxes."""
    return A.Compose(
        [A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.5), A.RandomBrightnessContrast(p=0.5)],
        bbox_params=A.BboxParams(format="coco", label_fields=["category"]),
        seed=seed,
    )


def to_tensor(image: Image) -> Tensor:
    """(H, W, 3) bytes to (3, H, W) floats in 0..1: what torchvision's detectors expect."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).float() / 255


def to_target(boxes_xywh: Any, categories: Any) -> Target:
    """COCO's x, y, width, height to the corners x1, y1, x2, y2 that torchvision expects."""
    boxes = torch.as_tensor(np.asarray(boxes_xywh), dtype=torch.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return {"boxes": boxes, "labels": torch.as_tensor(np.asarray(categories), dtype=torch.int64)}


class Shapes(Dataset[Example]):
    """*images* pictures of shapes; the same seed gives the same pictures.  Override ``prepare`` to augment."""

    def __init__(self, seed: int, images: int = TRAIN_IMAGES, class_weights: Sequence[float] = (1 / 3,) * 3) -> None:
        self.seed, self.images, self.class_weights = seed, images, class_weights

    def __len__(self) -> int:
        return self.images

    def __getitem__(self, index: int) -> Example:
        return self.prepare(*make_image(self.seed, index, self.class_weights))

    def prepare(self, image: Image, annotation: Annotation) -> Example:
        return to_tensor(image), to_target(annotation["bbox"], annotation["category"])


class AugmentedShapes(Shapes):
    """The training set of every demo whose fault lies elsewhere."""

    def __init__(self, seed: int, **options: Any) -> None:
        super().__init__(seed, **options)
        self.augment = augmentation(seed)

    def prepare(self, image: Image, annotation: Annotation) -> Example:
        out = self.augment(image=image, bboxes=annotation["bbox"], category=annotation["category"])
        return to_tensor(out["image"]), to_target(out["bboxes"], out["category"])


def collate(rows: Sequence[Example]) -> tuple[list[Tensor], list[Target]]:
    """Detectors take lists: images carry different numbers of boxes."""
    return [image for image, _ in rows], [target for _, target in rows]


# --- model --------------------------------------------------------------------------------------------------------


def block(channels_in: int, channels_out: int, stride: int) -> nn.Sequential:
    """3x3 convolution, GroupNorm (a batch of four is too small for BatchNorm), ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False),
        nn.GroupNorm(8, channels_out),
        nn.ReLU(inplace=True),
    )


def tiny_backbone() -> nn.Sequential:
    """Four convolutions, 1/8 of the resolution, 64 channels."""
    backbone = nn.Sequential(block(3, 16, 2), block(16, 32, 2), block(32, 64, 2), block(64, 64, 1))
    backbone.out_channels = 64  # type: ignore[assignment]  # FasterRCNN asks for it
    return backbone


def tiny_faster_rcnn(num_classes: int = len(CLASS_NAMES)) -> FasterRCNN:
    """torchvision's own Faster R-CNN, made small: a step takes about a tenth of a second on one core."""
    return FasterRCNN(
        tiny_backbone(),
        min_size=SIDE,
        max_size=SIDE,
        rpn_anchor_generator=AnchorGenerator(sizes=((18, 26, 36),), aspect_ratios=((0.6, 1.0, 1.7),)),
        rpn_pre_nms_top_n_train=200,
        rpn_post_nms_top_n_train=64,
        rpn_pre_nms_top_n_test=100,
        rpn_post_nms_top_n_test=32,
        rpn_batch_size_per_image=32,
        box_roi_pool=MultiScaleRoIAlign(featmap_names=["0"], output_size=5, sampling_ratio=2),
        box_head=TwoMLPHead(64 * 5 * 5, 128),
        box_predictor=FastRCNNPredictor(128, num_classes),
        box_batch_size_per_image=32,
        box_detections_per_img=10,
    )


# --- evaluation ---------------------------------------------------------------------------------------------------


def average_precision(scores: Tensor, hits: Tensor, objects: int) -> float:
    """Area under the precision-recall curve, all points; *hits* (n,) says which detections found a new object."""
    if objects == 0 or len(scores) == 0:
        return 0.0
    found = hits[scores.argsort(descending=True)].double().cumsum(0)
    precision = found / torch.arange(1, len(found) + 1)
    envelope = precision.flip(0).cummax(0).values.flip(0)  # the best precision at this recall or a higher one
    return float((envelope * torch.diff(found, prepend=found.new_zeros(1))).sum() / objects)


def match(boxes: Tensor, scores: Tensor, objects: Tensor) -> Tensor:
    """Which detections of one image and class hit a still unclaimed object at IoU >= 0.5, best score first; (n,)."""
    hits = torch.zeros(len(boxes), dtype=torch.bool)
    iou = box_iou(boxes, objects)
    for row in scores.argsort(descending=True).tolist():
        if iou.shape[1] and iou[row].max() >= 0.5:
            hits[row] = True
            iou[:, iou[row].argmax()] = 0.0
    return hits


def class_average_precision(detections: Sequence[Target], targets: Sequence[Target], class_id: int) -> float:
    """AP at IoU 0.5 of one class over all images."""
    scores, hits, objects = [], [], 0
    for found, target in zip(detections, targets, strict=True):
        mine, theirs = found["labels"] == class_id, target["labels"] == class_id
        scores.append(found["scores"][mine])
        hits.append(match(found["boxes"][mine], found["scores"][mine], target["boxes"][theirs]))
        objects += int(theirs.sum())
    return average_precision(torch.cat(scores), torch.cat(hits), objects)


@torch.no_grad()
def mean_average_precision(model: nn.Module, dataset: Dataset[Example]) -> float:
    """mAP at IoU 0.5 over the classes that occur in *dataset*."""
    detections: list[Target] = []
    targets: list[Target] = []
    model.eval()
    for images, batch_targets in DataLoader(dataset, 16, collate_fn=collate):
        detections += model(images)
        targets += batch_targets
    model.train()
    classes = torch.cat([target["labels"] for target in targets]).unique().tolist()
    return sum(class_average_precision(detections, targets, k) for k in classes) / len(classes)


# --- training -----------------------------------------------------------------------------------------------------


def arguments(lr: float) -> argparse.Namespace:
    """``--steps``, ``--seed`` and ``--lr``, the last one with this demo's default."""
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--steps", type=int, default=STEPS, help="optimizer steps")
    parser.add_argument("--seed", type=int, default=0, help="of the weights, the pictures and their order")
    parser.add_argument("--lr", type=float, default=lr, help="learning rate before its two drops")
    return parser.parse_args()


def evaluation_set() -> Shapes:
    """Pictures that no demo trains on, as many of each class, not augmented."""
    return Shapes(EVALUATION_SEED, EVALUATION_IMAGES)


def batches(dataset: Dataset[Example], run: Run) -> Iterator[tuple[list[Tensor], list[Target]]]:
    """Shuffled batches without end; every pass over *dataset* is announced as an epoch."""
    loader = DataLoader(dataset, BATCH, shuffle=True, drop_last=True, collate_fn=collate)
    for epoch in itertools.count(1):
        run.event("epoch", f"epoch {epoch}")
        yield from loader


def fit(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    training: Dataset[Example],
    evaluation: Dataset[Example],
    *,
    run: Run,
    steps: int,
) -> None:
    """Train for *steps* optimizer steps, with an evaluation every hundred."""
    milestones = [steps * 6 // 10, steps * 85 // 100]
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones, gamma=0.1)
    for step, (images, targets) in enumerate(itertools.islice(batches(training, run), steps), start=1):
        losses = model(images, targets)
        loss = sum(losses.values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % EVALUATE_EVERY == 0 or step == steps:
            map50 = mean_average_precision(model, evaluation)
            print(f"step {step:5d}  loss {loss.item():7.4f}  mAP50 {map50:.3f}", flush=True)
            run.log(step, **{"eval/mAP50": map50})
            run.event("evaluation", f"mAP50 {map50:.3f}")
