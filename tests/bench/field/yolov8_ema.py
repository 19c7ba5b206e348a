"""An anchor-free YOLO of two strides: no objectness, a task-aligned assigner, CIoU, and an average of the weights."""

import copy
import math

import numpy as np
import torch
from data import ap50, scene
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.ops import batched_nms, box_iou, complete_box_iou_loss

torch.manual_seed(0)
SIDE, NC, EPOCHS, STRIDES = 64, 3, 5, (8, 16)


class Shapes(Dataset):
    def __init__(self, n, seed, augment):
        rng = np.random.default_rng(seed)
        self.scenes, self.augment = [scene(rng, SIDE) for _ in range(n)], augment

    def __len__(self):
        return len(self.scenes)

    def __getitem__(self, i):
        img, boxes, cls = self.scenes[i]
        if self.augment and torch.rand(()) < 0.5:
            img = img[::-1].copy()
            boxes = np.stack([boxes[:, 0], SIDE - boxes[:, 3], boxes[:, 2], SIDE - boxes[:, 1]], 1)
        return torch.from_numpy(img).permute(2, 0, 1), torch.from_numpy(boxes), torch.from_numpy(cls)


def collate_fn(batch):
    imgs, boxes, cls = zip(*batch, strict=True)
    return torch.stack(imgs), boxes, cls


class Conv(nn.Sequential):
    def __init__(self, c1, c2, k=3, s=1):
        super().__init__(nn.Conv2d(c1, c2, k, s, k // 2, bias=False), nn.BatchNorm2d(c2), nn.SiLU())


class Detect(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.box = nn.ModuleList(nn.Sequential(Conv(c, 32), nn.Conv2d(32, 4, 1)) for c in channels)
        self.cls = nn.ModuleList(nn.Sequential(Conv(c, 32), nn.Conv2d(32, NC, 1)) for c in channels)
        for b, c in zip(self.box, self.cls, strict=True):
            b[-1].bias.data.fill_(0.5)
            c[-1].bias.data.fill_(-math.log(50))

    def forward(self, features):
        """(n, cells, 4) boxes in pixels, (n, cells, NC) logits."""
        boxes, logits = [], []
        for x, box, cls, (points, stride) in zip(features, self.box, self.cls, POINTS, strict=True):
            distances = nn.functional.softplus(box(x)).flatten(2).transpose(1, 2) * stride
            boxes.append(torch.cat([points - distances[..., :2], points + distances[..., 2:]], -1))
            logits.append(cls(x).flatten(2).transpose(1, 2))
        return torch.cat(boxes, 1), torch.cat(logits, 1)


def make_points(stride):
    y, x = torch.meshgrid(torch.arange(SIDE // stride), torch.arange(SIDE // stride), indexing="ij")
    return (torch.stack([x, y], -1).flatten(0, 1) + 0.5) * stride, stride


POINTS = [make_points(stride) for stride in STRIDES]
CENTRES = torch.cat([points for points, _ in POINTS])


class YOLO(nn.Module):
    def __init__(self):
        super().__init__()
        self.p3 = nn.Sequential(Conv(3, 16, s=2), Conv(16, 32, s=2), Conv(32, 48, s=2))
        self.p4, self.lateral, self.detect = Conv(48, 64, s=2), Conv(48 + 64, 48), Detect((48, 64))

    def forward(self, x):
        p3 = self.p3(x.float() / 255)
        p4 = self.p4(p3)
        p3 = self.lateral(torch.cat([p3, nn.functional.interpolate(p4, scale_factor=2)], 1))
        return self.detect((p3, p4))


@torch.no_grad()
def assign(boxes, scores, gt_boxes, gt_cls, topk=6):
    """Which cells answer, for which object, and how well: the best by score and overlap of those in its box."""
    overlap = box_iou(gt_boxes, boxes).clamp(min=0)
    inside = ((CENTRES[None] > gt_boxes[:, None, :2]) & (CENTRES[None] < gt_boxes[:, None, 2:])).all(-1)
    metric = scores[:, gt_cls].T ** 0.5 * overlap**2 * inside + 1e-9 * inside
    chosen = torch.zeros_like(inside).scatter(1, metric.topk(topk).indices, True) & inside
    metric = metric * chosen
    quality = metric / metric.amax(1, keepdim=True).clamp(min=1e-9) * overlap.mul(chosen).amax(1, keepdim=True)
    return chosen.any(0), (overlap * chosen + 1e-6 * chosen).argmax(0), quality.amax(0)


def compute_loss(boxes, logits, gt_boxes, gt_cls):
    targets, box_loss, total = torch.zeros_like(logits), 0.0, 0.0
    for i, (b, c) in enumerate(zip(gt_boxes, gt_cls, strict=True)):
        foreground, owner, quality = assign(boxes[i], logits[i].sigmoid(), b, c)
        owner = owner[foreground]
        targets[i, foreground, c[owner]] = quality[foreground]
        each = complete_box_iou_loss(boxes[i, foreground], b[owner])
        box_loss = box_loss + (each * quality[foreground]).sum()
        total = total + quality[foreground].sum()
    total = max(float(total), 1.0)
    cls_loss = nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="sum") / total
    return 7.5 * box_loss / total, 0.5 * cls_loss


class ModelEMA:
    def __init__(self, model, decay=0.98, tau=40):
        self.ema, self.updates = copy.deepcopy(model).eval(), 0
        self.decay = lambda x: decay * (1 - math.exp(-x / tau))

    @torch.no_grad()
    def update(self, model):
        self.updates += 1
        d = self.decay(self.updates)
        for v, new in zip(self.ema.state_dict().values(), model.state_dict().values(), strict=True):
            if v.dtype.is_floating_point:
                v.mul_(d).add_(new, alpha=1 - d)


@torch.no_grad()
def validate(model, loader):
    found, truth = [], []
    for imgs, gt_boxes, gt_cls in loader:
        for boxes, logits in zip(*model(imgs), strict=True):
            scores, cls = logits.sigmoid().max(-1)
            keep = batched_nms(boxes, scores, cls, 0.5)[:15]
            found.append((boxes[keep], scores[keep], cls[keep]))
        truth += zip(gt_boxes, gt_cls, strict=True)
    return ap50(found, truth)


train_loader = DataLoader(Shapes(400, 0, augment=True), batch_size=16, shuffle=True, collate_fn=collate_fn)
val_loader = DataLoader(Shapes(80, 1, augment=False), batch_size=20, collate_fn=collate_fn)
model = YOLO()
ema = ModelEMA(model)
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, nesterov=True, weight_decay=5e-4)
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda e: (1 - e / EPOCHS) * 0.99 + 0.01)
nb, nw = len(train_loader), 50
for epoch in range(EPOCHS):
    model.train()
    for i, (imgs, gt_boxes, gt_cls) in enumerate(train_loader):
        ni = i + nb * epoch
        if ni <= nw:
            for group in optimizer.param_groups:
                group["lr"] = np.interp(ni, [0, nw], [0.0, 0.02])
        box_loss, cls_loss = compute_loss(*model(imgs), gt_boxes, gt_cls)
        loss = (box_loss + cls_loss) / 2
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), max_norm=10.0)
        optimizer.step()
        ema.update(model)
    scheduler.step()
    print(f"{epoch + 1}/{EPOCHS} box {box_loss.item():.3f} cls {cls_loss.item():.3f}")
    if epoch % 3 == 1:
        print(f"all mAP50 {validate(ema.ema, val_loader):.3f}")
