"""For every test: torch computes on one thread, here and in the trainings that tests start.

On a busy machine the threads of one small operation wait for each other: tests took six times as long.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
