"""What the scripts here learn: small pictures of ten kinds, and sentences of a small grammar."""

import torch
from torch.nn.functional import interpolate

KINDS = 10
SIDE = 16


def pictures(count: int, seed: int, kinds: int = KINDS, noise: float = 0.08) -> tuple[torch.Tensor, torch.Tensor]:
    """(count, 1, SIDE, SIDE) in 0..1 and (count,) kinds: a blot of each kind, moved, brightened and noisy."""
    shapes = torch.rand(kinds, 1, 5, 5, generator=torch.Generator().manual_seed(7))
    blots = interpolate(shapes, size=(SIDE, SIDE), mode="bicubic").sub(0.5).mul(3).sigmoid()
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(kinds, (count,), generator=generator)
    images = blots[labels]
    moved = torch.randint(-3, 4, (count, 2), generator=generator).tolist()
    images = torch.stack([image.roll((y, x), (1, 2)) for image, (y, x) in zip(images, moved, strict=True)])
    images = images * (0.6 + 0.4 * torch.rand(count, 1, 1, 1, generator=generator))
    return (images + noise * torch.randn(images.shape, generator=generator)).clamp(0, 1), labels


def sentences(count: int, length: int, seed: int, words: int = 24) -> torch.Tensor:
    """(count, length) words, each after the two before it by the same rule in nine of ten places."""
    generator = torch.Generator().manual_seed(seed)
    text = torch.randint(words, (count, length), generator=generator)
    free = torch.rand(count, length, generator=generator) < 0.1
    for place in range(2, length):
        ruled = (text[:, place - 1] * 5 + text[:, place - 2] + 3) % words
        text[:, place] = torch.where(free[:, place], text[:, place], ruled)
    return text
