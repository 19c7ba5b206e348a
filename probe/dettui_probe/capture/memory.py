"""Memory of the process and of its device, read on the writer thread."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from dettui_probe import tags
from dettui_probe.capture.record import Reading, Sheet
from dettui_probe.capture.torchlib import Tensor, torch

_STATM: Final = Path("/proc/self/statm")  # the second field: resident pages
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def read_memory(_arrived: Sequence[Tensor], sheet: Sheet) -> None:
    """Fill in what is in use now; what this system does not tell stays absent."""
    if _STATM.exists():
        sheet.values[tags.MEM_RSS] = float(int(_STATM.read_text().split()[1]) * _PAGE_BYTES)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # never the first to touch the device
        sheet.values[tags.MEM_DEVICE] = float(torch.cuda.memory_allocated())
        sheet.values[tags.MEM_DEVICE_PEAK] = float(torch.cuda.max_memory_allocated())


MEMORY: Final = Reading((), read_memory)
