"""A U-Net with cross-entropy and Dice: bfloat16 where it can be, gradients gathered over two small batches."""

import numpy as np
import torch
from data import draw
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(0)
SIDE, CLASSES, IGNORE = 48, 4, 255


class Scenes(Dataset):
    """Shapes of three kinds on a ground, 0; the rim of each is not labelled."""

    def __init__(self, count, seed):
        generator = np.random.default_rng(seed)
        self.samples = [self.sample(generator) for _ in range(count)]

    def sample(self, generator):
        picture = generator.integers(0, 100, 3) + generator.normal(0, 15, (SIDE, SIDE, 3))
        mask = np.zeros((SIDE, SIDE), np.uint8)
        for _ in range(generator.integers(1, 4)):
            w, h = generator.integers(12, 24, 2).tolist()
            x, y = int(generator.integers(0, SIDE - w)), int(generator.integers(0, SIDE - h))
            kind = int(generator.integers(3))
            draw(picture, kind, (x, y, x + w, y + h), generator.integers(120, 255, 3).tolist())
            draw(mask, kind, (x, y, x + w, y + h), IGNORE)
            draw(mask, kind, (x + 1, y + 1, x + w - 1, y + h - 1), kind + 1)
        return picture.clip(0, 255).astype(np.uint8), mask

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        image, mask = self.samples[index]
        image = torch.from_numpy(image.transpose(2, 0, 1).copy()).float().div(255).sub(0.35).div(0.25)
        return image, torch.from_numpy(mask).long()


class DoubleConv(nn.Sequential):
    def __init__(self, inputs, outputs):
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True),
        )  # fmt: skip


class UNet(nn.Module):
    def __init__(self, width=12):
        super().__init__()
        self.inc, self.down1 = DoubleConv(3, width), DoubleConv(width, 2 * width)
        self.down2 = DoubleConv(2 * width, 4 * width)
        self.up1, self.conv1 = nn.ConvTranspose2d(4 * width, 2 * width, 2, 2), DoubleConv(4 * width, 2 * width)
        self.up2, self.conv2 = nn.ConvTranspose2d(2 * width, width, 2, 2), DoubleConv(2 * width, width)
        self.outc = nn.Conv2d(width, CLASSES, 1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(F.max_pool2d(x1, 2))
        x3 = self.down2(F.max_pool2d(x2, 2))
        x = self.conv1(torch.cat([x2, self.up1(x3)], 1))
        return self.outc(self.conv2(torch.cat([x1, self.up2(x)], 1)))


def dice_loss(logits, masks):
    known = (masks != IGNORE).unsqueeze(1)
    probs = logits.softmax(1) * known
    wanted = F.one_hot(masks.masked_fill(masks == IGNORE, 0), CLASSES).permute(0, 3, 1, 2) * known
    common, sizes = (probs * wanted).sum((0, 2, 3)), (probs + wanted).sum((0, 2, 3))
    return 1 - ((2 * common + 1) / (sizes + 1)).mean()


def evaluate(net, loader):
    net.eval()
    common, either = torch.zeros(CLASSES), torch.zeros(CLASSES)
    with torch.no_grad():
        for images, masks in loader:
            predicted = net(images).argmax(1)
            for k in range(CLASSES):
                a, b = (predicted == k) & (masks != IGNORE), masks == k
                common[k], either[k] = common[k] + (a & b).sum(), either[k] + (a | b).sum()
    return (common / either.clamp(min=1)).mean().item()


train_loader = DataLoader(Scenes(300, 0), batch_size=4, shuffle=True)
val_loader = DataLoader(Scenes(60, 1), batch_size=20)
net = UNet()
criterion = nn.CrossEntropyLoss(ignore_index=IGNORE)
optimizer = torch.optim.RMSprop(net.parameters(), lr=1e-3, momentum=0.9)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max", factor=0.1, patience=1)
accumulate = 2
for epoch in range(7):
    net.train()
    for step, (images, masks) in enumerate(train_loader):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = net(images)
        logits = logits.float()
        loss = criterion(logits, masks) + dice_loss(logits, masks)
        (loss / accumulate).backward()
        if step % accumulate == accumulate - 1:
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
    score = evaluate(net, val_loader)
    scheduler.step(score)
    print(f"epoch {epoch} loss {loss.item():.3f} mIoU {score:.3f}")
