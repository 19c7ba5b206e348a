"""Images of bright shapes with their boxes: what every detector here learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

CLASSES = ("box", "disc", "triangle")
SIDE = 96


def scene(generator: np.random.Generator) -> tuple[Image.Image, list[tuple[int, NDArray[np.float64]]]]:
    """A picture, and (class, box as cx, cy, w, h in shares of the picture) of each of its one to three shapes."""
    picture = Image.new("RGB", (SIDE, SIDE), tuple(generator.integers(0, 90, 3).tolist()))
    draw, objects = ImageDraw.Draw(picture), []
    for _ in range(int(generator.integers(1, 4))):
        width, height = generator.integers(14, 40, 2).tolist()
        x, y = int(generator.integers(0, SIDE - width)), int(generator.integers(0, SIDE - height))
        kind, colour = int(generator.integers(len(CLASSES))), tuple(generator.integers(120, 255, 3).tolist())
        box = (x, y, x + width, y + height)
        if kind == 0:
            draw.rectangle(box, fill=colour)
        elif kind == 1:
            draw.ellipse(box, fill=colour)
        else:
            draw.polygon([(x, y + height), (x + width, y + height), (x + width // 2, y)], fill=colour)
        objects.append((kind, np.array([x + width / 2, y + height / 2, width, height]) / SIDE))
    return picture, objects


def write_yolo(root: Path, count: int, turned: int = 0) -> Path:
    """A dataset as Ultralytics reads it; the labels of training are those of the image *turned* places on."""
    generator = np.random.default_rng(0)
    for part, images in (("train", count), ("val", count // 4)):
        scenes = [scene(generator) for _ in range(images)]
        for kind in ("images", "labels"):
            (root / kind / part).mkdir(parents=True, exist_ok=True)
        for i, (picture, _) in enumerate(scenes):
            objects = scenes[(i + turned) % images][1] if part == "train" else scenes[i][1]
            picture.save(root / "images" / part / f"{i:05d}.png")
            rows = [f"{kind} " + " ".join(f"{number:.6f}" for number in box) for kind, box in objects]
            (root / "labels" / part / f"{i:05d}.txt").write_text("\n".join(rows))
    names = ", ".join(CLASSES)
    file = root / "data.yaml"
    file.write_text(f"path: {root.resolve()}\ntrain: images/train\nval: images/val\nnames: [{names}]\n")
    return file


def single(generator: np.random.Generator, side: int) -> tuple[torch.Tensor, int]:
    """A picture (3, side, side) of one shape, about zero, and its class."""
    while True:
        picture, objects = scene(generator)
        if len(objects) == 1:
            return _pixels(picture.resize((side, side))), objects[0][0]


def mask(generator: np.random.Generator, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A picture (3, side, side), and where its shapes are, (1, side, side)."""
    picture, _ = scene(generator)
    pixels = _pixels(picture.resize((side, side)))
    return pixels, (pixels.amax(0, keepdim=True) > (115 / 255 - 0.4) / 0.25).float()


def _pixels(picture: Image.Image) -> torch.Tensor:
    return (torch.from_numpy(np.asarray(picture, dtype="float32").transpose(2, 0, 1)) / 255 - 0.4) / 0.25
