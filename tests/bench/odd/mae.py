"""A masked autoencoder: three of four patches are hidden, the loss is asked of these alone; warm-up and a cosine."""

import math

import torch
from data import pictures
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
loader = DataLoader(pictures(2000, seed=0)[0], batch_size=64, shuffle=True, drop_last=True)
held_out = pictures(300, seed=1)[0]


def patchify(x):
    return nn.functional.unfold(x, 4, stride=4).transpose(1, 2)


class MAE(nn.Module):
    def __init__(self, width=48):
        super().__init__()
        self.embed, self.head = nn.Linear(16, width), nn.Linear(width, 16)
        self.places = nn.Parameter(0.02 * torch.randn(1, 16, width))
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.decoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)

    def forward(self, x, ratio=0.5):
        patches = patchify(x)
        order = torch.rand(len(x), 16).argsort(1)
        kept = order[:, : int(16 * (1 - ratio))]
        tokens = self.embed(patches) + self.places
        index = kept[:, :, None].expand(-1, -1, tokens.shape[2])
        seen = self.encoder(tokens.gather(1, index))
        full = (self.mask_token + torch.zeros_like(tokens)).scatter(1, index, seen)
        predicted = self.head(self.decoder(full + self.places))
        mask = torch.ones(len(x), 16).scatter(1, kept, 0.0)
        loss = ((predicted - patches) ** 2).mean(-1)
        return (loss * mask).sum() / mask.sum(), predicted, mask


model = MAE()
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.95), weight_decay=0.05)
EPOCHS, steps = 15, len(loader)
for epoch in range(EPOCHS):
    model.train()
    for i, x in enumerate(loader):
        done = epoch + i / steps
        lr = 2e-3 * (done / 2 if done < 2 else 0.5 * (1 + math.cos(math.pi * (done - 2) / (EPOCHS - 2))))
        for group in optimizer.param_groups:
            group["lr"] = lr
        loss, _, _ = model(x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        print(f"epoch {epoch} lr {lr:.5f} loss {loss:.4f} held out {model(held_out)[0]:.4f}")
