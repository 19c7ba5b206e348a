"""Loading the modules of the dashboard."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept_for_good() -> Iterator[None]:
    """What is loaded within lives as long as the process: the collector looks for no garbage in it, then nor later.

    Going through half-loaded modules was a tenth of the time to the first picture.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
