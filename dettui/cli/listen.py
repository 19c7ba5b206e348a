"""Receive runs of other hosts over TCP, where they share no disk with this one and ssh leads nowhere.

Nothing listens on TCP unless you run this.  What comes is encrypted, only keys that you allow are let in, and nothing
is ever sent to a training.  What is received is written into logs of this host, so that the dashboard, `dettui ls` and
`dettui doctor` show it like any other run.  The training's own log stays complete on its own host.

examples:
  here            dettui keys                         makes this machine's key
                  dettui listen 10.0.0.5:7733         prints the address to use there, and stays until Ctrl-C
  on the other    python -m dettui_probe.keys         prints that machine's public key
  here            dettui keys allow KEY gpu07
  on the other    DETTUI_CONNECT=tcp://...@10.0.0.5:7733 python -m dettui_probe train.py
"""

from __future__ import annotations

import argparse
import signal
import sys

from dettui.errors import BadUsage
from dettui.store.text import clean
from dettui_probe.keys import KeysRefused, make_pair


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("address", metavar="HOST:PORT", help="an address of this machine; port 0 takes a free one")


def run(arguments: argparse.Namespace) -> int:
    """Listen until Ctrl-C; 0."""
    host, port = host_and_port(arguments.address)
    from dettui.feed.listen.service import Listener  # noqa: PLC0415 - `--help` need not wait for zmq

    try:
        make_pair()
        listener = Listener(host, port, _say)
    except (KeysRefused, OSError) as error:
        raise BadUsage(str(error)) from error

    def stop(_signal: int, _frame: object) -> None:
        listener.stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print(f"listening; on the training's host set\n  DETTUI_CONNECT={listener.address}", flush=True)
    try:
        listener.run()
    finally:
        listener.close()
    return 0


def host_and_port(text: str) -> tuple[str, int]:
    """The two halves of ``HOST:PORT``.  Raises BadUsage."""
    host, _, port = text.removeprefix("tcp://").rpartition(":")
    if not host or not port.isdecimal() or int(port) >= 1 << 16:
        raise BadUsage(f"where? For example: dettui listen 10.0.0.5:7733 (not {text!r})")
    return host, int(port)


def _say(line: str) -> None:
    print(clean(line, 300), file=sys.stdout, flush=True)
