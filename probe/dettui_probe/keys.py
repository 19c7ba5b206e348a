"""Keys for TCP, which nobody listens on unless asked: this user's own pair, and whose probes may connect.

    <keys dir>/secret.key    64 hex digits, mode 0600, made with O_EXCL, never written again
    <keys dir>/allowed       one line a peer: 64 hex digits of a public key, a blank, a name

They are keys of CurveZMQ.  The secret one is in its file and nowhere else: no environment, command line or log.
``python -m dettui_probe.keys`` prints the public one, and makes the pair where there is none.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from dettui_probe.identity import slug
from dettui_probe.places import ensure_private

_PUBLIC: Final = re.compile(r"[0-9a-f]{64}")
_ADDRESS: Final = re.compile(r"tcp://([0-9a-f]{64})@(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})")
_MAX_BYTES: Final = 1 << 20


class KeysRefused(Exception):
    """The keys cannot be used; the text is one line that says what to do."""


class Pair(NamedTuple):
    """A key pair, 32 bytes each."""

    public: bytes
    secret: bytes


class Address(NamedTuple):
    """Where an agent listens, and the public key by which it is known."""

    endpoint: str  # tcp://host:port
    key: bytes


def keys_dir() -> Path:
    """$DETTUI_KEYS, else ~/.config/dettui/keys."""
    chosen = os.environ.get("DETTUI_KEYS")
    return Path(chosen) if chosen else Path("~/.config/dettui/keys").expanduser()


def address_of(text: str) -> Address:
    """The address in ``tcp://<public key>@host:port``.  Raises KeysRefused."""
    found = _ADDRESS.fullmatch(text)
    if found is None or not 0 < int(found[3]) < 1 << 16:
        raise KeysRefused("an address is tcp://KEY@HOST:PORT; `dettui listen` prints its own")
    return Address(f"tcp://{found[2]}:{found[3]}", bytes.fromhex(found[1]))


def public_key(text: str) -> str:
    """*text* where it is a public key in hex.  Raises KeysRefused."""
    if not _PUBLIC.fullmatch(text):
        raise KeysRefused("a public key has 64 hex digits; `dettui keys` on the other machine prints its own")
    return text


def own_pair() -> Pair:
    """This user's pair.  Raises KeysRefused where there is none, or where others could have read or put it there."""
    path = keys_dir() / "secret.key"
    try:
        ensure_private(path.parent)
        secret = _secret_in(path)
    except FileNotFoundError as error:
        raise KeysRefused(f"there is no key in {path}: `dettui keys` makes one") from error
    except OSError as error:
        raise KeysRefused(f"the key cannot be used: {error}") from error
    return _pair_of(secret)


def make_pair() -> Pair:
    """This user's pair, made where there is none yet.  Raises KeysRefused."""
    path = keys_dir() / "secret.key"
    try:
        ensure_private(path.parent)
        with contextlib.suppress(FileExistsError):
            _write_new(path, _fresh_secret().hex().encode() + b"\n")
    except OSError as error:
        raise KeysRefused(f"no key can be made: {error}; set DETTUI_KEYS to a directory of your own") from error
    return own_pair()


def allowed() -> dict[str, str]:
    """Public keys that may connect, and their names.  A line that is none is passed over; no file allows nobody."""
    try:
        with (keys_dir() / "allowed").open("rb") as file:
            lines = file.read(_MAX_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return {}
    entries = (line.split(None, 1) for line in lines)
    return {e[0]: slug(e[1] if len(e) > 1 else "") for e in entries if e and _PUBLIC.fullmatch(e[0])}


def allow(key: str, name: str) -> None:
    """Let the probe with the public *key* connect, under *name*.  Raises KeysRefused."""
    _write_allowed({**allowed(), public_key(key): slug(name)})


def revoke(text: str) -> dict[str, str]:
    """No longer let in whoever has the key or the name *text*; what was taken out."""
    known = allowed()
    gone = {key: name for key, name in known.items() if text in (key, name)}
    if gone:
        _write_allowed({key: name for key, name in known.items() if key not in gone})
    return gone


def _write_allowed(peers: Mapping[str, str]) -> None:
    path = keys_dir() / "allowed"
    draft = path.with_name(f"allowed.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        ensure_private(path.parent)
        _write_new(draft, "".join(f"{key} {name}\n" for key, name in peers.items()).encode())
        draft.replace(path)
    except OSError as error:
        raise KeysRefused(f"the list cannot be written: {error}") from error


def _write_new(path: Path, content: bytes) -> None:
    """Raises FileExistsError where there is such a file, or a symlink."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(fd)


def _secret_in(path: Path) -> bytes:
    """Raises OSError where the file is not there, not ours, or open to others."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid():
            raise PermissionError(f"{path} is not a file of our own")
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise PermissionError(f"{path} is open to others: chmod 600 it, and make a new one if it may be known")
        text = file.read(65).decode("ascii", "replace").strip()
    if not _PUBLIC.fullmatch(text):
        raise PermissionError(f"{path} holds no key: remove it, and `dettui keys` makes another")
    return bytes.fromhex(text)


def _fresh_secret() -> bytes:
    import zmq  # noqa: PLC0415 - only for those who ask for TCP
    from zmq.utils import z85  # noqa: PLC0415

    _require_curve()
    return bytes(z85.decode(zmq.curve_keypair()[1]))


def _pair_of(secret: bytes) -> Pair:
    import zmq  # noqa: PLC0415 - as above
    from zmq.utils import z85  # noqa: PLC0415

    _require_curve()
    return Pair(bytes(z85.decode(zmq.curve_public(z85.encode(secret)))), secret)


def _require_curve() -> None:
    import zmq  # noqa: PLC0415 - as above

    if not zmq.has("curve"):
        raise KeysRefused("this libzmq was built without CURVE: install pyzmq from its wheel")


def main() -> int:
    """Print the public key of this user; the exit code."""
    try:
        print(make_pair().public.hex())
    except KeysRefused as error:
        print(f"dettui: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
