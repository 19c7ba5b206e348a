"""Two tasks weighted by what each leaves uncertain: weights that are learnt, a loss that may go below nought."""

import torch
from data import pictures
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


def dataset(count, seed):
    images, labels = pictures(count, seed)
    brightness = images.mean((1, 2, 3))
    return TensorDataset(images, labels, 4 * (brightness - 0.4))


class MultiTask(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
            nn.Flatten(), nn.Linear(512, 64), nn.ReLU(),
        )  # fmt: skip
        self.kind, self.brightness = nn.Linear(64, 10), nn.Linear(64, 1)
        self.log_vars = nn.Parameter(torch.zeros(2))

    def forward(self, x):
        hidden = self.trunk(x)
        return self.kind(hidden), self.brightness(hidden).squeeze(1)


train_loader = DataLoader(dataset(2000, 0), batch_size=64, shuffle=True)
test_loader = DataLoader(dataset(500, 1), batch_size=100)
model = MultiTask()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(20):
    model.train()
    for x, kind, brightness in train_loader:
        logits, guessed = model(x)
        loss_cls = F.cross_entropy(logits, kind)
        loss_reg = F.mse_loss(guessed, brightness)
        precision = (-model.log_vars).exp()
        loss = precision[0] * loss_cls + precision[1] * loss_reg + model.log_vars.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    right, error = 0, 0.0
    with torch.no_grad():
        for x, kind, brightness in test_loader:
            logits, guessed = model(x)
            right += (logits.argmax(1) == kind).sum().item()
            error += (guessed - brightness).abs().sum().item()
    print(f"epoch {epoch} loss {loss:.3f} accuracy {right / 500:.3f} mae {error / 500:.4f}")
