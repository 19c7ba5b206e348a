"""A Faster R-CNN fine-tuned in the manner of torchvision's references, on a small backbone, scored by pycocotools."""

import contextlib
import io
import sys

import torch
from data import KINDS, scenes
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign
from torchvision.transforms import v2 as T

torch.manual_seed(0)


class ShapesDataset(Dataset):
    def __init__(self, count, seed, transforms):
        self.imgs, self.transforms = scenes(count, seed, width=80, height=64), transforms

    def __getitem__(self, idx):
        img, boxes, kinds = self.imgs[idx]
        img = tv_tensors.Image(torch.from_numpy(img).permute(2, 0, 1))
        target = {}
        target["boxes"] = tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=img.shape[-2:])
        target["labels"] = torch.from_numpy(kinds) + 1  # 0 is background
        target["image_id"] = idx
        target["area"] = torch.from_numpy((boxes[:, 3] - boxes[:, 1]) * (boxes[:, 2] - boxes[:, 0]))
        target["iscrowd"] = torch.zeros(len(boxes), dtype=torch.int64)
        return self.transforms(img, target)

    def __len__(self):
        return len(self.imgs)


def get_transform(train):
    transforms = [T.RandomHorizontalFlip(0.5)] if train else []
    return T.Compose([*transforms, T.ToDtype(torch.float, scale=True), T.ToPureTensor()])


def collate_fn(batch):
    return tuple(zip(*batch, strict=True))


def get_model(num_classes):
    layers = []
    for i, o in ((3, 16), (16, 32), (32, 48)):
        layers += [nn.Conv2d(i, o, 3, 2, 1, bias=False), nn.GroupNorm(4, o), nn.ReLU()]
    backbone = nn.Sequential(*layers, nn.Conv2d(48, 48, 3, 1, 1), nn.ReLU())
    backbone.out_channels = 48
    return FasterRCNN(
        backbone,
        min_size=64,
        rpn_anchor_generator=AnchorGenerator(sizes=((16, 26),), aspect_ratios=((0.6, 1.0, 1.6),)),
        rpn_pre_nms_top_n_train=200,
        rpn_post_nms_top_n_train=100,
        rpn_post_nms_top_n_test=50,
        rpn_batch_size_per_image=64,
        box_roi_pool=MultiScaleRoIAlign(["0"], 5, 2),
        box_head=TwoMLPHead(48 * 25, 128),
        box_predictor=FastRCNNPredictor(128, num_classes),
        box_batch_size_per_image=48,
    )


def train_one_epoch(model, optimizer, data_loader, epoch):
    model.train()
    warmup_scheduler = None
    if epoch == 0:
        warmup_iters = len(data_loader) - 1
        warmup_scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.001, total_iters=warmup_iters)
    for images, targets in data_loader:
        loss_dict = model(images, targets)
        losses = sum(loss for loss in loss_dict.values())
        if not torch.isfinite(losses):
            sys.exit(f"Loss is {losses.item()}, stopping training")
        optimizer.zero_grad()
        losses.backward()
        optimizer.step()
        if warmup_scheduler is not None:
            warmup_scheduler.step()
    print(f"Epoch: [{epoch}]", "  ".join(f"{name}: {loss.item():.4f}" for name, loss in loss_dict.items()))


@torch.inference_mode()
def evaluate(model, dataset):
    model.eval()
    coco = {"images": [], "annotations": [], "categories": [{"id": i + 1, "name": n} for i, n in enumerate(KINDS)]}
    results = []
    for idx, (_, boxes, kinds) in enumerate(dataset.imgs):
        coco["images"].append({"id": idx})
        for (x1, y1, x2, y2), kind in zip(boxes.tolist(), kinds.tolist(), strict=True):
            ann = {"image_id": idx, "bbox": [x1, y1, x2 - x1, y2 - y1], "category_id": kind + 1, "iscrowd": 0}
            coco["annotations"].append({**ann, "area": (x2 - x1) * (y2 - y1), "id": len(coco["annotations"]) + 1})
        output = model([dataset[idx][0]])[0]
        for (x1, y1, x2, y2), label, score in zip(*(output[k].tolist() for k in ("boxes", "labels", "scores"))):  # noqa: B905
            bbox = [x1, y1, x2 - x1, y2 - y1]
            results.append({"image_id": idx, "bbox": bbox, "category_id": label, "score": score})
    if not results:
        return 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        coco_gt = COCO()
        coco_gt.dataset = coco
        coco_gt.createIndex()
        coco_eval = COCOeval(coco_gt, coco_gt.loadRes(results), "bbox")
        coco_eval.evaluate()
        coco_eval.accumulate()
        coco_eval.summarize()
    return coco_eval.stats[1]


dataset, dataset_test = (
    ShapesDataset(400, 0, get_transform(train=True)),
    ShapesDataset(60, 1, get_transform(train=False)),
)
data_loader = DataLoader(dataset, batch_size=4, shuffle=True, collate_fn=collate_fn)
model = get_model(len(KINDS) + 1)
params = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.SGD(params, lr=0.02, momentum=0.9, weight_decay=0.0005)
lr_scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.1)
for epoch in range(3):
    train_one_epoch(model, optimizer, data_loader, epoch)
    lr_scheduler.step()
    if epoch % 2 == 0:
        print(f"IoU metric: bbox  AP50 = {evaluate(model, dataset_test):.3f}", flush=True)
