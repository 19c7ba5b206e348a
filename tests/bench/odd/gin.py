"""A graph isomorphism network over batches of graphs of any size, told apart by how many triangles they have."""

import torch
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)


def graph():
    nodes = int(torch.randint(8, 20, (1,)))
    label = int(torch.randint(2, (1,)))
    adjacency = torch.zeros(nodes, nodes)
    for i in range(1, nodes):
        adjacency[i, i - 1] = 1
    for _ in range(nodes // 2):
        i = int(torch.randint(2, nodes, (1,)))
        adjacency[i, i - 2 if label else int(torch.randint(i, (1,)))] = 1
    adjacency = ((adjacency + adjacency.T) > 0).float()
    return adjacency, label


def collate(graphs):
    adjacency = torch.block_diag(*[a for a, _ in graphs])
    batch = torch.repeat_interleave(torch.arange(len(graphs)), torch.tensor([len(a) for a, _ in graphs]))
    return torch.ones(len(adjacency), 1), adjacency, batch, torch.tensor([label for _, label in graphs])


class GIN(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(i, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
            for i in (1, width, width)
        )
        self.head = nn.Linear(3 * width, 2)

    def forward(self, x, adjacency, batch):
        pooled = []
        for layer in self.layers:
            x = layer(x + adjacency @ x)
            pooled.append(torch.zeros(int(batch.max()) + 1, x.shape[1]).index_add_(0, batch, x))
        return self.head(torch.cat(pooled, 1) / 10)


graphs = [graph() for _ in range(1200)]
train_loader = DataLoader(graphs[:1000], batch_size=32, shuffle=True, collate_fn=collate)
test_loader = DataLoader(graphs[1000:], batch_size=50, collate_fn=collate)
model = GIN()
optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=5, gamma=0.2)
criterion = nn.CrossEntropyLoss()
for epoch in range(15):
    model.train()
    for x, adjacency, batch, y in train_loader:
        out = model(x, adjacency, batch)
        loss = criterion(out, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    scheduler.step()
    model.eval()
    with torch.no_grad():
        correct = sum((model(*data[:3]).argmax(1) == data[3]).sum().item() for data in test_loader)
    print(f"Epoch: {epoch:03d}, loss {loss:.3f}, Test Acc: {correct / 200:.4f}")
