"""A U-Net of segmentation-models-pytorch with its Dice loss: ``smp_masks.py [none|lr_high]``"""

import sys

import numpy as np
import segmentation_models_pytorch as smp
import torch
from shapes import mask
from torch.utils.data import DataLoader, TensorDataset

fault = sys.argv[1] if len(sys.argv) > 1 else "none"
torch.manual_seed(0)
generator = np.random.default_rng(0)
images, masks = map(torch.stack, zip(*(mask(generator, 64) for _ in range(240)), strict=True))
model = smp.Unet("resnet18", encoder_weights=None, in_channels=3, classes=1, decoder_channels=(64, 32, 16, 16, 8))
criterion = smp.losses.DiceLoss("binary")
optimizer = torch.optim.Adam(model.parameters(), lr=3.0 if fault == "lr_high" else 1e-3)
loader = DataLoader(TensorDataset(images[:192], masks[:192]), batch_size=8, shuffle=True)
for epoch in range(12):
    model.train()
    for batch, target in loader:
        optimizer.zero_grad()
        loss = criterion(model(batch), target)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        counts = smp.metrics.get_stats(model(images[192:]).sigmoid(), masks[192:].long(), mode="binary", threshold=0.5)
    print(epoch, float(loss), float(smp.metrics.iou_score(*counts, reduction="micro")), flush=True)
