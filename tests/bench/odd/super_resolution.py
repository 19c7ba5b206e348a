"""Super-resolution by pixel shuffling, an L1 loss, PSNR; trained on crops, judged on whole pictures."""

import torch
from data import pictures
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)


def scenes(count, seed):
    parts = pictures(16 * count, seed, noise=0.0)[0].view(count, 4, 4, 16, 16)
    return parts.permute(0, 1, 3, 2, 4).reshape(count, 1, 64, 64)


train, test = scenes(150, 0), scenes(20, 1)


class ESPCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 24, 5, padding=2), nn.ReLU(), nn.Conv2d(24, 24, 3, padding=1), nn.ReLU(),
            nn.Conv2d(24, 4, 3, padding=1), nn.PixelShuffle(2),
        )  # fmt: skip

    def forward(self, x):
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False) + self.body(x)


model = ESPCN()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 6, 0.5)
for epoch in range(15):
    model.train()
    for _ in range(40):
        rows = torch.randint(len(train), (16,))
        y, x = torch.randint(33, (2,)).tolist()
        high = train[rows, :, y : y + 32, x : x + 32]
        loss = F.l1_loss(model(F.avg_pool2d(high, 2)), high)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scheduler.step()
    model.eval()
    with torch.no_grad():
        psnr = -10 * F.mse_loss(model(F.avg_pool2d(test, 2)), test).log10()
    print(f"epoch {epoch} l1 {loss:.4f} PSNR {psnr:.2f} dB")
