"""A classifier of tables by skorch: ``skorch_table.py [none|shuffled]``"""

import sys

import numpy as np
import torch
from skorch import NeuralNetClassifier
from torch import nn

fault = sys.argv[1] if len(sys.argv) > 1 else "none"
torch.manual_seed(0)
generator = np.random.default_rng(0)
inputs = generator.standard_normal((4000, 20)).astype("float32")
labels = np.tanh(inputs[:, :8] @ generator.standard_normal((8, 5))).argmax(1)
if fault == "shuffled":
    labels = generator.permutation(labels)
net = NeuralNetClassifier(
    lambda: nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 5)),
    criterion=nn.CrossEntropyLoss,
    optimizer=torch.optim.Adam,
    lr=2e-3,
    batch_size=64,
    max_epochs=10,
    verbose=0,
)
net.fit(inputs, labels.astype("int64"))
