"""Real file systems that fill up, freeze and break: small ones of our own, mounted for one test."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

_SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN: from now on every access fails with EIO


def _do(*command: object) -> bool:
    return subprocess.run(list(map(str, command)), capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def mounted(place: Path, *how: object) -> Iterator[Path]:
    """A file system mounted at *place*; the test is skipped where that is not allowed."""
    place.mkdir()
    if os.geteuid() != 0 or not _do("mount", *how, place):
        pytest.skip("needs to be root, and allowed to mount")
    try:
        yield place
    finally:
        _do("umount", "-l", place)


@contextlib.contextmanager
def tmpfs(place: Path, size: str) -> Iterator[Path]:
    """A disk of *size* in memory."""
    with mounted(place, "-t", "tmpfs", "-o", f"size={size}", "none") as disk:
        yield disk


@contextlib.contextmanager
def ext4(place: Path) -> Iterator[Path]:
    """A disk of 16 MiB in a file."""
    image = place.with_suffix(".img")
    with image.open("wb") as file:
        file.truncate(16 << 20)
    if not _do("mkfs.ext4", "-q", image):
        pytest.skip("needs mkfs.ext4")
    with mounted(place, "-o", "loop", image) as disk:
        yield disk


def fill(disk: Path) -> Path:
    """Take all that is free on *disk*; the file that does."""
    hog = disk / "hog"
    with hog.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return hog


@contextlib.contextmanager
def frozen(disk: Path) -> Iterator[None]:
    """Every write to *disk* waits until the end of this."""
    if not _do("fsfreeze", "--freeze", disk):
        pytest.skip("needs fsfreeze")
    try:
        yield
    finally:
        _do("fsfreeze", "--unfreeze", disk)


def break_down(disk: Path) -> None:
    """Every access to *disk* fails from now on, as where a controller dies."""
    fd = os.open(disk, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, _SHUTDOWN, struct.pack("I", 2))
    except OSError:
        pytest.skip("needs a kernel that can shut an ext4 down")
    finally:
        os.close(fd)
