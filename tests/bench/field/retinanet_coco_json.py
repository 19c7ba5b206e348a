"""RetinaNet of torchvision on a dataset in COCO's format: pictures and a JSON in a folder, boxes as x y w h."""

import json
import tempfile
from collections import defaultdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from data import CLASSES, ap50, scene
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.transforms.functional import to_tensor

torch.manual_seed(0)
CATEGORY_IDS = {"square": 3, "disc": 18, "triangle": 44}
SIZE = 64


def write_coco(root, count, seed):
    """What an annotation tool exports: pictures of 80 pixels and annotations.json; ids count from 1."""
    generator = np.random.default_rng(seed)
    root.mkdir(parents=True)
    coco = {"images": [], "annotations": [], "categories": [{"id": i, "name": n} for n, i in CATEGORY_IDS.items()]}
    for image_id in range(1, count + 1):
        image, boxes, labels = scene(generator, 80, most=2, sizes=(16, 32))
        Image.fromarray(image).save(root / f"{image_id:06d}.png")
        coco["images"].append({"id": image_id, "file_name": f"{image_id:06d}.png"})
        for (x1, y1, x2, y2), label in zip(boxes.tolist(), labels, strict=True):
            coco["annotations"].append({
                "id": len(coco["annotations"]) + 1, "image_id": image_id, "bbox": [x1, y1, x2 - x1, y2 - y1],
                "category_id": CATEGORY_IDS[CLASSES[label]], "iscrowd": 0,
            })  # fmt: skip
    (root / "annotations.json").write_text(json.dumps(coco))


class CocoDataset(Dataset):
    def __init__(self, root):
        coco = json.loads((root / "annotations.json").read_text())
        self.root, self.images = root, coco["images"]
        self.label_of = {category["id"]: i for i, category in enumerate(coco["categories"])}
        self.by_image = defaultdict(list)
        for annotation in coco["annotations"]:
            self.by_image[annotation["image_id"]].append(annotation)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, idx):
        info = self.images[idx]
        img = Image.open(self.root / info["file_name"]).convert("RGB")
        scale = SIZE / img.width
        img = img.resize((SIZE, SIZE), Image.BILINEAR)
        boxes, labels = [], []
        for ann in self.by_image[info["id"]]:
            x, y, w, h = ann["bbox"]
            boxes.append([x * scale, y * scale, (x + w) * scale, (y + h) * scale])
            labels.append(self.label_of[ann["category_id"]])
        target = {"boxes": torch.tensor(boxes).reshape(-1, 4), "labels": torch.tensor(labels, dtype=torch.int64)}
        return to_tensor(img), target


def collate(batch):
    return tuple(zip(*batch, strict=True))


class Backbone(nn.Sequential):
    out_channels = 48

    def __init__(self):
        layers, width = [], 3
        for wider in (16, 32, 48):
            layers += [nn.Conv2d(width, wider, 3, 2, 1, bias=False), nn.BatchNorm2d(wider), nn.ReLU()]
            width = wider
        super().__init__(*layers)


def evaluate(model, loader):
    model.eval()
    found, truth = [], []
    with torch.no_grad():
        for images, targets in loader:
            found += [(out["boxes"], out["scores"], out["labels"]) for out in model(list(images))]
            truth += [(target["boxes"], target["labels"]) for target in targets]
    return ap50(found, truth)


with tempfile.TemporaryDirectory() as folder:
    root = Path(folder)
    write_coco(root / "train", 240, 0)
    write_coco(root / "val", 60, 1)
    train_loader = DataLoader(CocoDataset(root / "train"), batch_size=6, shuffle=True, collate_fn=collate)
    val_loader = DataLoader(CocoDataset(root / "val"), batch_size=20, collate_fn=collate)
    model = RetinaNet(
        Backbone(), num_classes=len(CLASSES), min_size=SIZE, max_size=SIZE, image_mean=[0.2] * 3, image_std=[0.2] * 3,
        anchor_generator=AnchorGenerator(sizes=((14, 20),), aspect_ratios=((0.6, 1.0, 1.6),)), detections_per_img=20,
        head=RetinaNetHead(48, 6, len(CLASSES), norm_layer=partial(nn.GroupNorm, 12)),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, epochs=5, steps_per_epoch=len(train_loader))
    for epoch in range(5):
        model.train()
        for images, targets in train_loader:
            loss_dict = model(list(images), list(targets))
            loss = loss_dict["classification"] + loss_dict["bbox_regression"]
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            scheduler.step()
        print(f"epoch {epoch} loss {loss.item():.3f}")
        if epoch % 2 == 0:
            print(f"mAP@50 = {evaluate(model, val_loader):.3f}")
