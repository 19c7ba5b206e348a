"""What every test lives with: slow machines, busy disks, and other tests beside it."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings

MEMORY_DISK = Path("/dev/shm")
ENOUGH_BYTES = 1 << 30

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def compute_on_one_thread() -> None:
    """Here and in the trainings that tests start.  On a busy machine the threads of one small operation wait for each
    other: tests took six times as long."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def live_in_memory() -> None:
    """Keep temporary files off a disk that others keep busy: where one write takes a second, the probe gives up on it,
    as it should.  Disks that are full, frozen or broken are made for the tests that need them."""
    try:
        has_room = shutil.disk_usage(MEMORY_DISK).free > ENOUGH_BYTES and os.access(MEMORY_DISK, os.W_OK | os.X_OK)
    except OSError:
        return
    if has_room and "TMPDIR" not in os.environ:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY_DISK)


def take_ctrl_c() -> None:
    """Here and in what tests start: what is started in the background may have been told to ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


compute_on_one_thread()
live_in_memory()
take_ctrl_c()
