"""Passes a question of ssh on to the viewer that started it, and prints the answer.

ssh runs this as its SSH_ASKPASS.  Standard library only; it knows nothing but the path of the viewer's socket.
"""

from __future__ import annotations

import json
import os
import socket
import sys


def main() -> int:
    """Ask; 0 with the answer on stdout, 1 where there is none."""
    question = {
        "host": os.environ.get("DETTUI_ASK_HOST", ""),
        "text": sys.argv[1] if len(sys.argv) > 1 else "",
        "hint": os.environ.get("SSH_ASKPASS_PROMPT", ""),
    }
    try:
        with socket.socket(socket.AF_UNIX) as viewer:
            viewer.connect(os.environ["DETTUI_ASK"])
            viewer.sendall(json.dumps(question).encode() + b"\n")
            with viewer.makefile("rb") as answers:
                answer = json.loads(answers.readline() or b"null")
    except (OSError, KeyError, ValueError):
        return 1
    if not isinstance(answer, str):
        return 1
    sys.stdout.buffer.write(answer.encode() + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
