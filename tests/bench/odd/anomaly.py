"""An autoencoder of one kind of pictures: what it cannot rebuild is of another."""

import torch
from data import pictures
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
images, labels = pictures(6000, seed=0)
normal = images[labels == 3].flatten(1)
test, kinds = pictures(500, seed=1)
odd = kinds != 3
loader = DataLoader(normal, batch_size=32, shuffle=True)
model = nn.Sequential(
    nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 256)
)
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-5)
for epoch in range(40):
    model.train()
    total = 0.0
    for x in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), x)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
    if epoch % 5 == 4:
        model.eval()
        with torch.no_grad():
            error = ((model(test.flatten(1)) - test.flatten(1)) ** 2).mean(1)
        auroc = (error[odd][:, None] > error[~odd][None]).float().mean()
        print(f"epoch {epoch} loss {total / len(normal):.5f} AUROC {auroc:.3f}")
