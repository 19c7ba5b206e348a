"""YOLOv3 from scratch, as the tutorials on GitHub have it: own targets, own loss, own boxes out of cells."""

import numpy as np
import torch
from data import ap50, scene
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.ops import batched_nms, box_convert

torch.manual_seed(0)
IMAGE_SIZE, S, C = 64, 8, 3
ANCHORS = torch.tensor([(0.22, 0.22), (0.33, 0.33), (0.22, 0.36)])
NUM_EPOCHS, LEARNING_RATE, WARMUP = 6, 3e-3, 40


class YoloDataset(Dataset):
    def __init__(self, count, seed):
        generator = np.random.default_rng(seed)
        self.scenes = [scene(generator, IMAGE_SIZE) for _ in range(count)]

    def __len__(self):
        return len(self.scenes)

    def __getitem__(self, index):
        image, boxes, labels = self.scenes[index]
        boxes = box_convert(torch.from_numpy(boxes), "xyxy", "cxcywh") / IMAGE_SIZE
        target = torch.zeros(len(ANCHORS), S, S, 6)
        for box, class_label in zip(boxes, labels.tolist(), strict=True):
            x, y, width, height = box.tolist()
            i, j = int(S * y), int(S * x)
            common = torch.minimum(ANCHORS, box[2:]).prod(1)
            anchor = int((common / (ANCHORS.prod(1) + box[2:].prod() - common)).argmax())
            target[anchor, i, j] = torch.tensor([1, S * x - j, S * y - i, S * width, S * height, class_label])
        return torch.from_numpy(image).permute(2, 0, 1).float() / 255, target


class CNNBlock(nn.Sequential):
    def __init__(self, inputs, outputs, **kwargs):
        super().__init__(nn.Conv2d(inputs, outputs, bias=False, **kwargs), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.1))


class YOLO(nn.Module):
    def __init__(self):
        super().__init__()
        down = {"kernel_size": 3, "stride": 2, "padding": 1}
        self.layers = nn.Sequential(
            CNNBlock(3, 16, **down), CNNBlock(16, 32, **down), CNNBlock(32, 64, **down),
            CNNBlock(64, 64, kernel_size=3, padding=1), nn.Conv2d(64, 3 * (C + 5), 1),
        )  # fmt: skip

    def forward(self, x):
        return self.layers(x).unflatten(1, (3, C + 5)).permute(0, 1, 3, 4, 2)


class YoloLoss(nn.Module):
    def forward(self, predictions, target):
        obj, noobj = target[..., 0] == 1, target[..., 0] == 0
        bce = nn.functional.binary_cross_entropy_with_logits
        no_object_loss = bce(predictions[..., 0][noobj], target[..., 0][noobj])
        object_loss = bce(predictions[..., 0][obj], target[..., 0][obj])
        anchors = (S * ANCHORS).reshape(1, 3, 1, 1, 2).expand(*target.shape[:4], 2)
        xy = predictions[..., 1:3].sigmoid()
        wh = (1e-6 + target[..., 3:5] / anchors).log()
        box_loss = nn.functional.mse_loss(xy[obj], target[..., 1:3][obj])
        box_loss = box_loss + nn.functional.mse_loss(predictions[..., 3:5][obj], wh[obj])
        class_loss = nn.functional.cross_entropy(predictions[..., 5:][obj], target[..., 5][obj].long())
        return 10 * box_loss + object_loss + 5 * no_object_loss + class_loss


def cells_to_bboxes(predictions):
    """(n, 3 * S * S, 4) boxes as shares of the picture, and the scores and classes of them."""
    y, x = torch.meshgrid(torch.arange(S), torch.arange(S), indexing="ij")
    xy = (predictions[..., 1:3].sigmoid() + torch.stack([x, y], -1)) / S
    wh = ANCHORS.reshape(1, 3, 1, 1, 2) * predictions[..., 3:5].clamp(max=4).exp()
    boxes = box_convert(torch.cat([xy, wh], -1), "cxcywh", "xyxy").flatten(1, 3)
    return boxes, predictions[..., 0].sigmoid().flatten(1), predictions[..., 5:].argmax(-1).flatten(1)


def evaluate(loader, model):
    found = []
    model.eval()
    with torch.no_grad():
        for x, _ in loader:
            for boxes, scores, classes in zip(*cells_to_bboxes(model(x)), strict=True):
                keep = batched_nms(boxes, scores, classes, 0.4)
                keep = keep[scores[keep] > 0.05]
                found.append((boxes[keep] * IMAGE_SIZE, scores[keep], classes[keep]))
    truth = [(torch.from_numpy(boxes), torch.from_numpy(labels)) for _, boxes, labels in loader.dataset.scenes]
    return ap50(found, truth)


train_loader = DataLoader(YoloDataset(600, 0), batch_size=16, shuffle=True)
test_loader = DataLoader(YoloDataset(100, 1), batch_size=20)
model = YOLO()
optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, weight_decay=1e-4)
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / WARMUP))
loss_fn = YoloLoss()
for epoch in range(NUM_EPOCHS):
    model.train()
    for x, y in train_loader:
        loss = loss_fn(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    print(f"Epoch {epoch} loss {loss.item():.3f}")
    if epoch % 3 == 2:
        print(f"MAP: {evaluate(test_loader, model):.3f}")
