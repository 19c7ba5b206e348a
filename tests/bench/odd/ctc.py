"""Speech by CTC: frames in, letters out; the loss stands while the network says nothing but blanks."""

import torch
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
LETTERS = 8
sounds = torch.randn(LETTERS + 1, 13)


def utterance():
    letters = torch.randint(1, LETTERS + 1, (int(torch.randint(3, 7, (1,))),))
    frames = []
    for letter in letters:
        frames += [sounds[letter]] * int(torch.randint(3, 6, (1,))) + [sounds[0]] * int(torch.randint(1, 3, (1,)))
    return torch.stack(frames) + 0.4 * torch.randn(len(frames), 13), letters


def collate(batch):
    frames = nn.utils.rnn.pad_sequence([f for f, _ in batch], batch_first=True)
    lengths = torch.tensor([len(f) for f, _ in batch])
    return frames, lengths, torch.cat([t for _, t in batch]), torch.tensor([len(t) for _, t in batch])


class Speech(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(13, 48, 3, padding=1)
        self.rnn = nn.GRU(48, 48, bidirectional=True, batch_first=True)
        self.fc = nn.Linear(96, LETTERS + 1)

    def forward(self, frames):
        hidden = self.conv(frames.transpose(1, 2)).relu().transpose(1, 2)
        return self.fc(self.rnn(hidden)[0]).log_softmax(-1).transpose(0, 1)


def edits(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


train_loader = DataLoader([utterance() for _ in range(800)], batch_size=16, shuffle=True, collate_fn=collate)
valid_loader = DataLoader([utterance() for _ in range(100)], batch_size=20, collate_fn=collate)
model = Speech()
criterion = nn.CTCLoss(blank=0, zero_infinity=True)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, epochs=8, steps_per_epoch=len(train_loader))
for epoch in range(8):
    model.train()
    for frames, lengths, targets, target_lengths in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(frames), targets, lengths, target_lengths)
        loss.backward()
        optimizer.step()
        scheduler.step()
    model.eval()
    wrong, total, val_loss = 0, 0, 0.0
    with torch.no_grad():
        for frames, lengths, targets, target_lengths in valid_loader:
            output = model(frames)
            val_loss += criterion(output, targets, lengths, target_lengths).item() / len(valid_loader)
            best = output.argmax(-1).T
            for path, length, wanted in zip(best, lengths, targets.split(target_lengths.tolist()), strict=True):
                said = [k for k in path[:length].unique_consecutive().tolist() if k]
                wrong, total = wrong + edits(said, wanted.tolist()), total + len(wanted)
    print(f"epoch {epoch} train {loss:.3f} val {val_loss:.3f} CER {wrong / total:.3f}")
