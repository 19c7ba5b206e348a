"""One thread, known dice, and no chatter of libraries."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Iterator

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the network for a newer version at import

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def known_dice() -> None:
    torch.manual_seed(0)
    random.seed(0)


@pytest.fixture(autouse=True)
def library_chatter() -> Iterator[None]:
    """albumentations warns of a Compose that has nothing to do with boxes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Got processor for bboxes")
        yield
