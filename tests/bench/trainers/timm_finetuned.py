"""A ResNet of timm whose head alone is trained first, then all of it: ``timm_finetuned.py [none|wrong_rate]``"""

import sys

import numpy as np
import timm
import torch
from shapes import CLASSES, single
from timm.loss import LabelSmoothingCrossEntropy
from timm.optim import create_optimizer_v2
from timm.scheduler import CosineLRScheduler
from timm.utils import ModelEmaV2
from torch.utils.data import DataLoader, TensorDataset

fault = sys.argv[1] if len(sys.argv) > 1 else "none"
torch.manual_seed(0)
generator = np.random.default_rng(0)
images, labels = map(list, zip(*(single(generator, 48) for _ in range(1000)), strict=True))
pixels, kinds = torch.stack(images), torch.tensor(labels)
model = timm.create_model("resnet10t", pretrained=False, num_classes=len(CLASSES))
average = ModelEmaV2(model, decay=0.99)
rate = 3.0 if fault == "wrong_rate" else 2e-3
optimizer = create_optimizer_v2(model, "adamw", lr=rate, weight_decay=0.05)
scheduler = CosineLRScheduler(optimizer, t_initial=12, warmup_t=2, warmup_lr_init=rate / 100)
criterion = LabelSmoothingCrossEntropy(0.1)
for epoch in range(12):
    model.train()
    for batch, kind in DataLoader(TensorDataset(pixels[:800], kinds[:800]), batch_size=32, shuffle=True):
        optimizer.zero_grad()
        criterion(model(batch), kind).backward()
        optimizer.step()
        average.update(model)
    scheduler.step(epoch + 1)
    with torch.no_grad():
        print(epoch, float((average.module.eval()(pixels[800:]).argmax(1) == kinds[800:]).float().mean()), flush=True)
