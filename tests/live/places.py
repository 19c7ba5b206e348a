"""Where tests keep what they make."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

LONGEST_ROOT: Final = 20  # characters: sockets lie below it, and their paths end at 107


def short_directory(prefix: str = "dt-") -> Path:
    """A new directory with a short path."""
    root = tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix=prefix, dir=root if len(root) <= LONGEST_ROOT else "/tmp"))
