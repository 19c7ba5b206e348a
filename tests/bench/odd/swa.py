"""Weights averaged over the last epochs, BatchNorm measured anew for them; judged on the training set too."""

import torch
from data import pictures
from torch import nn
from torch.optim.swa_utils import SWALR, AveragedModel, update_bn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
train_set = TensorDataset(*pictures(1500, seed=0))
train_loader = DataLoader(train_set, batch_size=50, shuffle=True)
train_eval_loader = DataLoader(train_set, batch_size=150)
test_loader = DataLoader(TensorDataset(*pictures(450, seed=1)), batch_size=150)
model = nn.Sequential(
    nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
    nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10),
)  # fmt: skip
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 12)
swa_model, swa_scheduler = AveragedModel(model), SWALR(optimizer, swa_lr=0.02)


def evaluate(net, loader):
    net.eval()
    with torch.no_grad():
        outcomes = [(criterion(out := net(x), y).item(), (out.argmax(1) == y).float().mean().item()) for x, y in loader]
    return tuple(sum(column) / len(loader) for column in zip(*outcomes, strict=True))


for epoch in range(16):
    model.train()
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
    if epoch >= 10:
        swa_model.update_parameters(model)
        swa_scheduler.step()
    else:
        scheduler.step()
    train_loss, train_acc = evaluate(model, train_eval_loader)
    test_loss, test_acc = evaluate(model, test_loader)
    print(f"{epoch} train {train_loss:.3f} {train_acc:.3f} test {test_loss:.3f} {test_acc:.3f}")
update_bn(train_loader, swa_model)
print("averaged: test loss {:.3f} accuracy {:.3f}".format(*evaluate(swa_model, test_loader)))
