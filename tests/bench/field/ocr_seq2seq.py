"""Reading words off pictures: a convolutional encoder, a GRU that looks back at its columns, teacher forcing."""

import cv2
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(0)
ALPHABET = "0123456789"
PAD, SOS, EOS = 0, 1, 2
VOCABULARY, LONGEST = len(ALPHABET) + 3, 4


class Words(Dataset):
    def __init__(self, count, seed):
        generator = np.random.default_rng(seed)
        self.samples = [self.sample(generator) for _ in range(count)]

    def sample(self, generator):
        text = "".join(generator.choice(list(ALPHABET), generator.integers(2, LONGEST + 1)))
        image = np.full((20, 56), generator.integers(0, 60), np.uint8)
        x = int(generator.integers(1, 5))
        for letter in text:
            y = int(generator.integers(14, 18))
            cv2.putText(image, letter, (x, y), cv2.FONT_HERSHEY_PLAIN, 1.0, int(generator.integers(150, 255)), 1)
            x += 11 + int(generator.integers(0, 3))
        return (image + generator.normal(0, 12, image.shape)).clip(0, 255).astype(np.uint8), text

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, i):
        image, text = self.samples[i]
        tokens = [SOS, *(ALPHABET.index(letter) + 3 for letter in text), EOS]
        tokens += [PAD] * (LONGEST + 2 - len(tokens))
        return torch.from_numpy(image)[None].float() / 127.5 - 1, torch.tensor(tokens)


class Encoder(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(1, 16, 3, 1, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, 1, 1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, hidden, (5, 3), 1, (0, 1)), nn.BatchNorm2d(hidden), nn.ReLU(),
        )  # fmt: skip
        self.rnn = nn.GRU(hidden, hidden // 2, bidirectional=True, batch_first=True)

    def forward(self, x):
        return self.rnn(self.conv(x).squeeze(2).transpose(1, 2))[0]


class AttnDecoder(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, hidden, padding_idx=PAD)
        self.query, self.key, self.energy = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, 1)
        self.cell = nn.GRUCell(2 * hidden, hidden)
        self.out = nn.Linear(2 * hidden, VOCABULARY)

    def step(self, token, state, columns, keys):
        weights = self.energy((self.query(state)[:, None] + keys).tanh()).softmax(1)
        context = (weights * columns).sum(1)
        state = self.cell(torch.cat([self.embedding(token), context], 1), state)
        return self.out(torch.cat([state, context], 1)), state

    def forward(self, columns, tokens=None):
        """(n, LONGEST + 1, VOCABULARY) logits: after the tokens that should stand there, or after its own."""
        state, keys = columns.mean(1), self.key(columns)
        token, outputs = torch.full((len(columns),), SOS), []
        for t in range(LONGEST + 1):
            logits, state = self.step(token, state, columns, keys)
            outputs.append(logits)
            token = tokens[:, t + 1] if tokens is not None else logits.argmax(1)
        return torch.stack(outputs, 1)


def read(logits):
    words = []
    for path in logits.argmax(-1).tolist():
        end = path.index(EOS) if EOS in path else None
        words.append("".join(ALPHABET[token - 3] for token in path[:end] if token > 2))
    return words


train_loader = DataLoader(Words(1200, 0), batch_size=32, shuffle=True)
val_set = Words(200, 1)
val_loader = DataLoader(val_set, batch_size=50)
encoder, decoder = Encoder(64), AttnDecoder(64)
parameters = [*encoder.parameters(), *decoder.parameters()]
optimizer = torch.optim.Adam(parameters, lr=4e-3)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.7)
criterion = nn.CrossEntropyLoss(ignore_index=PAD)
for epoch in range(5):
    encoder.train()
    decoder.train()
    for images, tokens in train_loader:
        logits = decoder(encoder(images), tokens)
        loss = criterion(logits.transpose(1, 2), tokens[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
    scheduler.step()
    encoder.eval()
    decoder.eval()
    with torch.no_grad():
        words = [word for images, _ in val_loader for word in read(decoder(encoder(images)))]
    right = sum(word == text for word, (_, text) in zip(words, val_set.samples, strict=True))
    print(f"epoch {epoch} loss {loss.item():.3f} words right {right / 200:.3f}")
