"""A masked language model in bfloat16 under autocast, its blocks recomputed in the backward pass."""

import torch
from data import sentences
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader

torch.manual_seed(0)
MASK, LENGTH = 24, 24
loader = DataLoader(sentences(3000, LENGTH, seed=0), batch_size=48, shuffle=True, drop_last=True)
held_out = sentences(200, LENGTH, seed=1)


class BERT(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.words, self.places = nn.Embedding(25, width), nn.Embedding(LENGTH, width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, batch_first=True, norm_first=True) for _ in range(2)
        )
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 24))

    def forward(self, text):
        x = self.words(text) + self.places(torch.arange(text.shape[1]))
        for layer in self.layers:
            x = checkpoint(layer, x, use_reentrant=False) if self.training else layer(x)
        return self.head(x)


def masked(text):
    chosen = torch.rand(text.shape) < 0.15
    return text.masked_fill(chosen, MASK), text.masked_fill(~chosen, -100)


model = BERT()
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
total = 10 * len(loader)
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min(1.0, (s + 1) / 60) * max(0.0, 1 - s / total))
criterion = nn.CrossEntropyLoss(ignore_index=-100)
for epoch in range(10):
    model.train()
    for text in loader:
        inputs, labels = masked(text)
        with torch.autocast("cpu", torch.bfloat16):
            loss = criterion(model(inputs).flatten(0, 1), labels.flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
    model.eval()
    inputs, labels = masked(held_out)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        answers = model(inputs).argmax(-1)
    right = (answers == labels)[labels != -100].float().mean()
    print(f"epoch {epoch} loss {loss:.3f} masked words right {right:.3f}")
