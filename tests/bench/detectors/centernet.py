"""Objects as points: a heatmap with a gaussian at each centre, the size and the offset read off where it peaks."""

import numpy as np
import torch
from data import KINDS, map50, scenes
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(0)
DOWN_RATIO = 4
SIZE = 64 // DOWN_RATIO


def draw_umich_gaussian(heatmap, center, radius):
    y, x = np.ogrid[:SIZE, :SIZE]
    gaussian = np.exp(-((x - center[0]) ** 2 + (y - center[1]) ** 2) / (2 * (radius / 3) ** 2))
    np.maximum(heatmap, gaussian, out=heatmap)


class CTDetDataset(Dataset):
    max_objs = 10
    cat_ids = {0: 0, 1: 1, 2: 2}  # noqa: RUF012

    def __init__(self, count, seed):
        self.samples = scenes(count, seed)

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        img, anns, cats = self.samples[index]
        inp = (img.astype(np.float32) / 255.0 - 0.45) / 0.25
        hm = np.zeros((len(KINDS), SIZE, SIZE), np.float32)
        wh, reg = np.zeros((self.max_objs, 2), np.float32), np.zeros((self.max_objs, 2), np.float32)
        ind, reg_mask = np.zeros(self.max_objs, np.int64), np.zeros(self.max_objs, np.float32)
        for k in range(min(len(anns), self.max_objs)):
            if cats[k] not in self.cat_ids:
                continue
            bbox = (anns[k] / DOWN_RATIO).clip(0, SIZE - 1)
            w, h = bbox[2] - bbox[0], bbox[3] - bbox[1]
            ct = np.array([(bbox[0] + bbox[2]) / 2, (bbox[1] + bbox[3]) / 2])
            ct_int = ct.astype(int)
            draw_umich_gaussian(hm[self.cat_ids[cats[k]]], ct_int, radius=max(1.5, 0.4 * min(w, h)))
            wh[k], reg[k] = (w, h), ct - ct_int
            ind[k], reg_mask[k] = ct_int[1] * SIZE + ct_int[0], 1
        return {"input": inp.transpose(2, 0, 1), "hm": hm, "reg_mask": reg_mask, "ind": ind, "wh": wh, "reg": reg}


def block(i, o, stride=1):
    return nn.Sequential(nn.Conv2d(i, o, 3, stride, 1), nn.BatchNorm2d(o), nn.ReLU())


class CenterNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(block(3, 16, 2), block(16, 32, 2))
        self.deep = nn.Sequential(block(32, 48, 2), block(48, 48))
        self.up = nn.Sequential(nn.ConvTranspose2d(48, 32, 4, 2, 1), nn.BatchNorm2d(32), nn.ReLU())
        heads = {"hm": len(KINDS), "wh": 2, "reg": 2}
        self.heads = nn.ModuleDict({k: nn.Sequential(block(32, 32), nn.Conv2d(32, o, 1)) for k, o in heads.items()})
        self.heads["hm"][-1].bias.data.fill_(-2.19)

    def forward(self, x):
        x = self.down(x)
        x = x + self.up(self.deep(x))
        return {name: head(x) for name, head in self.heads.items()}


def neg_loss(pred, gt):
    pos_inds, neg_weights = gt.eq(1).float(), (1 - gt) ** 4
    pos_loss = (torch.log(pred) * (1 - pred) ** 2 * pos_inds).sum()
    neg_loss = (torch.log(1 - pred) * pred**2 * neg_weights * (1 - pos_inds)).sum()
    return -(pos_loss + neg_loss) / pos_inds.sum().clamp(min=1)


def reg_l1_loss(output, mask, ind, target):
    pred = output.flatten(2).permute(0, 2, 1).gather(1, ind[..., None].expand(-1, -1, 2))
    return F.l1_loss(pred * mask[..., None], target * mask[..., None], reduction="sum") / (mask.sum() + 1e-4)


def ctdet_loss(output, batch, hm_weight=1, wh_weight=0.1, off_weight=1):
    hm = output["hm"].sigmoid().clamp(1e-4, 1 - 1e-4)
    hm_loss = neg_loss(hm, batch["hm"])
    wh_loss = reg_l1_loss(output["wh"], batch["reg_mask"], batch["ind"], batch["wh"])
    off_loss = reg_l1_loss(output["reg"], batch["reg_mask"], batch["ind"], batch["reg"])
    return hm_weight * hm_loss + wh_weight * wh_loss + off_weight * off_loss


def ctdet_decode(output, k=20):
    heat = output["hm"].sigmoid()
    heat = heat * (F.max_pool2d(heat, 3, 1, 1) == heat)
    scores, inds = heat.flatten(1).topk(k)
    classes, inds = inds // SIZE**2, inds % SIZE**2
    wh, reg = (output[name].flatten(2).gather(2, inds[:, None].expand(-1, 2, -1)).mT for name in ("wh", "reg"))
    centers = torch.stack([inds % SIZE, inds // SIZE], -1) + reg
    bboxes = torch.cat([centers - wh / 2, centers + wh / 2], -1) * DOWN_RATIO
    return list(zip(bboxes, scores, classes, strict=True))


val_dataset = CTDetDataset(100, 1)
gts = [(torch.from_numpy(boxes), torch.from_numpy(kinds)) for _, boxes, kinds in val_dataset.samples]
train_loader = DataLoader(CTDetDataset(400, 0), batch_size=16, shuffle=True, drop_last=True)
val_loader = DataLoader(val_dataset, batch_size=20)
model = CenterNet()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
lr_scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [6], 0.1)
for epoch in range(1, 9):
    model.train()
    for batch in train_loader:
        loss = ctdet_loss(model(batch["input"]), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    lr_scheduler.step()
    if epoch % 4 == 0:
        model.eval()
        with torch.no_grad():
            results = [result for batch in val_loader for result in ctdet_decode(model(batch["input"]))]
        print(f"ctdet epoch: {epoch} |loss {loss.item():.4f} |AP50 {map50(results, gts):.4f}", flush=True)
