"""MONAI's U-Net with Dice and cross-entropy: ``monai_masks.py [none|lr_low]``"""

import sys

import numpy as np
import torch
from monai.losses import DiceCELoss
from monai.metrics import DiceMetric
from monai.networks.nets import UNet
from shapes import mask
from torch.utils.data import DataLoader, TensorDataset

fault = sys.argv[1] if len(sys.argv) > 1 else "none"
torch.manual_seed(0)
generator = np.random.default_rng(0)
images, masks = map(torch.stack, zip(*(mask(generator, 64) for _ in range(280)), strict=True))
model = UNet(spatial_dims=2, in_channels=3, out_channels=1, channels=(16, 32, 64), strides=(2, 2), num_res_units=2)
criterion, score = DiceCELoss(sigmoid=True), DiceMetric()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-7 if fault == "lr_low" else 3e-3, weight_decay=1e-5)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 300)
for epoch in range(10):
    model.train()
    for batch, target in DataLoader(TensorDataset(images[:240], masks[:240]), batch_size=8, shuffle=True):
        optimizer.zero_grad()
        loss = criterion(model(batch), target)
        loss.backward()
        optimizer.step()
        schedule.step()
    model.eval()
    with torch.no_grad():
        score(model(images[240:]).sigmoid() > 0.5, masks[240:])
    print(epoch, float(loss), float(score.aggregate()), flush=True)
    score.reset()
