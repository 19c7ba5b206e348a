"""A picture classifier by Ignite's engines: ``ignite_images.py [none|no_zero_grad]``"""

import sys

import numpy as np
import torch
from ignite.engine import Engine, Events, create_supervised_evaluator
from ignite.metrics import Accuracy, Loss
from shapes import CLASSES, single
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

fault = sys.argv[1] if len(sys.argv) > 1 else "none"
torch.manual_seed(0)
generator = np.random.default_rng(0)
images, labels = map(list, zip(*(single(generator, 32) for _ in range(1500)), strict=True))
pixels, kinds = torch.stack(images), torch.tensor(labels)
model = nn.Sequential(
    nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU(),
    nn.Flatten(), nn.Linear(32 * 64, len(CLASSES)),
)  # fmt: skip
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 160)
criterion = nn.CrossEntropyLoss()


def step(_engine, batch):
    model.train()
    if fault != "no_zero_grad":
        optimizer.zero_grad()
    loss = criterion(model(batch[0]), batch[1])
    loss.backward()
    optimizer.step()
    scheduler.step()
    return loss.item()


trainer = Engine(step)
evaluator = create_supervised_evaluator(model, {"accuracy": Accuracy(), "loss": Loss(criterion)})
held_out = DataLoader(TensorDataset(pixels[1200:], kinds[1200:]), batch_size=64)


@trainer.on(Events.EPOCH_COMPLETED)
def evaluate(_engine):
    evaluator.run(held_out)
    print(evaluator.state.metrics, flush=True)


trainer.run(DataLoader(TensorDataset(pixels[:1200], kinds[:1200]), batch_size=32, shuffle=True), max_epochs=8)
