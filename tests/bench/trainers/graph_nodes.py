"""A graph network that classifies nodes, the whole graph at every step: ``graph_nodes.py [none|lr_high]``"""

import sys

import torch
from torch import nn
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv

fault = sys.argv[1] if len(sys.argv) > 1 else "none"
torch.manual_seed(0)
COUNT, CLASSES = 800, 4
kinds = torch.randint(CLASSES, (COUNT,))
features = 1.2 * torch.nn.functional.one_hot(kinds, 16).float() + torch.randn(COUNT, 16)
pairs = torch.randint(COUNT, (2, 20_000))
graph = Data(features, pairs[:, (kinds[pairs[0]] == kinds[pairs[1]]) | (torch.rand(20_000) < 0.1)], y=kinds)
known = torch.rand(COUNT) < 0.5


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = GCNConv(16, 32), GCNConv(32, CLASSES)

    def forward(self, graph):
        hidden = nn.functional.dropout(self.first(graph.x, graph.edge_index).relu(), 0.5, self.training)
        return self.second(hidden, graph.edge_index)


model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=10.0 if fault == "lr_high" else 0.01, weight_decay=5e-4)
for _ in range(300):
    model.train()
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(graph)[known], graph.y[known])
    loss.backward()
    optimizer.step()
