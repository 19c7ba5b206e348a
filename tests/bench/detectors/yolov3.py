"""A YOLOv3 as its repositories have it: three anchors a cell, targets built by hand, squares and cross-entropies."""

import torch
from data import KINDS, map50, scenes
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.ops import batched_nms, box_convert

torch.manual_seed(0)
IMG_SIZE, STRIDE = 64, 8
ANCHORS = torch.tensor([(16.0, 16.0), (27.0, 17.0), (20.0, 27.0)])


class ListDataset(Dataset):
    def __init__(self, count, seed, augment=False):
        self.files = scenes(count, seed, width=IMG_SIZE, height=IMG_SIZE)
        self.augment = augment

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        image, boxes, labels = self.files[index]
        img = torch.from_numpy(image).permute(2, 0, 1).float() / 255
        x1, y1, x2, y2 = torch.from_numpy(boxes).T
        targets = torch.zeros(len(boxes), 6)
        targets[:, 1] = torch.from_numpy(labels)
        targets[:, 2] = (x1 + x2) / 2 / IMG_SIZE
        targets[:, 3] = (y1 + y2) / 2 / IMG_SIZE
        targets[:, 4] = (x2 - x1) / IMG_SIZE
        targets[:, 5] = (y2 - y1) / IMG_SIZE
        if self.augment and torch.rand(1) < 0.5:
            img = img.flip(-1)
            targets[:, 2] = 1 - targets[:, 2]
        return img, targets


def collate_fn(batch):
    imgs, targets = zip(*batch, strict=True)
    for i, boxes in enumerate(targets):
        boxes[:, 0] = i
    return torch.stack(imgs), torch.cat(targets)


def conv(filters_in, filters, stride=1):
    layers = [nn.Conv2d(filters_in, filters, 3, stride, 1, bias=False), nn.BatchNorm2d(filters), nn.LeakyReLU(0.1)]
    return nn.Sequential(*layers)


class Darknet(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(conv(3, 16, 2), conv(16, 32, 2), conv(32, 64, 2), conv(64, 64), conv(64, 64))
        self.yolo = nn.Conv2d(64, 3 * (5 + len(KINDS)), 1)

    def forward(self, x):
        return self.yolo(self.body(x)).unflatten(1, (3, -1)).permute(0, 1, 3, 4, 2)


def bbox_wh_iou(wh1, wh2):
    inter = torch.min(wh1[0], wh2[:, 0]) * torch.min(wh1[1], wh2[:, 1])
    return inter / (wh1.prod() + wh2.prod(1) - inter)


def build_targets(prediction, target, anchors, ignore_thres=0.5):
    nb, na, ng = prediction.shape[:3]
    obj_mask = torch.zeros(nb, na, ng, ng, dtype=torch.bool)
    noobj_mask = ~obj_mask
    txywh, tcls = torch.zeros(nb, na, ng, ng, 4), torch.zeros(nb, na, ng, ng, len(KINDS))
    b, target_labels = target[:, :2].long().T
    gxy, gwh = target[:, 2:4] * ng, target[:, 4:6] * ng
    ious = torch.stack([bbox_wh_iou(anchor, gwh) for anchor in anchors])
    best_n = ious.argmax(0)
    gi, gj = gxy.long().clamp(0, ng - 1).T
    obj_mask[b, best_n, gj, gi] = True
    noobj_mask[b, best_n, gj, gi] = False
    for i, anchor_ious in enumerate(ious.T):
        noobj_mask[b[i], anchor_ious > ignore_thres, gj[i], gi[i]] = False
    txywh[b, best_n, gj, gi] = torch.cat([gxy - gxy.floor(), (gwh / anchors[best_n]).log()], 1)
    tcls[b, best_n, gj, gi, target_labels] = 1
    return obj_mask, noobj_mask, txywh, tcls


def yolo_loss(prediction, target):
    obj_mask, noobj_mask, txywh, tcls = build_targets(prediction, target, ANCHORS / STRIDE)
    loss_xy = nn.functional.mse_loss(prediction[..., :2].sigmoid()[obj_mask], txywh[..., :2][obj_mask])
    loss_wh = nn.functional.mse_loss(prediction[..., 2:4][obj_mask], txywh[..., 2:][obj_mask])
    bce = nn.functional.binary_cross_entropy_with_logits
    conf = prediction[..., 4]
    loss_conf = bce(conf[obj_mask], torch.ones_like(conf[obj_mask]))
    loss_noobj = bce(conf[noobj_mask], torch.zeros_like(conf[noobj_mask]))
    loss_cls = bce(prediction[..., 5:][obj_mask], tcls[obj_mask])
    return 2 * (loss_xy + loss_wh) + loss_conf + 100 * loss_noobj + loss_cls


def detect(prediction):
    grid = torch.stack(torch.meshgrid(torch.arange(8), torch.arange(8), indexing="xy"), -1)
    xy = (prediction[..., :2].sigmoid() + grid) * STRIDE
    wh = prediction[..., 2:4].clamp(max=4).exp() * ANCHORS[:, None, None]
    boxes = box_convert(torch.cat([xy, wh], -1), "cxcywh", "xyxy").flatten(1, 3)
    confidence, labels = prediction[..., 5:].sigmoid().flatten(1, 3).max(-1)
    confidence = confidence * prediction[..., 4].sigmoid().flatten(1)
    for box, score, label in zip(boxes, confidence, labels, strict=True):
        keep = batched_nms(box, score, label, 0.4)[:20]
        yield box[keep], score[keep], label[keep]


train_dataset, valid_dataset = ListDataset(400, 0, augment=True), ListDataset(100, 1)
dataloader = DataLoader(train_dataset, batch_size=16, shuffle=True, collate_fn=collate_fn)
valid_dataloader = DataLoader(valid_dataset, batch_size=20, collate_fn=collate_fn)
model = Darknet()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(12):
    model.train()
    for imgs, targets in dataloader:
        loss = yolo_loss(model(imgs), targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    if epoch % 4 < 3:
        continue
    model.eval()
    with torch.no_grad():
        outputs = [found for imgs, _ in valid_dataloader for found in detect(model(imgs))]
    annotations = [(torch.from_numpy(boxes), torch.from_numpy(labels)) for _, boxes, labels in valid_dataset.files]
    print(f"---- [Epoch {epoch}] total loss {loss.item():.4f} ---- mAP {map50(outputs, annotations):.4f}", flush=True)
