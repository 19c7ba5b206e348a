"""Where the questions of ssh arrive, and are answered by whoever looks at the screen.

The helper (``askpass``) talks to a socket in the private runtime directory.  Answers are passed on and kept nowhere.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shlex
import socket
import struct
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dettui.domain.question import Question, QuestionKind
from dettui.errors import AgentUnavailable
from dettui.feed.ssh import askpass
from dettui.store.text import clean, clean_lines
from dettui_probe.places import ensure_private, runtime_dir

_MAX_QUESTION = 64 << 10
_PEER = struct.Struct("3i")


@dataclass(frozen=True)
class Hosts:
    """What a dashboard needs of hosts: where their questions arrive, and how to call those again that are down."""

    desk: Desk
    log_in: Callable[[], None]


@dataclass
class _Waiting:
    """A question, the connection that it came over, and what it is answered with."""

    question: Question
    connection: socket.socket
    answered: threading.Event = field(default_factory=threading.Event)


class Desk:
    """Takes questions from helpers in threads of its own, and answers from any thread."""

    def __init__(self) -> None:
        """Raises AgentUnavailable where there is no place for the helper."""
        home = ensure_private(runtime_dir())
        name = secrets.token_hex(4)
        self._path = home / f"ask-{name}.s"
        self._helper = _write_helper(f"ask-{name}", (home, Path.home() / ".cache" / "dettui"))
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._listener.listen()
        self._lock = threading.Lock()
        self._waiting: dict[int, _Waiting] = {}
        self._asked: dict[str, str] = {}  # host -> the question that was answered last
        self._next_id = 0
        self.on_change: Callable[[], object] = lambda: None  # called whenever ``questions`` changes, in any thread
        threading.Thread(target=self._listen, name="desk", daemon=True).start()

    def environment(self, host: str) -> dict[str, str]:
        """What tells ssh to ask here, for the connection to *host*."""
        return {
            "SSH_ASKPASS": str(self._helper),
            "SSH_ASKPASS_REQUIRE": "force",  # from OpenSSH 8.4 on; older ones ask so where they have no terminal
            "DISPLAY": os.environ.get("DISPLAY") or ":0",
            "DETTUI_ASK": str(self._path),
            "DETTUI_ASK_HOST": host,
        }

    @property
    def questions(self) -> tuple[Question, ...]:
        """What waits for an answer, oldest first."""
        with self._lock:
            return tuple(waiting.question for waiting in self._waiting.values())

    def is_asking(self, host: str) -> bool:
        """True while a question of the connection to *host* waits."""
        return any(question.host == host for question in self.questions)

    def answer(self, question: int, text: str | None) -> None:
        """Answer the question with the id *question*; None refuses.  One that was withdrawn is forgotten already."""
        with self._lock:
            waiting = self._waiting.pop(question, None)
            if waiting is not None and text is not None:
                self._asked[waiting.question.host] = waiting.question.text
        if waiting is not None:
            _send(waiting.connection, text)
            waiting.answered.set()
            self.on_change()

    def begin(self, host: str) -> None:
        """A new connection to *host* is tried: what was asked before is no repetition."""
        with self._lock:
            self._asked.pop(host, None)

    def close(self) -> None:
        """Refuse what waits and take no more.  Idempotent."""
        for question in self.questions:
            self.answer(question.id, None)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._path.unlink(missing_ok=True)
        self._helper.unlink(missing_ok=True)

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._attend, args=(connection,), name="question", daemon=True).start()

    def _attend(self, connection: socket.socket) -> None:
        """Take the question that comes over *connection*, and keep it until it is answered or its helper goes."""
        with connection:
            asked = _question(connection) if _is_ours(connection) else None
            if asked is None:
                return
            waiting = self._take(connection, *asked)
            while not waiting.answered.is_set():
                try:
                    if not connection.recv(1):
                        break
                except OSError:
                    break
            with self._lock:
                withdrawn = self._waiting.pop(waiting.question.id, None)
        if withdrawn is not None:
            self.on_change()

    def _take(self, connection: socket.socket, host: str, text: str, hint: str) -> _Waiting:
        with self._lock:
            self._next_id += 1
            is_repeated = self._asked.get(host) == text
            waiting = _Waiting(Question(self._next_id, host, text, kind_of(text, hint), is_repeated), connection)
            self._waiting[self._next_id] = waiting
        self.on_change()
        return waiting


def kind_of(text: str, hint: str) -> QuestionKind:
    """What is asked for by *text*; ssh's *hint* is empty for passwords and host keys alike."""
    if hint == "none":
        return "notice"
    if hint == "confirm":
        return "confirm"
    return "yes_no" if "(yes/no" in text else "secret"


def _question(connection: socket.socket) -> tuple[str, str, str] | None:
    with connection.makefile("rb") as lines:
        line = lines.readline(_MAX_QUESTION)
    try:
        fields: Any = json.loads(line)
        host, text, hint = (fields[name] for name in ("host", "text", "hint"))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return (clean(str(host)), clean_lines(str(text), 4_000), str(hint))


def _is_ours(connection: socket.socket) -> bool:
    """True where the other end is a process of this user; the directory lets nobody else in anyway."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    _, uid, _ = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return bool(uid == os.getuid())


def _send(connection: socket.socket, text: str | None) -> None:
    with contextlib.suppress(OSError):  # it may have gone
        connection.sendall(json.dumps(text).encode() + b"\n")
        connection.shutdown(socket.SHUT_RDWR)


def _write_helper(name: str, places: tuple[Path, ...]) -> Path:
    """The program that ssh is to run: one file without arguments, in the first of *places* that lets programs run."""
    text = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -I -S {shlex.quote(str(Path(askpass.__file__)))} "$@"\n'
    for place in places:
        try:
            helper = ensure_private(place) / name
            helper.touch(mode=0o700, exist_ok=False)
            helper.write_text(text)
        except OSError:
            continue
        if os.access(helper, os.X_OK):
            return helper
        helper.unlink()
    raise AgentUnavailable(f"no program may be run in {' or '.join(map(str, places))}: set DETTUI_HOME elsewhere")
