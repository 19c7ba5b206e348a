"""EfficientDet by the training bench of effdet, in a loop of one's own: ``effdet_shapes.py [none|corners]``

Its boxes are y, x, y, x; *corners* gives it x, y, x, y.
"""

import sys

import numpy as np
import torch
from effdet import DetBenchTrain, EfficientDet, get_efficientdet_config
from shapes import CLASSES, SIDE, scene

fault = sys.argv[1] if len(sys.argv) > 1 else "none"
torch.manual_seed(0)
generator = np.random.default_rng(0)
SIZE, MOST = 128, 4

config = get_efficientdet_config("efficientdet_d0")
config.update(
    image_size=(SIZE, SIZE), num_classes=len(CLASSES), fpn_channels=32, fpn_cell_repeats=1, box_class_repeats=1
)
bench = DetBenchTrain(EfficientDet(config, pretrained_backbone=False), create_labeler=True)


def example() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Image (3, SIZE, SIZE), boxes (MOST, 4) and classes (MOST,), filled up with -1."""
    picture, objects = scene(generator)
    pixels = np.asarray(picture.resize((SIZE, SIZE)), dtype="float32").transpose(2, 0, 1)
    boxes, classes = -torch.ones(MOST, 4), -torch.ones(MOST)
    for i, (kind, (x, y, width, height)) in enumerate(objects):
        corners = torch.tensor([x - width / 2, y - height / 2, x + width / 2, y + height / 2]) * SIZE
        boxes[i], classes[i] = corners if fault == "corners" else corners[[1, 0, 3, 2]], kind + 1
    return (torch.from_numpy(pixels) / 255 - 0.4) / 0.25, boxes, classes


assert SIDE < SIZE
images, boxes, classes = map(torch.stack, zip(*(example() for _ in range(160)), strict=True))
optimizer = torch.optim.AdamW(bench.parameters(), lr=2e-3)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=240)
bench.train()
for epoch in range(12):
    for batch in torch.randperm(len(images)).split(8):
        found = bench(images[batch], {"bbox": boxes[batch], "cls": classes[batch]})
        optimizer.zero_grad()
        found["loss"].backward()
        torch.nn.utils.clip_grad_norm_(bench.parameters(), 10.0)
        optimizer.step()
        scheduler.step()
    print(epoch, {key: round(float(value), 3) for key, value in found.items()}, flush=True)
