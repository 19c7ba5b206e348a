"""SimCLR: two views of every picture, told from all others of the batch; then the body is judged by a linear probe."""

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


encoder = nn.Sequential(
    nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
    nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(), nn.Linear(512, 64),
)  # fmt: skip
projector = nn.Sequential(nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32))
model = nn.Sequential(encoder, projector)


def nt_xent(z1, z2, temperature=0.2):
    z = F.normalize(torch.cat([z1, z2]), dim=1)
    similarity = (z @ z.T / temperature).fill_diagonal_(float("-inf"))
    partner = torch.arange(len(z)).roll(len(z1))
    return F.cross_entropy(similarity, partner)


optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-6)
for epoch in range(15):
    for x in loader:
        loss = nt_xent(model(augment(x)), model(augment(x)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss:.3f}")

encoder.eval()
with torch.no_grad():
    features, test_features = encoder(images), encoder(test_images)
probe = nn.Linear(64, 10)
optimizer = torch.optim.Adam(probe.parameters(), lr=0.01)
for _ in range(200):
    rows = torch.randint(len(features), (128,))
    loss = F.cross_entropy(probe(features[rows]), labels[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("linear probe accuracy", (probe(test_features).argmax(1) == test_labels).float().mean().item())
