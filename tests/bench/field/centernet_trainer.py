"""CenterNet under a small Trainer of one's own: a heatmap of centres by focal loss, sizes and offsets by L1."""

import numpy as np
import torch
from data import CLASSES, ap50, scene
from torch import nn
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(0)
SIDE, STRIDE = 64, 4
GRID = SIDE // STRIDE
MEAN, STD = 0.2, 0.2


class Heatmaps(Dataset):
    def __init__(self, count, seed, flip=False):
        generator = np.random.default_rng(seed)
        self.scenes = [scene(generator, SIDE) for _ in range(count)]
        self.flip = flip

    def __len__(self):
        return len(self.scenes)

    def __getitem__(self, i):
        image, boxes, labels = self.scenes[i]
        boxes = boxes.copy()
        if self.flip and torch.rand(()) < 0.5:
            image = image[:, ::-1].copy()
            boxes[:, [0, 2]] = SIDE - boxes[:, [2, 0]]
        heat, size, offset = np.zeros((3, GRID, GRID)), np.zeros((2, GRID, GRID)), np.zeros((2, GRID, GRID))
        mask = np.zeros((1, GRID, GRID))
        ys, xs = np.mgrid[:GRID, :GRID]
        for (x1, y1, x2, y2), label in zip(boxes / STRIDE, labels, strict=True):
            cx, cy = (x1 + x2) / 2, (y1 + y2) / 2
            ix, iy = int(cx), int(cy)
            gaussian = np.exp(-((xs - ix) ** 2 + (ys - iy) ** 2) / (2 * (max(x2 - x1, y2 - y1) / 6) ** 2))
            heat[label] = np.maximum(heat[label], gaussian)
            size[:, iy, ix] = x2 - x1, y2 - y1
            offset[:, iy, ix] = cx - ix, cy - iy
            mask[0, iy, ix] = 1
        image = (image.transpose(2, 0, 1) / 255 - MEAN) / STD
        return tuple(torch.tensor(part, dtype=torch.float) for part in (image, heat, size, offset, mask))


def block(inputs, outputs, stride=1):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.BatchNorm2d(outputs), nn.ReLU())


class CenterNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(block(3, 16, 2), block(16, 32, 2))
        self.down, self.up = nn.Sequential(block(32, 64, 2), block(64, 64)), nn.ConvTranspose2d(64, 32, 2, 2)
        self.neck = block(32, 48)
        self.heat, self.size, self.offset = nn.Conv2d(48, len(CLASSES), 1), nn.Conv2d(48, 2, 1), nn.Conv2d(48, 2, 1)
        nn.init.constant_(self.heat.bias, -2.19)

    def forward(self, x):
        x = self.stem(x)
        x = self.neck(x + self.up(self.down(x)))
        return self.heat(x).sigmoid(), self.size(x), self.offset(x)

    def training_step(self, batch):
        image, heat, size, offset, mask = batch
        found_heat, found_size, found_offset = self(image)
        found_heat = found_heat.clamp(1e-4, 1 - 1e-4)
        hit = heat.eq(1).float()
        positive = (found_heat.log() * (1 - found_heat) ** 2 * hit).sum()
        negative = ((1 - found_heat).log() * found_heat**2 * (1 - heat) ** 4 * (1 - hit)).sum()
        heat_loss = -(positive + negative) / hit.sum()
        size_loss = ((found_size - size).abs() * mask).sum() / mask.sum()
        offset_loss = ((found_offset - offset).abs() * mask).sum() / mask.sum()
        return heat_loss + 0.1 * size_loss + offset_loss

    def predict(self, image, k=8):
        heat, size, offset = self(image)
        heat = heat * (nn.functional.max_pool2d(heat, 3, 1, 1) == heat)
        scores, places = heat.flatten(1).topk(k)
        labels, cells = places // GRID**2, places % GRID**2
        index = cells[:, None].expand(-1, 2, -1)
        half = size.flatten(2).gather(2, index) / 2
        centre = offset.flatten(2).gather(2, index) + torch.stack([cells % GRID, cells // GRID], 1)
        boxes = STRIDE * torch.cat([centre - half, centre + half], 1).transpose(1, 2)
        return list(zip(boxes, scores, labels, strict=True))

    def validation_step(self, batch):
        return self.predict(batch[0])

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=2e-3, weight_decay=1e-4)
        return optimizer, torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.6)


class Trainer:
    def __init__(self, max_epochs, check_val_every_n_epoch=1):
        self.max_epochs, self.every = max_epochs, check_val_every_n_epoch

    def fit(self, model, train_dataloader, val_dataloader):
        optimizer, scheduler = model.configure_optimizers()
        for epoch in range(self.max_epochs):
            model.train()
            for batch in train_dataloader:
                loss = model.training_step(batch)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            scheduler.step()
            print(f"epoch {epoch} train_loss {loss.item():.3f}")
            if epoch % self.every == self.every - 1:
                self.validate(model, val_dataloader)

    def validate(self, model, dataloader):
        model.eval()
        with torch.no_grad():
            found = [result for batch in dataloader for result in model.validation_step(batch)]
        truth = [(torch.from_numpy(boxes), torch.from_numpy(labels)) for _, boxes, labels in dataloader.dataset.scenes]
        print(f"val_map {ap50(found, truth):.3f}")


train = DataLoader(Heatmaps(500, 0, flip=True), batch_size=16, shuffle=True)
Trainer(max_epochs=5).fit(CenterNet(), train, DataLoader(Heatmaps(100, 1), batch_size=25))
