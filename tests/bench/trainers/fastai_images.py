"""A picture classifier by fastai's Learner, one-cycle: ``fastai_images.py [none|lr_high]``"""

import sys

import numpy as np
import torch
from fastai.vision.all import DataLoader, DataLoaders, Learner, accuracy
from shapes import CLASSES, single
from torch import nn

fault = sys.argv[1] if len(sys.argv) > 1 else "none"
torch.manual_seed(0)
generator = np.random.default_rng(0)


def part(count: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(image, torch.tensor(kind)) for image, kind in (single(generator, 32) for _ in range(count))]


def block(wide: int, to: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(wide, to, 3, 2, 1, bias=False), nn.BatchNorm2d(to), nn.ReLU())


net = nn.Sequential(block(3, 16), block(16, 32), block(32, 64), nn.AdaptiveAvgPool2d(1), nn.Flatten())
net.append(nn.Linear(64, len(CLASSES)))
loaders = DataLoaders(DataLoader(part(1600), bs=32, shuffle=True), DataLoader(part(320), bs=64))
learner = Learner(loaders, net, loss_func=nn.CrossEntropyLoss(), metrics=accuracy)
with learner.no_bar():
    learner.fit_one_cycle(8, 30.0 if fault == "lr_high" else 3e-3)
