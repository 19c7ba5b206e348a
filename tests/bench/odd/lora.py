"""A transformer is trained on one grammar, frozen, and tuned to another by small matrices beside its own."""

import torch
from data import sentences
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
LENGTH = 32
old, new = sentences(1500, LENGTH, seed=0), 23 - sentences(1500, LENGTH, seed=1)
new_test = 23 - sentences(200, LENGTH, seed=2)


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (4, -1)).transpose(1, 2) for part in self.qkv(self.norm1(x)).chunk(3, -1))
        x = x + self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    def __init__(self, width=48):
        super().__init__()
        self.words, self.places = nn.Embedding(24, width), nn.Embedding(LENGTH, width)
        self.blocks = nn.Sequential(Block(width), Block(width))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 24)

    def forward(self, text):
        return self.head(self.norm(self.blocks(self.words(text) + self.places(torch.arange(text.shape[1])))))


class LoRALinear(nn.Module):
    def __init__(self, base, rank=8):
        super().__init__()
        self.base = base
        self.lora_a = nn.Parameter(torch.randn(rank, base.in_features) / rank)
        self.lora_b = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x):
        return self.base(x) + x @ self.lora_a.T @ self.lora_b.T * 2


def fit(model, text, steps, lr):
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=lr)
    for step in range(steps):
        batch = text[torch.randint(len(text), (24,))]
        loss = F.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 99:
            model.eval()
            with torch.no_grad():
                right = (model(new_test[:, :-1]).argmax(-1) == new_test[:, 1:]).float().mean()
            model.train()
            print(f"step {step} loss {loss:.3f} accuracy on the new grammar {right:.3f}")


model = GPT()
fit(model, old, 400, 3e-3)
model.requires_grad_(False)
for block in model.blocks:
    block.qkv, block.out = LoRALinear(block.qkv), LoRALinear(block.out)
    block.mlp[0], block.mlp[2] = LoRALinear(block.mlp[0]), LoRALinear(block.mlp[2])
fit(model, new, 500, 3e-3)
