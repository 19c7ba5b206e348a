"""DETR on small pictures: queries matched to the objects by the Hungarian method, L1 and GIoU and a no-object class."""

import numpy as np
import torch
from data import ap50, scene
from scipy.optimize import linear_sum_assignment
from torch import nn
from torch.utils.data import DataLoader
from torchvision.ops import box_convert, generalized_box_iou

torch.manual_seed(0)
SIDE, CLASSES, QUERIES, EPOCHS = 48, 3, 6, 11


def dataset(count, seed):
    generator = np.random.default_rng(seed)
    samples = []
    for _ in range(count):
        image, boxes, labels = scene(generator, SIDE, most=2, sizes=(12, 24))
        image = (torch.from_numpy(image).permute(2, 0, 1) / 255 - 0.2) / 0.2
        boxes = box_convert(torch.from_numpy(boxes), "xyxy", "cxcywh") / SIDE
        samples.append((image, {"boxes": boxes, "labels": torch.from_numpy(labels)}))
    return samples


def collate_fn(batch):
    images, targets = zip(*batch, strict=True)
    return torch.stack(images), targets


class DETR(nn.Module):
    def __init__(self, hidden_dim=64, nheads=4):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 64, 3, 2, 1), nn.BatchNorm2d(64), nn.ReLU(),
        )  # fmt: skip
        self.conv = nn.Conv2d(64, hidden_dim, 1)
        self.transformer = nn.Transformer(hidden_dim, nheads, 1, 2, 2 * hidden_dim, 0.0, batch_first=True)
        self.class_embed = nn.Linear(hidden_dim, CLASSES + 1)
        self.bbox_embed = nn.Sequential(nn.Linear(hidden_dim, 64), nn.ReLU(), nn.Linear(64, 4))
        self.query_pos = nn.Parameter(torch.rand(QUERIES, hidden_dim))
        self.row_embed = nn.Parameter(torch.rand(6, hidden_dim // 2))
        self.col_embed = nn.Parameter(torch.rand(6, hidden_dim // 2))

    def forward(self, x):
        features = self.conv(self.backbone(x)).flatten(2).transpose(1, 2)
        rows, cols = self.row_embed[:, None].expand(-1, 6, -1), self.col_embed[None].expand(6, -1, -1)
        pos = torch.cat([cols, rows], -1).flatten(0, 1)
        h = self.transformer(features + pos, self.query_pos.expand(len(x), -1, -1))
        return self.class_embed(h), self.bbox_embed(h).sigmoid()


def giou(a, b):
    return generalized_box_iou(box_convert(a, "cxcywh", "xyxy"), box_convert(b, "cxcywh", "xyxy"))


@torch.no_grad()
def matcher(logits, boxes, targets):
    pairs = []
    for out_logits, out_boxes, target in zip(logits, boxes, targets, strict=True):
        cost = -out_logits.softmax(-1)[:, target["labels"]]
        cost = cost + 5 * torch.cdist(out_boxes, target["boxes"], p=1) - 2 * giou(out_boxes, target["boxes"])
        pairs.append(tuple(torch.as_tensor(side) for side in linear_sum_assignment(cost)))
    return pairs


def criterion(logits, boxes, targets):
    pairs = matcher(logits, boxes, targets)
    batch = torch.cat([torch.full_like(query, i) for i, (query, _) in enumerate(pairs)])
    queries = torch.cat([query for query, _ in pairs])
    wanted = torch.cat([t["boxes"][place] for t, (_, place) in zip(targets, pairs, strict=True)])
    classes = torch.full(logits.shape[:2], CLASSES)
    classes[batch, queries] = torch.cat([t["labels"][place] for t, (_, place) in zip(targets, pairs, strict=True)])
    weight = torch.tensor([1.0] * CLASSES + [0.1])
    loss_ce = nn.functional.cross_entropy(logits.transpose(1, 2), classes, weight)
    found = boxes[batch, queries]
    loss_bbox = nn.functional.l1_loss(found, wanted, reduction="sum") / len(wanted)
    loss_giou = (1 - giou(found, wanted).diagonal()).mean()
    return loss_ce + 5 * loss_bbox + 2 * loss_giou


train_set, test_set = dataset(640, 0), dataset(100, 1)
data_loader = DataLoader(train_set, batch_size=16, shuffle=True, collate_fn=collate_fn)
test_loader = DataLoader(test_set, batch_size=50, collate_fn=collate_fn)
model = DETR()
backbone = [p for n, p in model.named_parameters() if "backbone" in n]
rest = [p for n, p in model.named_parameters() if "backbone" not in n]
optimizer = torch.optim.AdamW([{"params": rest}, {"params": backbone, "lr": 5e-4}], lr=1e-3, weight_decay=1e-4)
lr_scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 9)
for epoch in range(EPOCHS):
    model.train()
    for images, targets in data_loader:
        loss = criterion(*model(images), targets)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    lr_scheduler.step()
    print(f"epoch {epoch} loss {loss.item():.3f}")
    if epoch % 3 == 1:
        model.eval()
        found, truth = [], []
        with torch.no_grad():
            for images, targets in test_loader:
                logits, boxes = model(images)
                scores, labels = logits.softmax(-1)[..., :-1].max(-1)
                found += zip(box_convert(boxes, "cxcywh", "xyxy"), scores, labels, strict=True)
                truth += [(box_convert(t["boxes"], "cxcywh", "xyxy"), t["labels"]) for t in targets]
        print(f"AP50: {ap50(found, truth):.3f}")
