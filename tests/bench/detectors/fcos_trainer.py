"""An anchor-free head with a GIoU loss, trained by a Trainer with an EMA of the weights, on a COCO set on disk."""

import contextlib
import copy
import io
import json
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from data import KINDS, scenes
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.ops import batched_nms, generalized_box_iou_loss


@dataclass
class Config:
    num_classes: int = len(KINDS)
    batch_size: int = 16
    max_epoch: int = 10
    warmup_epochs: int = 1
    basic_lr_per_img: float = 2e-3 / 16
    weight_decay: float = 5e-4
    ema_decay: float = 0.98
    reg_weight: float = 5.0
    stride: int = 8


def write_coco(root, name, count, seed):
    """Pictures under root/name and root/name.json, their categories numbered from 1."""
    (root / name).mkdir()
    coco = {"images": [], "annotations": [], "categories": [{"id": i + 1, "name": n} for i, n in enumerate(KINDS)]}
    for i, (image, boxes, kinds) in enumerate(scenes(count, seed)):
        cv2.imwrite(str(root / name / f"{i:05}.png"), image[..., ::-1])
        coco["images"].append({"id": i, "file_name": f"{i:05}.png", "width": 64, "height": 64})
        for (x1, y1, x2, y2), kind in zip(boxes.tolist(), kinds.tolist(), strict=True):
            ann = {"id": len(coco["annotations"]) + 1, "image_id": i, "category_id": kind + 1, "iscrowd": 0}
            coco["annotations"].append({**ann, "bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)})
    (root / f"{name}.json").write_text(json.dumps(coco))


class COCODataset(Dataset):
    def __init__(self, root, name):
        self.root, self.coco = root / name, json.loads((root / f"{name}.json").read_text())
        self.label2cat = {i: category["id"] for i, category in enumerate(self.coco["categories"])}
        cat2label = {cat: label for label, cat in self.label2cat.items()}
        self.targets = {image["id"]: [] for image in self.coco["images"]}
        for ann in self.coco["annotations"]:
            if ann["iscrowd"]:
                continue
            x, y, w, h = ann["bbox"]
            box = [x, y, x + w, y + h, cat2label[ann["category_id"]]]
            self.targets[ann["image_id"]].append(box)

    def __len__(self):
        return len(self.coco["images"])

    def __getitem__(self, index):
        info = self.coco["images"][index]
        image = cv2.cvtColor(cv2.imread(str(self.root / info["file_name"])), cv2.COLOR_BGR2RGB)
        target = np.array(self.targets[info["id"]], np.float32).reshape(-1, 5)
        return torch.from_numpy(image).permute(2, 0, 1), torch.from_numpy(target), info["id"]


def collate_fn(batch):
    images, targets, ids = zip(*batch, strict=True)
    return torch.stack(images), targets, ids


class BaseConv(nn.Sequential):
    def __init__(self, i, o, stride=1):
        super().__init__(nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.SiLU())


class Detector(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.stride = cfg.stride
        self.backbone = nn.Sequential(BaseConv(3, 16, 2), BaseConv(16, 32, 2), BaseConv(32, 64, 2), BaseConv(64, 64))
        self.cls_convs, self.reg_convs = BaseConv(64, 48), BaseConv(64, 48)
        self.cls_preds, self.reg_preds = nn.Conv2d(48, cfg.num_classes, 1), nn.Conv2d(48, 4, 1)
        nn.init.constant_(self.cls_preds.bias, -math.log((1 - 0.02) / 0.02))

    def forward(self, x):
        x = self.backbone(x)
        ltrb = self.reg_preds(self.reg_convs(x)).clamp(max=4).exp() * self.stride
        centres = (torch.arange(x.shape[-1]) + 0.5) * self.stride
        points = torch.cartesian_prod(centres, centres).flip(-1)
        ltrb = ltrb.flatten(2).transpose(1, 2)
        boxes = torch.cat([points - ltrb[..., :2], points + ltrb[..., 2:]], -1)
        return self.cls_preds(self.cls_convs(x)).flatten(2).transpose(1, 2), boxes, points


def assign(points, target, radius):
    """The object (or -1) of each point (n, 2): that in whose box, near its centre, the point lies."""
    if not len(target):
        return torch.full((len(points),), -1)
    inside = (points[:, None] > target[:, :2]).all(-1) & (points[:, None] < target[:, 2:4]).all(-1)
    distance = (points[:, None] - (target[:, :2] + target[:, 2:4]) / 2).abs().amax(-1)
    nearest, which = distance.masked_fill(~inside, torch.inf).min(1)
    return torch.where(nearest < radius, which, -1)


def get_losses(cfg, outputs, targets):
    logits, boxes, points = outputs
    cls_target, matched, foreground = torch.zeros_like(logits), torch.zeros_like(boxes), []
    for i, target in enumerate(targets):
        which = assign(points, target, 1.0 * cfg.stride)
        fg = which >= 0
        if fg.any():
            cls_target[i, fg, target[which[fg], 4].long()] = 1
            matched[i, fg] = target[which[fg], :4]
        foreground.append(fg)
    fg = torch.stack(foreground)
    num_fg = fg.sum().clamp(min=1)
    loss_iou = generalized_box_iou_loss(boxes[fg], matched[fg], reduction="sum") / num_fg
    loss_cls = nn.functional.binary_cross_entropy_with_logits(logits, cls_target, reduction="sum") / num_fg
    return cfg.reg_weight * loss_iou, loss_cls


class ModelEMA:
    def __init__(self, model, decay):
        self.ema, self.updates = copy.deepcopy(model).eval(), 0
        self.decay = lambda updates: decay * (1 - math.exp(-updates / 50))

    @torch.no_grad()
    def update(self, model):
        self.updates += 1
        for mine, theirs in zip(self.ema.state_dict().values(), model.state_dict().values(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(theirs, 1 - self.decay(self.updates))


class Trainer:
    def __init__(self, cfg, root):
        self.cfg, self.root = cfg, root
        self.val_set = COCODataset(root, "val")
        self.train_loader = DataLoader(
            COCODataset(root, "train"), cfg.batch_size, shuffle=True, collate_fn=collate_fn, drop_last=True
        )
        self.model = Detector(cfg)
        self.lr = cfg.basic_lr_per_img * cfg.batch_size
        self.optimizer = torch.optim.AdamW(self.model.parameters(), self.lr, weight_decay=cfg.weight_decay)
        self.ema_model = ModelEMA(self.model, cfg.ema_decay)

    def preprocess(self, images):
        return (images.float() - 120.0) / 60.0

    def update_lr(self, iteration):
        warmup, total = (epochs * len(self.train_loader) for epochs in (self.cfg.warmup_epochs, self.cfg.max_epoch))
        if iteration < warmup:
            lr = self.lr * (iteration + 1) / warmup
        else:
            lr = 0.5 * self.lr * (1.05 + math.cos(math.pi * (iteration - warmup) / (total - warmup)))
        for group in self.optimizer.param_groups:
            group["lr"] = lr

    def train(self):
        for epoch in range(self.cfg.max_epoch):
            self.train_one_epoch(epoch)
            if epoch % 3 == 0:
                print(f"epoch: {epoch + 1}/{self.cfg.max_epoch}, AP50: {self.evaluate():.4f}", flush=True)

    def train_one_epoch(self, epoch):
        self.model.train()
        for iteration, (images, targets, _) in enumerate(self.train_loader):
            loss_iou, loss_cls = get_losses(self.cfg, self.model(self.preprocess(images)), targets)
            self.optimizer.zero_grad()
            (loss_iou + loss_cls).backward()
            self.update_lr(epoch * len(self.train_loader) + iteration)
            self.optimizer.step()
            self.ema_model.update(self.model)
        print(f"epoch: {epoch + 1}, iou_loss: {loss_iou:.3f}, cls_loss: {loss_cls:.3f}")

    @torch.no_grad()
    def evaluate(self):
        results = []
        for images, _, ids in DataLoader(self.val_set, 20, collate_fn=collate_fn):
            logits, boxes, _ = self.ema_model.ema(self.preprocess(images))
            for image_id, box, (score, label) in zip(
                ids, boxes, zip(*logits.sigmoid().max(-1), strict=True), strict=True
            ):
                for i in batched_nms(box, score, label, 0.5)[:20].tolist():
                    x1, y1, x2, y2 = box[i].tolist()
                    result = {"image_id": image_id, "category_id": self.val_set.label2cat[label[i].item()]}
                    results.append({**result, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": score[i].item()})
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(self.root / "val.json")
            coco_eval = COCOeval(coco, coco.loadRes(results), "bbox")
            coco_eval.evaluate()
            coco_eval.accumulate()
            coco_eval.summarize()
        return coco_eval.stats[1]


torch.manual_seed(0)
with tempfile.TemporaryDirectory() as folder:
    write_coco(Path(folder), "train", 400, 0)
    write_coco(Path(folder), "val", 80, 1)
    Trainer(Config(), Path(folder)).train()
