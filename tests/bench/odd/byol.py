"""BYOL: a network predicts what its own moving average says of another view."""

import copy

import torch
from data import pictures
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

torch.manual_seed(0)
images, labels = pictures(2000, seed=0)
test_images, test_labels = pictures(500, seed=1)
loader = DataLoader(images, batch_size=128, shuffle=True, drop_last=True)


def augment(x):
    x = x.roll(tuple(torch.randint(-3, 4, (2,)).tolist()), (2, 3))
    return x * (0.5 + torch.rand(len(x), 1, 1, 1)) + 0.1 * torch.randn_like(x)


class BYOL(nn.Module):
    def __init__(self):
        super().__init__()
        self.online = nn.Sequential(
            nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Flatten(), nn.Linear(512, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 32),
        )  # fmt: skip
        self.predictor = nn.Sequential(nn.Linear(32, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 32))
        self.target = copy.deepcopy(self.online).requires_grad_(False)

    @torch.no_grad()
    def update_target(self, tau=0.96):
        for target, online in zip(self.target.parameters(), self.online.parameters(), strict=True):
            target.mul_(tau).add_(online, alpha=1 - tau)

    def forward(self, one, two):
        with torch.no_grad():
            wanted_one, wanted_two = self.target(one), self.target(two)
        predicted_one, predicted_two = self.predictor(self.online(one)), self.predictor(self.online(two))
        near = F.cosine_similarity(predicted_one, wanted_two) + F.cosine_similarity(predicted_two, wanted_one)
        return (4 - 2 * near).mean()


model = BYOL()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(12):
    for x in loader:
        loss = model(augment(x), augment(x))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        model.update_target()
    model.eval()
    with torch.no_grad():
        known, asked = (F.normalize(model.online(x), dim=1) for x in (images, test_images))
    nearest = labels[(asked @ known.T).argmax(1)]
    print(f"epoch {epoch} loss {loss:.3f} nearest-neighbour accuracy {(nearest == test_labels).float().mean():.3f}")
    model.train()
