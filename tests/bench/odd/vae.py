"""A VAE whose KL term is ramped up: the loss is meant to rise while it is."""

import torch
from data import pictures
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

torch.manual_seed(0)
train_loader = DataLoader((pictures(2000, seed=0, noise=0.0)[0] > 0.4).float(), batch_size=64, shuffle=True)
test_loader = DataLoader((pictures(500, seed=1, noise=0.0)[0] > 0.4).float(), batch_size=100)


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(256, 128)
        self.mean, self.logvar = nn.Linear(128, 8), nn.Linear(128, 8)
        self.fc3, self.fc4 = nn.Linear(8, 128), nn.Linear(128, 256)

    def forward(self, x):
        hidden = F.relu(self.fc1(x.flatten(1)))
        mean, logvar = self.mean(hidden), self.logvar(hidden)
        z = mean + torch.randn_like(mean) * (0.5 * logvar).exp()
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z)))), mean, logvar


def loss_function(recon, x, mean, logvar, beta):
    bce = F.binary_cross_entropy(recon, x.flatten(1), reduction="sum") / len(x)
    kld = -0.5 * (1 + logvar - mean**2 - logvar.exp()).sum() / len(x)
    return bce + beta * kld


model = VAE()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
step = 0
for epoch in range(25):
    model.train()
    for data in train_loader:
        step += 1
        beta = min(1.0, step / 400)
        optimizer.zero_grad()
        recon, mean, logvar = model(data)
        loss = loss_function(recon, data, mean, logvar, beta)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        test_losses = []
        for data in test_loader:
            recon, mean, logvar = model(data)
            test_losses.append(loss_function(recon, data, mean, logvar, 1.0).item())
    print(f"====> Epoch {epoch} beta {beta:.2f} test loss {sum(test_losses) / len(test_losses):.3f}")
