"""A recommender by matrix factorisation: pairs that were, against drawn ones that were not; sparse gradients."""

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
USERS, ITEMS = 600, 300
taste, kind = torch.randint(6, (USERS,)), torch.randint(6, (ITEMS,))
likes = torch.rand(USERS, ITEMS) < torch.where(taste[:, None] == kind[None], 0.35, 0.01)
pairs = likes.nonzero()
pairs = pairs[torch.randperm(len(pairs))]
train, test = pairs[: -len(pairs) // 10], pairs[-len(pairs) // 10 :]
seen = torch.zeros(USERS, ITEMS, dtype=torch.bool)
seen[train[:, 0], train[:, 1]] = True


class BPR(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.users, self.items = nn.Embedding(USERS, width, sparse=True), nn.Embedding(ITEMS, width, sparse=True)
        nn.init.normal_(self.users.weight, std=0.1)
        nn.init.normal_(self.items.weight, std=0.1)

    def forward(self, user, positive, negative):
        u = self.users(user)
        return (u * self.items(positive)).sum(1), (u * self.items(negative)).sum(1)


model = BPR()
optimizer = torch.optim.SparseAdam(list(model.parameters()), lr=0.01)
for epoch in range(15):
    for rows in torch.randperm(len(train)).split(128):
        user, positive = train[rows].T
        good, bad = model(user, positive, torch.randint(ITEMS, (len(rows),)))
        loss = -F.logsigmoid(good - bad).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        scores = (model.users.weight @ model.items.weight.T).masked_fill(seen, -1e9)
        best = scores.topk(10, 1).indices
        hits = (best[test[:, 0]] == test[:, 1:]).any(1).float().mean()
    print(f"epoch {epoch} loss {loss:.4f} HR@10 {hits:.4f}")
