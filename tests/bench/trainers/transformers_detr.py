"""A tiny DETR of Transformers in a loop of its own: ``transformers_detr.py [none|corners]``"""

import sys

import numpy as np
import torch
from shapes import CLASSES, scene
from transformers import DetrConfig, DetrForObjectDetection, ResNetConfig

fault = sys.argv[1] if len(sys.argv) > 1 else "none"
torch.manual_seed(0)
stem = ResNetConfig(
    embedding_size=16, hidden_sizes=[16, 32, 64, 64], depths=[1] * 4, layer_type="basic", out_features=["stage4"]
)
model = DetrForObjectDetection(
    DetrConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, backbone_config=stem, num_queries=8,
        d_model=64, encoder_layers=1, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4,
        encoder_ffn_dim=128, decoder_ffn_dim=128, num_labels=len(CLASSES),
    )
).train().requires_grad_(True)  # fmt: skip
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4, weight_decay=1e-4)
generator = np.random.default_rng(0)


def target(objects):
    boxes = torch.tensor(np.array([box for _, box in objects]), dtype=torch.float32)
    if fault == "corners":  # as torchvision has them, where DETR wants centres
        boxes = torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], dim=1)
    return {"class_labels": torch.tensor([kind for kind, _ in objects]), "boxes": boxes}


for step in range(400):
    scenes = [scene(generator) for _ in range(8)]
    images = torch.stack([torch.tensor(np.array(picture)).permute(2, 0, 1) / 255 for picture, _ in scenes])
    loss = model(pixel_values=images, labels=[target(objects) for _, objects in scenes]).loss
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
    optimizer.step()
    if step % 50 == 0:
        print(step, loss.item(), flush=True)
