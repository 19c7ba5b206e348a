"""An LSTM over one long text, its state carried from batch to batch and cut from the graph between them."""

import math

import torch
from data import sentences
from torch import nn

torch.manual_seed(0)
BATCH, BPTT, WORDS = 20, 20, 24
corpus = sentences(1, 60_000, seed=0).flatten()


def batchify(data):
    rows = len(data) // BATCH
    return data[: rows * BATCH].view(BATCH, rows).t().contiguous()


train_data, val_data = batchify(corpus[:50_000]), batchify(corpus[50_000:])


class RNNModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.rnn, self.decoder = nn.Embedding(WORDS, 32), nn.LSTM(32, 64), nn.Linear(64, WORDS)

    def forward(self, text, hidden):
        output, hidden = self.rnn(self.encoder(text), hidden)
        return self.decoder(output).view(-1, WORDS), hidden


def repackage_hidden(hidden):
    return tuple(h.detach() for h in hidden)


model = RNNModel()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(6):
    model.train()
    hidden = (torch.zeros(1, BATCH, 64), torch.zeros(1, BATCH, 64))
    for i in range(0, len(train_data) - 1 - BPTT, BPTT):
        hidden = repackage_hidden(hidden)
        output, hidden = model(train_data[i : i + BPTT], hidden)
        loss = criterion(output, train_data[i + 1 : i + 1 + BPTT].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        optimizer.step()
    model.eval()
    total, parts = 0.0, 0
    hidden = (torch.zeros(1, BATCH, 64), torch.zeros(1, BATCH, 64))
    with torch.no_grad():
        for i in range(0, len(val_data) - 1 - BPTT, BPTT):
            output, hidden = model(val_data[i : i + BPTT], hidden)
            total += criterion(output, val_data[i + 1 : i + 1 + BPTT].reshape(-1)).item()
            parts += 1
    print(f"| end of epoch {epoch} | valid loss {total / parts:5.2f} | valid ppl {math.exp(total / parts):8.2f}")
