"""Re-identification for a tracker: a strong baseline's identity loss and hard triplets behind a BatchNorm neck."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler

torch.manual_seed(0)
IDENTITIES, PER_IDENTITY, P, K = 48, 10, 12, 4
PARTS = ((0, 8), (8, 20), (20, 32))


class People(Dataset):
    """Persons of 32 x 16 pixels: head, shirt and trousers in colours of one's own, each photo in a light of its own."""

    def __init__(self, identities, per_identity, seed, augment):
        generator = np.random.default_rng(seed)
        colours = generator.uniform(0.1, 0.9, (identities, len(PARTS), 3))
        stripes = generator.integers(2, 6, identities)
        self.images, self.pids = [], []
        for pid in range(identities):
            for _ in range(per_identity):
                self.images.append(self.photo(generator, colours[pid], stripes[pid]))
                self.pids.append(pid)
        self.augment = augment

    def photo(self, generator, colours, stripe):
        image = np.tile(generator.uniform(0, 1, 3), (32, 16, 1))
        left = int(generator.integers(2, 5))
        for (top, bottom), colour in zip(PARTS, colours, strict=True):
            image[top:bottom, left : left + 9] = colour
        image[8:20:stripe, left : left + 9] *= 0.4
        image = image * generator.uniform(0.7, 1.3, 3) + generator.normal(0, 0.06, image.shape)
        image = np.roll(image, generator.integers(-2, 3), 0)
        return torch.from_numpy(image.clip(0, 1).transpose(2, 0, 1)).float()

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        image = self.images[i]
        if self.augment:
            image = image.flip(2) if torch.rand(()) < 0.5 else image.clone()
            y, x = torch.randint(0, 22, (1,)), torch.randint(0, 10, (1,))
            if torch.rand(()) < 0.5:
                image[:, y : y + 8, x : x + 6] = 0.5
        return (image - 0.5) / 0.25, self.pids[i]


class RandomIdentitySampler(Sampler):
    """Batches of P persons, K pictures of each."""

    def __init__(self, pids):
        self.index = {pid: [i for i, other in enumerate(pids) if other == pid] for pid in set(pids)}

    def __iter__(self):
        for _ in range(2):
            pids = torch.randperm(len(self.index)).tolist()
            for start in range(0, len(pids) - P + 1, P):
                chosen = []
                for pid in pids[start : start + P]:
                    images = self.index[pid]
                    chosen += [images[j] for j in torch.randperm(len(images))[:K].tolist()]
                yield chosen

    def __len__(self):
        return 2 * (len(self.index) // P)


class Baseline(nn.Module):
    def __init__(self, num_classes, width=64):
        super().__init__()
        self.base = nn.Sequential(
            nn.Conv2d(3, 24, 3, 1, 1), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(24, 48, 3, 1, 1), nn.BatchNorm2d(48), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(48, width, 3, 1, 1), nn.BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d((4, 1)), nn.Flatten(),
            nn.Linear(4 * width, width),
        )  # fmt: skip
        self.bottleneck = nn.BatchNorm1d(width)
        self.classifier = nn.Linear(width, num_classes, bias=False)

    def forward(self, x):
        global_feat = self.base(x)
        feat = self.bottleneck(global_feat)
        return (self.classifier(feat), global_feat) if self.training else feat


def triplet_loss(features, pids, margin=0.3):
    features = nn.functional.normalize(features)
    distances = (2 - 2 * features @ features.T).clamp(min=1e-6).sqrt()
    same = pids[:, None] == pids[None]
    hardest_positive = distances.masked_fill(~same, 0).amax(1)
    hardest_negative = distances.masked_fill(same, 9).amin(1)
    return (hardest_positive - hardest_negative + margin).relu().mean()


def mean_average_precision(model, loader):
    """Each picture asks for the others of its person, who was never trained on."""
    model.eval()
    features, pids = zip(*[(model(images), pids) for images, pids in loader], strict=True)
    features, pids = nn.functional.normalize(torch.cat(features)), torch.cat(pids)
    order = (features @ features.T).fill_diagonal_(-9).argsort(1, descending=True)[:, :-1]
    hits = (pids[order] == pids[:, None]).float()
    precision = hits.cumsum(1) / torch.arange(1, hits.shape[1] + 1)
    return ((precision * hits).sum(1) / hits.sum(1)).mean().item(), hits[:, 0].mean().item()


train_set = People(IDENTITIES, PER_IDENTITY, 0, augment=True)
train_loader = DataLoader(train_set, batch_sampler=RandomIdentitySampler(train_set.pids))
query_loader = DataLoader(People(30, 6, 1, augment=False), batch_size=60)
model = Baseline(IDENTITIES)
xent = nn.CrossEntropyLoss(label_smoothing=0.1)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=5e-4)
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: min(1, (epoch + 1) / 5) * 0.1 ** (epoch >= 15))
for epoch in range(19):
    model.train()
    for images, pids in train_loader:
        score, feat = model(images)
        id_loss, tri_loss = xent(score, pids), triplet_loss(feat, pids)
        loss = id_loss + tri_loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scheduler.step()
    if epoch % 3 == 0:
        with torch.no_grad():
            mean_ap, rank1 = mean_average_precision(model, query_loader)
        print(f"Epoch {epoch} id {id_loss:.3f} triplet {tri_loss:.3f} Rank-1 {rank1:.3f} mAP {mean_ap:.3f}")
