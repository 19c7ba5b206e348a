"""DataLoader workers that are spawned, or forked by a server, hear nothing of ours by themselves: no memory of the
parent's reaches them.  What does is the function that they are to run.

torch's ``_worker_loop`` is replaced by an object that calls it, and that pickles as "listen, then take torch's own
loop".  The writing end of the parent's pipe travels by multiprocessing's own means, as that of a Connection does.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any, Final

from dettui_probe.fence import Fence, Ledger

MODULE: Final = "torch.utils.data._utils.worker"
NAME: Final = "_worker_loop"
MAX_BYTES: Final = 2048  # of one warning; a write to a pipe of up to 4096 bytes is never torn


class HeardLoop:
    """torch's loop of a worker; where it is pickled, the unpickled one tells its warnings to *end*.

    *keeper* holds *end* open for as long as anybody may pickle this."""

    def __init__(self, original: Callable[..., Any], end: int, keeper: object) -> None:
        self.original = original
        self._end = end
        self._keeper = keeper

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.original(*args, **kwargs)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return listening_loop, (_for_the_child(self._end),)


def _for_the_child(end: int) -> Any:
    """What travels to a process that is being spawned, and there becomes a descriptor; None elsewhere."""
    from multiprocessing import context, reduction  # noqa: PLC0415 - loaded by whoever spawns, and by nobody else

    duplicate = getattr(reduction, "DupFd", None)
    return None if duplicate is None or context.get_spawning_popen() is None else duplicate(end)


def follow(end: int, keeper: object) -> HeardLoop | None:
    """Let workers that are spawned from now on write to *end*; None where torch is not there, or has no such loop."""
    module = sys.modules.get(MODULE)
    original = getattr(module, NAME, None)
    if not callable(original) or isinstance(original, HeardLoop):
        return None
    loop = HeardLoop(original, end, keeper)
    setattr(module, NAME, loop)
    return loop


def unfollow(loop: HeardLoop) -> None:
    """Put torch's own loop back.  Where somebody wrapped ours since, theirs stays."""
    module = sys.modules.get(MODULE)
    if getattr(module, NAME, None) is loop:
        setattr(module, NAME, loop.original)


def listening_loop(end: Any) -> Any:
    """In the spawned worker: torch's own loop, once the warnings of this process are told to *end*."""
    if end is not None:
        Fence("warnings", Ledger(lambda part, text: None)).run(_tell_to, end)
    return getattr(importlib.import_module(MODULE), NAME)


def _tell_to(end: Any) -> None:
    descriptor = end.detach()
    original, fence = warnings.showwarning, Fence("warnings", Ledger(lambda part, text: None))

    def tell(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, *rest: Any, **more: Any
    ) -> None:
        fence.run(write, descriptor, f"{category.__name__}\t{filename}:{lineno}\t{message}")
        original(message, category, filename, lineno, *rest, **more)

    warnings.showwarning = tell


def write(end: int, text: str) -> None:
    """One warning into the pipe whose writing end is *end*."""
    try:
        os.write(end, text.replace("\0", " ").encode("utf-8", "replace")[:MAX_BYTES] + b"\0")
    except OSError:  # full, or the parent is gone: the warning was shown all the same
        return
