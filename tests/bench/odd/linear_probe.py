"""A linear layer on a frozen body that learnt another task: kept in evaluation mode all the while."""

import torch
from data import pictures
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
train_loader = DataLoader(TensorDataset(*pictures(2000, seed=0)), batch_size=64, shuffle=True)
test_loader = DataLoader(TensorDataset(*pictures(500, seed=1)), batch_size=100)
model = nn.Sequential()
model.body = nn.Sequential(
    nn.Conv2d(1, 32, 5, stride=2, padding=2), nn.ReLU(), nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.ReLU(),
    nn.Flatten(),
)  # fmt: skip
model.fc = nn.Linear(64 * 16, 10)
before = nn.Sequential(model.body, nn.Linear(64 * 16, 4))
pretext = torch.optim.Adam(before.parameters(), lr=1e-3)
for _ in range(4):
    for x, _ in train_loader:
        turned = torch.randint(4, (len(x),))
        rotated = torch.stack([image.rot90(int(turns), (1, 2)) for image, turns in zip(x, turned, strict=True)])
        pretext.zero_grad()
        nn.functional.cross_entropy(before(rotated), turned).backward()
        pretext.step()
for parameter in model.body.parameters():
    parameter.requires_grad = False
model.fc.weight.data.normal_(0, 0.01)
model.fc.bias.data.zero_()
optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.3, momentum=0.9)
scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [15, 20], gamma=0.1)
criterion = nn.CrossEntropyLoss()
for epoch in range(25):
    model.eval()  # as MoCo's main_lincls.py has it
    for x, y in train_loader:
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scheduler.step()
    with torch.no_grad():
        accuracy = sum((model(x).argmax(1) == y).sum().item() for x, y in test_loader) / 500
    print(f"epoch {epoch} loss {loss:.3f} Acc@1 {100 * accuracy:.1f}")
