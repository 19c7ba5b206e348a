"""The fine-tuning tutorial of torchvision: Faster R-CNN on one's own dataset, with the box predictor replaced."""

import numpy as np
import torch
import torchvision
from data import CLASSES, ap50, scene
from torch import nn
from torch.utils.data import DataLoader
from torchvision import tv_tensors
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.transforms import v2 as T

torch.manual_seed(0)


class ShapesDataset(torch.utils.data.Dataset):
    def __init__(self, count, seed, transforms):
        generator = np.random.default_rng(seed)
        self.scenes = [scene(generator, most=2, sizes=(14, 28)) for _ in range(count)]
        self.transforms = transforms

    def __getitem__(self, idx):
        img, boxes, labels = self.scenes[idx]
        img = tv_tensors.Image(torch.from_numpy(img).permute(2, 0, 1))
        target = {
            "boxes": tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=img.shape[-2:]),
            "labels": torch.as_tensor(labels) + 1,
            "image_id": idx,
        }
        return self.transforms(img, target)

    def __len__(self):
        return len(self.scenes)


def get_transform(train):
    transforms = [T.RandomHorizontalFlip(0.5), T.RandomZoomOut(side_range=(1.0, 1.5), p=0.8)] if train else []
    return T.Compose([*transforms, T.ToDtype(torch.float, scale=True), T.ToPureTensor()])


def conv(inputs, outputs):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


def get_model(num_classes):
    backbone = nn.Sequential(conv(3, 16), conv(16, 32), conv(32, 64), nn.Conv2d(64, 64, 3, 1, 1), nn.ReLU())
    backbone.out_channels = 64
    model = FasterRCNN(
        backbone, box_head=TwoMLPHead(64 * 16, 256), box_predictor=FastRCNNPredictor(256, 91), min_size=64, max_size=64,
        rpn_anchor_generator=AnchorGenerator(sizes=((14, 20, 28),), aspect_ratios=((0.6, 1.0, 1.6),)),
        box_roi_pool=torchvision.ops.MultiScaleRoIAlign(["0"], output_size=4, sampling_ratio=2),
        rpn_post_nms_top_n_train=60, rpn_post_nms_top_n_test=20, box_batch_size_per_image=32, box_nms_thresh=0.3,
    )  # fmt: skip
    in_features = model.roi_heads.box_predictor.cls_score.in_features
    model.roi_heads.box_predictor = FastRCNNPredictor(in_features, num_classes)
    return model


def collate_fn(batch):
    return tuple(zip(*batch, strict=True))


dataset = ShapesDataset(200, 0, get_transform(train=True))
dataset_test = ShapesDataset(50, 1, get_transform(train=False))
data_loader = DataLoader(dataset, batch_size=4, shuffle=True, collate_fn=collate_fn)
data_loader_test = DataLoader(dataset_test, batch_size=10, collate_fn=collate_fn)
model = get_model(len(CLASSES) + 1)
params = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.SGD(params, lr=0.02, momentum=0.9, weight_decay=0.0005)
lr_scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=4, gamma=0.2)
for epoch in range(6):
    model.train()
    for images, targets in data_loader:
        loss_dict = model(images, targets)
        losses = sum(loss for loss in loss_dict.values())
        optimizer.zero_grad()
        losses.backward()
        optimizer.step()
    lr_scheduler.step()
    model.eval()
    with torch.no_grad():
        found = [output for images, _ in data_loader_test for output in model(images)]
    found = [(o["boxes"], o["scores"], o["labels"] - 1) for o in found]
    truth = [(torch.from_numpy(boxes), torch.from_numpy(labels)) for _, boxes, labels in dataset_test.scenes]
    print(f"Epoch {epoch} loss {losses.item():.4f} AP50 {ap50(found, truth):.3f}")
