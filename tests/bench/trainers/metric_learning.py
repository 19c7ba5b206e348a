"""Embeddings by triplets that pytorch-metric-learning mines: ``metric_learning.py [none|shuffled]``"""

import sys

import numpy as np
import torch
from pytorch_metric_learning import losses, miners
from shapes import single
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

fault = sys.argv[1] if len(sys.argv) > 1 else "none"
torch.manual_seed(0)
generator = np.random.default_rng(0)
images, labels = map(list, zip(*(single(generator, 32) for _ in range(1200)), strict=True))
pixels, kinds = torch.stack(images), torch.tensor(labels)
if fault == "shuffled":
    kinds = kinds[torch.randperm(len(kinds))]
trunk = nn.Sequential(
    nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(32 * 64, 32)
)
miner, criterion = miners.MultiSimilarityMiner(), losses.TripletMarginLoss()
optimizer = torch.optim.Adam(trunk.parameters(), lr=1e-3)
for _ in range(12):
    for batch, kind in DataLoader(TensorDataset(pixels, kinds), batch_size=48, shuffle=True):
        optimizer.zero_grad()
        embeddings = trunk(batch)
        criterion(embeddings, kind, miner(embeddings, kind)).backward()
        optimizer.step()
