"""A graph attention network over one graph: all nodes in every step, few of them with a label."""

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
NODES, KINDS = 400, 5
labels = torch.randint(KINDS, (NODES,))
features = 0.7 * F.one_hot(labels, 32).float() + torch.randn(NODES, 32)
chance = torch.where(labels[:, None] == labels[None], 0.03, 0.002)
adjacency = ((torch.rand(NODES, NODES) < chance) | torch.eye(NODES, dtype=torch.bool)).float()
adjacency = ((adjacency + adjacency.T) > 0).float()
order = torch.randperm(NODES)
idx_train, idx_val, idx_test = order[:100], order[100:200], order[200:]


class GraphAttention(nn.Module):
    def __init__(self, inputs, outputs, heads):
        super().__init__()
        self.heads, self.width = heads, outputs
        self.project = nn.Linear(inputs, heads * outputs, bias=False)
        self.source = nn.Parameter(0.1 * torch.randn(heads, outputs))
        self.target = nn.Parameter(0.1 * torch.randn(heads, outputs))

    def forward(self, x, adjacency):
        h = self.project(x).view(len(x), self.heads, self.width)
        scores = F.leaky_relu((h * self.source).sum(-1)[:, None] + (h * self.target).sum(-1)[None], 0.2)
        weights = scores.masked_fill(adjacency[:, :, None] == 0, float("-inf")).softmax(1)
        return torch.einsum("ijh,jhd->ihd", F.dropout(weights, 0.4, self.training), h)


class GAT(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = GraphAttention(32, 8, 4), GraphAttention(32, KINDS, 1)

    def forward(self, x, adjacency):
        x = F.dropout(x, 0.4, self.training)
        x = F.elu(self.first(x, adjacency).flatten(1))
        return self.second(F.dropout(x, 0.4, self.training), adjacency).mean(1)


model = GAT()
optimizer = torch.optim.Adam(model.parameters(), lr=0.005, weight_decay=5e-4)
for epoch in range(200):
    model.train()
    optimizer.zero_grad()
    output = model(features, adjacency)
    loss_train = F.cross_entropy(output[idx_train], labels[idx_train])
    loss_train.backward()
    optimizer.step()
    model.eval()
    with torch.no_grad():
        output = model(features, adjacency)
        loss_val = F.cross_entropy(output[idx_val], labels[idx_val])
        acc_val = (output[idx_val].argmax(1) == labels[idx_val]).float().mean()
    if epoch % 20 == 19:
        print(f"Epoch: {epoch} loss_train: {loss_train:.4f} loss_val: {loss_val:.4f} acc_val: {acc_val:.4f}")
acc = (output[idx_test].argmax(1) == labels[idx_test]).float().mean()
print(f"Test set results: accuracy= {acc:.4f}")
