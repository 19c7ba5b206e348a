"""Wrote v1.0.dlog, once: every message of version 1.0 with every field set.  Kept to show what is in it.

python tests/wire/golden/make_1_0.py NEW_FILE
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

from dettui_probe import framing, wire

MESSAGES: tuple[wire.AnyMessage, ...] = (
    wire.Hello(
        version=(1, 0),
        run="golden-1a2b",
        boot="00112233445566ff",
        rank=1,
        world=2,
        name="golden",
        host="box",
        host_boot="b00t",
        pid=42,
        pid_start=4242,
        started=1.5e9,
        argv=["train.py", "--lr", "0.1"],
        cwd="/train",
        python="/usr/bin/python3",
        probe_version="0.1.0",
        config={"lr": 0.1, "seed": 7, "amp": False, "sizes": [1, 2]},
        class_names=["background", "cat"],
        total_steps=100,
        steps_per_epoch=10,
    ),
    wire.Tags(0, ["loss/total", "lr/pg0"]),
    wire.Batch(
        [
            wire.Block(
                [0, 1],
                struct.pack("<2q", 1, 2),
                struct.pack("<2d", 1.5e9, 1.5e9 + 1),
                struct.pack("<4d", 0.5, 0.1, float("nan"), float("inf")),
            )
        ]
    ),
    wire.Counts(2, 1.5e9, "targets", [1], [17]),
    wire.Event(2, 1.5e9, "nonfinite", "loss/total became NaN", {"tag": "loss/total"}),
    wire.Model(2, 1.5e9, "torchvision.FasterRCNN", 2, 0, 100, 90, 80, ["head.weight"], 3, "SGD", True),
    wire.Beat(1.5e9, 2, "backward", 0.004, 5, {"layers": 8}),
    wire.Bye(1.5e9, 2, "exception", 1, "ValueError: no"),
)


if __name__ == "__main__":
    frames = [framing.pack(seq, wire.encode(message)) for seq, message in enumerate(MESSAGES)]
    with Path(sys.argv[1]).open("xb") as log:
        log.write(framing.MAGIC + b"".join(frames))
