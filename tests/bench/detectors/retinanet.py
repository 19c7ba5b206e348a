"""torchvision's RetinaNet on pictures that albumentations augments, as competition notebooks train it."""

from functools import partial

import albumentations as A
import torch
from albumentations.pytorch import ToTensorV2
from data import KINDS, map50, scenes
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.retinanet import RetinaNetHead


def get_train_transform():
    return A.Compose(
        [
            A.HorizontalFlip(p=0.5),
            A.RandomBrightnessContrast(p=0.3),
            A.Affine(scale=(0.8, 1.2), translate_percent=0.1, p=0.5),
            A.ToFloat(max_value=255),
            ToTensorV2(),
        ],
        bbox_params=A.BboxParams(format="pascal_voc", label_fields=["labels"], min_visibility=0.4),
        seed=0,
    )


def get_valid_transform():
    bbox_params = A.BboxParams(format="pascal_voc", label_fields=["labels"], min_area=0)
    return A.Compose([A.ToFloat(max_value=255), ToTensorV2()], bbox_params)


class ShapesDataset(Dataset):
    def __init__(self, records, transforms):
        self.records, self.transforms = records, transforms

    def __getitem__(self, index):
        image, boxes, labels = self.records[index]
        sample = self.transforms(image=image, bboxes=boxes, labels=labels)
        target = {}
        target["boxes"] = torch.as_tensor(sample["bboxes"], dtype=torch.float32).reshape(-1, 4)
        target["labels"] = torch.as_tensor(sample["labels"], dtype=torch.int64)
        return sample["image"], target

    def __len__(self):
        return len(self.records)


class Averager:
    def __init__(self):
        self.current_total, self.iterations = 0.0, 0

    def send(self, value):
        self.current_total += value
        self.iterations += 1

    @property
    def value(self):
        return self.current_total / self.iterations


def collate_fn(batch):
    return tuple(zip(*batch, strict=True))


def build_model(num_classes):
    norm = partial(nn.GroupNorm, 8)
    layers = []
    for i, o in ((3, 16), (16, 32), (32, 48)):
        layers += [nn.Conv2d(i, o, 3, 2, 1), norm(o), nn.ReLU()]
    backbone = nn.Sequential(*layers)
    backbone.out_channels = 48
    anchors = AnchorGenerator(sizes=((14, 20, 28),), aspect_ratios=((0.5, 1.0, 2.0),))
    head = RetinaNetHead(48, anchors.num_anchors_per_location()[0], num_classes, norm_layer=norm)
    return RetinaNet(backbone, num_classes, min_size=64, anchor_generator=anchors, head=head, detections_per_img=20)


torch.manual_seed(0)
train_records, valid_records = scenes(400, 0), scenes(60, 1)
train_dataset = ShapesDataset(train_records, get_train_transform())
valid_dataset = ShapesDataset(valid_records, get_valid_transform())
train_data_loader = DataLoader(train_dataset, batch_size=8, shuffle=True, collate_fn=collate_fn)
valid_data_loader = DataLoader(valid_dataset, batch_size=20, collate_fn=collate_fn)
model = build_model(len(KINDS))
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-4)
num_epochs = 5
lr_scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=num_epochs)
for epoch in range(num_epochs):
    loss_hist = Averager()
    model.train()
    for images, targets in train_data_loader:
        loss_dict = model(images, targets)
        losses = sum(loss for loss in loss_dict.values())
        loss_hist.send(losses.item())
        optimizer.zero_grad()
        losses.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
    lr_scheduler.step()
    print(f"Epoch #{epoch} loss: {loss_hist.value}")
    if epoch % 2 == 0:
        model.eval()
        found, truth = [], []
        with torch.no_grad():
            for images, targets in valid_data_loader:
                found += [(output["boxes"], output["scores"], output["labels"]) for output in model(images)]
                truth += [(target["boxes"], target["labels"]) for target in targets]
        print(f"valid mAP@0.5: {map50(found, truth):.4f}", flush=True)
