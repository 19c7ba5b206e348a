"""A DETR in miniature: a set of queries, each with its place, matched to objects by class and box."""

import torch
from data import KINDS, map50, scenes
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision.ops import box_convert, generalized_box_iou

torch.manual_seed(0)
QUERIES, D_MODEL = 16, 64


class ShapesDetection(Dataset):
    def __init__(self, count, seed):
        self.items = scenes(count, seed)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, idx):
        img, boxes, labels = self.items[idx]
        h, w = img.shape[:2]
        image = torch.from_numpy(img / 255).permute(2, 0, 1).float()
        boxes, labels = torch.from_numpy(boxes), torch.from_numpy(labels)
        keep = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        boxes = box_convert(boxes, "xyxy", "cxcywh")
        boxes = boxes / torch.tensor([w, h, w, h])
        return (image - 0.45) / 0.225, {"boxes": boxes[keep], "labels": labels[keep]}


def collate_fn(batch):
    return torch.stack([image for image, _ in batch]), [target for _, target in batch]


def sine_embedding(xy):
    """(n, 2) places in 0..1 to (n, D_MODEL)."""
    angles = 6.283 * xy[..., None] * 1.5 ** torch.arange(D_MODEL // 4)
    return torch.cat([angles.sin(), angles.cos()], -1).flatten(-2)


def grid(side):
    ticks = (torch.arange(side) + 0.5) / side
    return torch.cartesian_prod(ticks, ticks).flip(-1)


class DETR(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        layers = []
        for i, o in ((3, 16), (16, 32), (32, D_MODEL)):
            layers += [nn.Conv2d(i, o, 3, 2, 1), nn.BatchNorm2d(o), nn.ReLU()]
        self.backbone = nn.Sequential(*layers)
        self.encoder = nn.TransformerEncoderLayer(D_MODEL, 4, 128, dropout=0.0, batch_first=True)
        decoder_layer = nn.TransformerDecoderLayer(D_MODEL, 4, 128, dropout=0.0, batch_first=True)
        self.decoder = nn.TransformerDecoder(decoder_layer, 2)
        self.class_embed = nn.Linear(D_MODEL, num_classes + 1)
        self.bbox_embed = nn.Sequential(nn.Linear(D_MODEL, D_MODEL), nn.ReLU(), nn.Linear(D_MODEL, 4))
        self.register_buffer("pos", sine_embedding(grid(8)))
        self.register_buffer("reference", grid(4))
        self.query_embed = nn.Linear(D_MODEL, D_MODEL)

    def forward(self, images):
        src = self.backbone(images).flatten(2).transpose(1, 2)
        memory = self.encoder(src + self.pos) + self.pos
        queries = self.query_embed(sine_embedding(self.reference)).expand(len(images), -1, -1)
        hs = self.decoder(queries, memory)
        reference = torch.cat([self.reference, torch.full((QUERIES, 2), 0.3)], 1).logit()
        return {"pred_logits": self.class_embed(hs), "pred_boxes": (self.bbox_embed(hs) + reference).sigmoid()}


def giou(boxes, others):
    return generalized_box_iou(box_convert(boxes, "cxcywh", "xyxy"), box_convert(others, "cxcywh", "xyxy"))


@torch.no_grad()
def matcher(outputs, targets):
    """Greedy: the cheapest pair of an image first, its query and its object are then taken."""
    labels, boxes = (torch.cat([target[k] for target in targets]) for k in ("labels", "boxes"))
    out_boxes = outputs["pred_boxes"].flatten(0, 1)
    cost = 5 * torch.cdist(out_boxes, boxes, p=1) - 2 * giou(out_boxes, boxes)
    cost = (cost - outputs["pred_logits"].flatten(0, 1).softmax(-1)[:, labels]).unflatten(0, (len(targets), -1))
    indices = []
    for i, part in enumerate(cost.split([len(target["labels"]) for target in targets], -1)):
        pairs, taken = {}, set()
        for pair in part[i].flatten().argsort().tolist():
            query, thing = divmod(pair, part.shape[-1])
            if thing not in pairs and query not in taken:
                pairs[thing] = query
                taken.add(query)
        indices.append(torch.tensor([[*pairs.values()], [*pairs]], dtype=torch.long))
    return indices


class SetCriterion(nn.Module):
    def __init__(self, num_classes, eos_coef):
        super().__init__()
        self.num_classes = num_classes
        self.register_buffer("empty_weight", torch.tensor([1.0] * num_classes + [eos_coef]))

    def forward(self, outputs, targets):
        indices = matcher(outputs, targets)
        batch_idx = torch.cat([torch.full_like(src, i) for i, (src, _) in enumerate(indices)])
        idx = batch_idx, torch.cat([src for src, _ in indices])
        target_classes = torch.full(outputs["pred_logits"].shape[:2], self.num_classes)
        target_classes[idx] = torch.cat([t["labels"][tgt] for t, (_, tgt) in zip(targets, indices, strict=True)])
        src_boxes = outputs["pred_boxes"][idx]
        target_boxes = torch.cat([t["boxes"][tgt] for t, (_, tgt) in zip(targets, indices, strict=True)])
        return {
            "ce": F.cross_entropy(outputs["pred_logits"].transpose(1, 2), target_classes, self.empty_weight),
            "bbox": F.l1_loss(src_boxes, target_boxes, reduction="sum") / max(1, len(target_boxes)),
            "giou": (1 - giou(src_boxes, target_boxes).diag()).sum() / max(1, len(target_boxes)),
        }


dataset_val = ShapesDetection(100, 1)
truth = [(torch.from_numpy(boxes), torch.from_numpy(labels)) for _, boxes, labels in dataset_val.items]
data_loader_train = DataLoader(ShapesDetection(600, 0), 16, shuffle=True, collate_fn=collate_fn, drop_last=True)
data_loader_val = DataLoader(dataset_val, 20, collate_fn=collate_fn)
model, criterion = DETR(len(KINDS)), SetCriterion(len(KINDS), eos_coef=0.2)
weight_dict = {"ce": 1, "bbox": 5, "giou": 2}
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4)
lr_scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 8)
for epoch in range(10):
    model.train()
    for samples, targets in data_loader_train:
        loss_dict = criterion(model(samples), targets)
        losses = sum(loss_dict[k] * weight_dict[k] for k in loss_dict)
        optimizer.zero_grad()
        losses.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    lr_scheduler.step()
    print(f"Epoch: [{epoch}] loss: {losses:.4f}", " ".join(f"loss_{k}: {v:.4f}" for k, v in loss_dict.items()))
    if epoch % 3 == 0:
        model.eval()
        results = []
        with torch.no_grad():
            for samples, _ in data_loader_val:
                outputs = model(samples)
                scores, labels = outputs["pred_logits"].softmax(-1)[..., :-1].max(-1)
                boxes = box_convert(outputs["pred_boxes"], "cxcywh", "xyxy") * 64
                results += zip(boxes, scores, labels, strict=True)
        print(f"Test: AP50 = {map50(results, truth):.4f}", flush=True)
