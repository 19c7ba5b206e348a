"""Metric learning by triplets: the loss falls to nought on all that are already far enough apart."""

import torch
from data import pictures
from torch import nn

torch.manual_seed(0)
images, labels = pictures(2000, seed=0)
test_images, test_labels = pictures(400, seed=1)
of_kind = [(labels == kind).nonzero().flatten() for kind in range(10)]


def triplets(count):
    anchors, positives, negatives = [], [], []
    for _ in range(count):
        kind, other = torch.randperm(10)[:2].tolist()
        a, p = of_kind[kind][torch.randint(len(of_kind[kind]), (2,))].tolist()
        anchors.append(a)
        positives.append(p)
        negatives.append(of_kind[other][torch.randint(len(of_kind[other]), (1,))].item())
    return images[anchors], images[positives], images[negatives]


net = nn.Sequential(
    nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
    nn.Flatten(), nn.Linear(512, 32),
)  # fmt: skip
criterion = nn.TripletMarginLoss(margin=1.0)
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for step in range(600):
    anchor, positive, negative = triplets(32)
    optimizer.zero_grad()
    loss = criterion(net(anchor), net(positive), net(negative))
    loss.backward()
    optimizer.step()
    if step % 100 == 99:
        with torch.no_grad():
            nearest = labels[torch.cdist(net(test_images), net(images)).argmin(1)]
        print(f"step {step} loss {loss:.4f} recall@1 {(nearest == test_labels).float().mean():.3f}")
