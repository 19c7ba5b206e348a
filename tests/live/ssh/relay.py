"""A slow and lossy way to a port, for ssh's ProxyCommand.  Standard library only.

    python relay.py HOST PORT --rate BYTES_PER_S --delay SECONDS --loss SHARE

Each direction carries *rate* bytes a second and delivers after *delay*; a lost segment holds up everything behind it
for another round trip, as TCP's retransmission does.  What does not fit waits, as in the buffer of a router.
"""

from __future__ import annotations

import argparse
import os
import queue
import random
import socket
import sys
import threading
import time
from collections.abc import Callable

SEGMENT = 1_400
BUFFER = 64 << 10


def carry(read: Callable[[], bytes], write: Callable[[bytes], object], asked: argparse.Namespace, seed: int) -> None:
    """Carry bytes in one direction until they end."""
    chance = random.Random(seed)
    on_the_way: queue.Queue[tuple[float, bytes]] = queue.Queue(BUFFER // SEGMENT)

    def deliver() -> None:
        while True:
            due, data = on_the_way.get()
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                write(data)
            except OSError:
                os._exit(0)
            if not data:
                os._exit(0)

    threading.Thread(target=deliver, daemon=True).start()
    sent = due = 0.0
    while True:
        data = read()
        sent = max(sent, time.monotonic()) + len(data) / asked.rate
        lost_s = 2 * asked.delay + 0.05 if chance.random() < asked.loss else 0.0
        due = max(due, sent + asked.delay + lost_s)
        on_the_way.put((due, data))
        if not data:
            return


def main() -> None:
    """Carry both directions."""
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--rate", type=float, default=20_000)
    parser.add_argument("--delay", type=float, default=0.15)
    parser.add_argument("--loss", type=float, default=0.0)
    asked = parser.parse_args()
    there = socket.create_connection((asked.host, asked.port))
    up = threading.Thread(target=carry, args=(lambda: os.read(0, SEGMENT), there.sendall, asked, 1), daemon=True)
    up.start()
    carry(lambda: there.recv(SEGMENT), lambda data: os.write(1, data), asked, 2)
    time.sleep(5)
    sys.exit(0)


if __name__ == "__main__":
    main()
