"""A tiny detector and a set of made-up images, in any state of disrepair."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign

Row = tuple[Tensor, dict[str, Any]]
Change = Callable[[Tensor, dict[str, Any]], Row]
WIDTH, HEIGHT = 128, 96


class Pictures(Dataset[Row]):
    """*count* images of noise with one to four boxes each; *change* spoils them.  *painted*: there is an object in each
    box, of one colour."""

    def __init__(
        self, count: int = 32, change: Change = lambda image, target: (image, target), *, painted: bool = False
    ) -> None:
        self.count = count
        self.change = change
        self.painted = painted

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Row:
        dice = torch.Generator().manual_seed(index)
        boxes = int(torch.randint(1, 5, (1,), generator=dice))
        extent = 14 + 24 * torch.rand(boxes, 2, generator=dice)
        corner = torch.rand(boxes, 2, generator=dice) * (torch.tensor([WIDTH, HEIGHT]) - extent)
        target = {
            "boxes": torch.cat([corner, corner + extent], dim=1),
            "labels": torch.randint(1, 4, (boxes,), generator=dice),
            "image_id": torch.tensor([index]),
        }
        image = torch.rand(3, HEIGHT, WIDTH, generator=dice)
        for x1, y1, x2, y2 in target["boxes"].round().long().tolist() if self.painted else ():
            image[:, y1:y2, x1:x2] = torch.rand(3, 1, 1, generator=dice)
        return self.change(image, target)


def collate(rows: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    return [row[0] for row in rows], [row[1] for row in rows]


def load(dataset: Any, **options: Any) -> DataLoader[Any]:
    return DataLoader(dataset, **{"batch_size": 4, "shuffle": True, "collate_fn": collate, **options})


def detector(classes: int = 4) -> FasterRCNN:
    body = nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU())
    body.out_channels = 8
    return FasterRCNN(
        body,
        num_classes=classes,
        min_size=HEIGHT,
        max_size=WIDTH,
        box_detections_per_img=5,
        rpn_pre_nms_top_n_train=100,
        rpn_post_nms_top_n_train=50,
        rpn_anchor_generator=AnchorGenerator(((16, 24, 36),), ((0.5, 1.0, 2.0),)),
        box_roi_pool=MultiScaleRoIAlign(["0"], 3, 2),
    )
