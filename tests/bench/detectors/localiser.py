"""One object a picture: a trunk with a head for its box and a head for its class, as the tutorials train it."""

import cv2
import numpy as np
import torch
from data import KINDS, scenes
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.ops import box_iou

INPUT_SIZE = 64
BATCH_SIZE = 32
NUM_EPOCHS = 10
INIT_LR = 1e-3
BBOX_WEIGHT, LABELS_WEIGHT = 10.0, 1.0

torch.manual_seed(0)
print("[INFO] loading dataset...")
photos = scenes(2000, seed=0, width=96, height=72, most=1)
photos.sort(key=lambda photo: photo[2][0])  # folder by folder: one for each class
images, bboxes, labels = [], [], []
for image, boxes, kinds in photos:
    h, w = image.shape[:2]
    x1, y1, x2, y2 = boxes[0]
    images.append(cv2.resize(image, (INPUT_SIZE, INPUT_SIZE)))
    bboxes.append((x1 / w, y1 / h, x2 / w, y2 / h))
    labels.append(kinds[0])
images = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 255.0
images = (images - 0.45) / 0.225
bboxes, labels = torch.tensor(bboxes, dtype=torch.float32), torch.tensor(labels)
test = torch.arange(len(images)) % 4 == 0
train_images, test_images = images[~test], images[test]
train_bboxes, test_bboxes = bboxes[~test], bboxes[test]
train_labels, test_labels = labels[~test], labels[test]
train_ds = TensorDataset(train_images, train_bboxes, train_labels)
print(f"[INFO] total training samples: {len(train_ds)}...")
train_loader = DataLoader(train_ds, batch_size=BATCH_SIZE, shuffle=True)
truth = [torch.tensor(boxes / (96, 72, 96, 72), dtype=torch.float32) for _, boxes, _ in photos[::4]]


class ObjectDetector(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(),
            nn.Conv2d(32, 32, 3, 2, 1), nn.ReLU(), nn.Flatten(),
        )  # fmt: skip
        self.regressor = nn.Sequential(nn.Linear(2048, 128), nn.ReLU(), nn.Linear(128, 4), nn.Sigmoid())
        self.classifier = nn.Sequential(nn.Linear(2048, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, num_classes))

    def forward(self, x):
        features = self.trunk(x)
        return self.regressor(features), self.classifier(features)


object_detector = ObjectDetector(len(KINDS))
class_loss_func, bbox_loss_func = nn.CrossEntropyLoss(), nn.SmoothL1Loss(beta=0.1)
opt = torch.optim.Adam(object_detector.parameters(), lr=INIT_LR)
for e in range(NUM_EPOCHS):
    object_detector.train()
    total_train_loss = 0
    for batch_images, batch_bboxes, batch_labels in train_loader:
        predicted_bboxes, predicted_labels = object_detector(batch_images)
        bbox_loss = bbox_loss_func(predicted_bboxes, batch_bboxes)
        class_loss = class_loss_func(predicted_labels, batch_labels)
        total_loss = BBOX_WEIGHT * bbox_loss + LABELS_WEIGHT * class_loss
        opt.zero_grad()
        total_loss.backward()
        opt.step()
        total_train_loss += total_loss.item()
    object_detector.eval()
    with torch.no_grad():
        predicted_bboxes, predicted_labels = object_detector(test_images)
    overlaps = torch.stack([box_iou(p[None], t)[0, 0] for p, t in zip(predicted_bboxes, truth, strict=True)])
    found = (overlaps > 0.5) & (predicted_labels.argmax(1) == test_labels)
    print(f"[INFO] EPOCH: {e + 1}/{NUM_EPOCHS} Train loss: {total_train_loss / len(train_loader):.4f}")
    print(f"       Test IoU: {overlaps.mean():.4f}, found: {found.float().mean():.4f}", flush=True)
