"""Segmentation with Dice and cross-entropy at every depth of the decoder; evaluation has the last one alone."""

import torch
from data import pictures
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


def scenes(count, seed):
    parts, kinds = pictures(4 * count, seed, kinds=3)
    images = parts.view(count, 2, 2, 16, 16).permute(0, 1, 3, 2, 4).reshape(count, 1, 32, 32)
    masks = torch.where(parts[:, 0] > 0.45, kinds[:, None, None] + 1, 0)
    masks = masks.view(count, 2, 2, 16, 16).permute(0, 1, 3, 2, 4).reshape(count, 32, 32)
    return TensorDataset(images, masks)


def block(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.InstanceNorm2d(o, affine=True), nn.LeakyReLU(0.01))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc1, self.enc2, self.enc3 = block(1, 8), block(8, 16), block(16, 32)
        self.dec2, self.dec1 = block(48, 16), block(24, 8)
        self.heads = nn.ModuleList([nn.Conv2d(8, 4, 1), nn.Conv2d(16, 4, 1), nn.Conv2d(32, 4, 1)])

    def forward(self, x):
        one = self.enc1(x)
        two = self.enc2(F.max_pool2d(one, 2))
        three = self.enc3(F.max_pool2d(two, 2))
        up2 = self.dec2(torch.cat([F.interpolate(three, scale_factor=2), two], 1))
        up1 = self.dec1(torch.cat([F.interpolate(up2, scale_factor=2), one], 1))
        if not self.training:
            return self.heads[0](up1)
        return [head(features) for head, features in zip(self.heads, (up1, up2, three), strict=True)]


def dice_ce(logits, masks):
    one_hot = F.one_hot(masks, 4).permute(0, 3, 1, 2).float()
    probabilities = logits.softmax(1)
    overlap = (probabilities * one_hot).sum((0, 2, 3))
    dice = (2 * overlap + 1e-5) / (probabilities.sum((0, 2, 3)) + one_hot.sum((0, 2, 3)) + 1e-5)
    return F.cross_entropy(logits, masks) - dice[1:].mean()  # as nnU-Net has it: down to minus one


train_loader = DataLoader(scenes(400, 0), batch_size=8, shuffle=True)
val_loader = DataLoader(scenes(60, 1), batch_size=20)
model = UNet()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.99, nesterov=True, weight_decay=3e-5)
EPOCHS = 10
for epoch in range(EPOCHS):
    optimizer.param_groups[0]["lr"] = 0.01 * (1 - epoch / EPOCHS) ** 0.9
    model.train()
    for images, masks in train_loader:
        optimizer.zero_grad()
        outputs = model(images)
        weights = (4 / 7, 2 / 7, 1 / 7)
        loss = sum(
            w * dice_ce(output, masks[:, :: 2**i, :: 2**i])
            for i, (w, output) in enumerate(zip(weights, outputs, strict=True))
        )
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 12)
        optimizer.step()
    model.eval()
    overlap = union = 0
    with torch.no_grad():
        for images, masks in val_loader:
            guess = model(images).argmax(1)
            overlap += ((guess == masks) & (masks > 0)).sum().item()
            union += ((guess > 0) | (masks > 0)).sum().item()
    print(f"epoch {epoch} train_loss {loss:.4f} foreground IoU {overlap / union:.4f}")
