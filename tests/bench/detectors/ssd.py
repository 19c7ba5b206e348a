"""An SSD with its own prior boxes: offsets encoded with variances, three hard negatives to each positive."""

import argparse

import numpy as np
import torch
from data import KINDS, map50, scenes
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision.ops import batched_nms, box_convert, box_iou

parser = argparse.ArgumentParser(description="Single Shot MultiBox Detector Training")
parser.add_argument("--batch_size", default=16, type=int)
parser.add_argument("--max_iter", default=250, type=int)
parser.add_argument("--lr", default=1e-2, type=float)
parser.add_argument("--weight_decay", default=5e-4, type=float)
args = parser.parse_args([])
torch.manual_seed(0)
VARIANCES = torch.tensor([0.1, 0.1, 0.2, 0.2])


def prior_boxes():
    mean = []
    for f, scale in ((8, 0.28), (4, 0.42)):
        for i in range(f):
            for j in range(f):
                cx, cy = (j + 0.5) / f, (i + 0.5) / f
                mean += [(cx, cy, scale * r, scale / r) for r in (1, 1.3, 1 / 1.3)]
    return torch.tensor(mean)


PRIORS = prior_boxes()


class ShapesDetection(Dataset):
    def __init__(self, count, seed):
        self.ids = scenes(count, seed)

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, index):
        img, boxes, labels = self.ids[index]
        height, width = img.shape[:2]
        xmin, ymin, xmax, ymax = boxes.T
        target = np.stack([xmin / width, ymin / height, xmax / width, ymax / height, labels], 1)
        img = (img.astype(np.float32) - (104, 117, 123)) / 64
        return torch.from_numpy(img).permute(2, 0, 1).float(), torch.from_numpy(target).float()


def detection_collate(batch):
    return torch.stack([sample[0] for sample in batch]), [sample[1] for sample in batch]


def match(threshold, truths, labels):
    overlaps = box_iou(truths, box_convert(PRIORS, "cxcywh", "xyxy"))
    best_truth_overlap, best_truth_idx = overlaps.max(0)
    best_prior_idx = overlaps.argmax(1)
    best_truth_overlap[best_prior_idx] = 2
    best_truth_idx[best_prior_idx] = torch.arange(len(truths))
    conf = labels[best_truth_idx] + 1
    conf[best_truth_overlap < threshold] = 0
    matched = box_convert(truths[best_truth_idx], "xyxy", "cxcywh")
    g_cxcy, g_wh = (matched[:, :2] - PRIORS[:, :2]) / PRIORS[:, 2:], (matched[:, 2:] / PRIORS[:, 2:]).log()
    return torch.cat([g_cxcy, g_wh], 1) / VARIANCES, conf


class MultiBoxLoss(nn.Module):
    def __init__(self, overlap_thresh=0.5, negpos_ratio=3):
        super().__init__()
        self.threshold, self.negpos_ratio = overlap_thresh, negpos_ratio

    def forward(self, predictions, targets):
        loc_data, conf_data = predictions
        matches = [match(self.threshold, target[:, :4], target[:, 4].long()) for target in targets]
        loc_t, conf_t = (torch.stack(part) for part in zip(*matches, strict=True))
        pos = conf_t > 0
        loss_l = F.smooth_l1_loss(loc_data[pos], loc_t[pos], reduction="sum")
        loss_c = F.cross_entropy(conf_data.transpose(1, 2), conf_t, reduction="none")
        rank = loss_c.detach().masked_fill(pos, 0).argsort(1, descending=True).argsort(1)
        neg = rank < self.negpos_ratio * pos.sum(1, keepdim=True)
        n = pos.sum()
        return loss_l / n, loss_c[pos | neg].sum() / n


class SSD(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.vgg = nn.Sequential(*(layer for i, o in ((3, 16), (16, 32), (32, 64)) for layer in self.stage(i, o)))
        self.extras = nn.Sequential(*self.stage(64, 64))
        self.loc = nn.ModuleList([nn.Conv2d(64, 12, 3, padding=1) for _ in range(2)])
        self.conf = nn.ModuleList([nn.Conv2d(64, 3 * num_classes, 3, padding=1) for _ in range(2)])
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.xavier_uniform_(m.weight)

    @staticmethod
    def stage(i, o):
        return nn.Conv2d(i, o, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)

    def forward(self, x):
        sources = [self.vgg(x)]
        sources.append(self.extras(sources[0]))
        loc = [head(s).permute(0, 2, 3, 1).flatten(1) for s, head in zip(sources, self.loc, strict=True)]
        conf = [head(s).permute(0, 2, 3, 1).flatten(1) for s, head in zip(sources, self.conf, strict=True)]
        return torch.cat(loc, 1).unflatten(1, (-1, 4)), torch.cat(conf, 1).unflatten(1, (len(PRIORS), -1))


def detect(loc, conf):
    loc = loc * VARIANCES
    xy, wh = PRIORS[:, :2] + loc[:, :2] * PRIORS[:, 2:], PRIORS[:, 2:] * loc[:, 2:].exp()
    boxes = box_convert(torch.cat([xy, wh], 1), "cxcywh", "xyxy") * 64
    scores, labels = conf.softmax(1)[:, 1:].max(1)
    keep = batched_nms(boxes, scores, labels, 0.45)[:20]
    return boxes[keep], scores[keep], labels[keep]


train_set, test_set = ShapesDetection(400, 0), ShapesDetection(100, 1)
truth = [(torch.from_numpy(boxes), torch.from_numpy(labels)) for _, boxes, labels in test_set.ids]
data_loader = DataLoader(train_set, args.batch_size, shuffle=True, collate_fn=detection_collate)
net = SSD(len(KINDS) + 1)
optimizer = torch.optim.SGD(net.parameters(), lr=args.lr, momentum=0.9, weight_decay=args.weight_decay)
criterion = MultiBoxLoss()
batch_iterator = iter(data_loader)
for iteration in range(1, args.max_iter + 1):
    if iteration % len(data_loader) == 0:
        batch_iterator = iter(data_loader)
    images, targets = next(batch_iterator)
    optimizer.param_groups[0]["lr"] = args.lr * min(1, iteration / 40) * (0.1 if iteration > 200 else 1)
    out = net(images)
    optimizer.zero_grad()
    loss_l, loss_c = criterion(out, targets)
    loss = loss_l + loss_c
    loss.backward()
    optimizer.step()
    if iteration % 125 == 0:
        with torch.no_grad():
            out = net(torch.stack([test_set[i][0] for i in range(100)]))
        found = [detect(*one) for one in zip(*out, strict=True)]
        print(f"iter {iteration} || Loss: {loss.item():.4f} || Mean AP = {map50(found, truth):.4f}", flush=True)
