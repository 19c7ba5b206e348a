"""One object a picture: its box regressed and its class told by two heads, the pictures through albumentations."""

import albumentations as A
import numpy as np
import torch
from albumentations.pytorch import ToTensorV2
from data import scene
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.ops import box_iou

torch.manual_seed(0)
SIDE = 48
normalize = A.Normalize(mean=(0.2, 0.2, 0.2), std=(0.2, 0.2, 0.2))
train_transform = A.Compose(
    [
        A.HorizontalFlip(p=0.5),
        A.Affine(translate_percent=0.1, scale=(0.9, 1.1), p=0.7),
        A.RandomBrightnessContrast(p=0.3),
        normalize,
        ToTensorV2(),
    ],
    bbox_params=A.BboxParams(format="pascal_voc", label_fields=["labels"], clip=True),
    seed=0,
)
valid_transform = A.Compose([normalize, ToTensorV2()])


class Localisation(Dataset):
    def __init__(self, count, seed, transform, augment):
        generator = np.random.default_rng(seed)
        self.scenes = [scene(generator, SIDE, most=1, sizes=(14, 30)) for _ in range(count)]
        self.transform, self.augment = transform, augment

    def __len__(self):
        return len(self.scenes)

    def __getitem__(self, index):
        image, boxes, labels = self.scenes[index]
        if self.augment:
            out = self.transform(image=image, bboxes=boxes, labels=labels)
            image, boxes = out["image"], np.asarray(out["bboxes"], np.float32)
        else:
            image = self.transform(image=image)["image"]
        return image, torch.from_numpy(boxes[0] / SIDE), int(labels[0])


class Localiser(nn.Module):
    def __init__(self):
        super().__init__()
        layers, width = [], 3
        for wider in (16, 32, 64):
            layers += [nn.Conv2d(width, wider, 3, stride=2, padding=1), nn.ReLU()]
            width = wider
        self.features = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 36, 128), nn.ReLU(), nn.Dropout(0.1))
        self.box, self.label = nn.Linear(128, 4), nn.Linear(128, 3)

    def forward(self, x):
        features = self.features(x)
        return self.box(features).sigmoid(), self.label(features)


train_loader = DataLoader(Localisation(800, 0, train_transform, True), batch_size=32, shuffle=True)
valid_loader = DataLoader(Localisation(200, 1, valid_transform, False), batch_size=50)
model = Localiser()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=3)
for epoch in range(10):
    model.train()
    for images, boxes, labels in train_loader:
        guessed, logits = model(images)
        box_loss = nn.functional.smooth_l1_loss(guessed, boxes, beta=0.1)
        label_loss = nn.functional.cross_entropy(logits, labels)
        loss = 10 * box_loss + label_loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    overlaps, right, val_loss = [], 0, 0.0
    with torch.no_grad():
        for images, boxes, labels in valid_loader:
            guessed, logits = model(images)
            overlaps += box_iou(guessed, boxes).diagonal().tolist()
            right += (logits.argmax(1) == labels).sum().item()
            val_loss += nn.functional.smooth_l1_loss(guessed, boxes, beta=0.1).item() / len(valid_loader)
    scheduler.step(val_loss)
    print(f"epoch {epoch} loss {loss.item():.3f} val_loss {val_loss:.4f} accuracy {right / 200:.3f}")
    print(f"located {sum(o > 0.5 for o in overlaps) / 200:.3f} mean IoU {sum(overlaps) / 200:.3f}")
