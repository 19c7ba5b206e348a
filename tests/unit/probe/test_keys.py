"""Keys: one secret file that only its owner can read, and a list of whom to let in."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from dettui_probe import keys
from dettui_probe.keys import KeysRefused, address_of, allow, allowed, make_pair, own_pair, revoke

KEY = "ab" * 32


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DETTUI_KEYS", str(tmp_path / "keys"))
    return tmp_path / "keys"


def test_a_pair_is_made_once_in_a_file_that_only_its_owner_can_read(directory: Path) -> None:
    old = os.umask(0)
    try:
        pair = make_pair()
    finally:
        os.umask(old)
    assert make_pair() == own_pair() == pair
    assert stat.S_IMODE((directory / "secret.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert (directory / "secret.key").read_text().strip() == pair.secret.hex()


def test_no_pair_is_found_where_none_was_made() -> None:
    with pytest.raises(KeysRefused, match="`dettui keys` makes one"):
        own_pair()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_secret_that_others_can_read_is_not_used(directory: Path, mode: int) -> None:
    make_pair()
    (directory / "secret.key").chmod(mode)
    with pytest.raises(KeysRefused, match="open to others"):
        make_pair()


def test_a_symlink_in_the_place_of_the_secret_is_neither_followed_nor_replaced(directory: Path, tmp_path: Path) -> None:
    directory.mkdir(mode=0o700)
    (directory / "secret.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeysRefused):
        make_pair()
    assert not (tmp_path / "elsewhere").exists()


def test_a_directory_that_is_a_symlink_is_not_used(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    directory.symlink_to(tmp_path / "theirs")
    with pytest.raises(KeysRefused):
        make_pair()
    assert list((tmp_path / "theirs").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"xyz\n", b"\xff" * 64, b"ab" * 31])
def test_a_file_that_holds_no_key_is_told(directory: Path, content: bytes) -> None:
    directory.mkdir(mode=0o700)
    (directory / "secret.key").write_bytes(content)
    (directory / "secret.key").chmod(0o600)
    with pytest.raises(KeysRefused, match="holds no key"):
        own_pair()


def test_whoever_is_allowed_is_listed_until_revoked_by_key_or_name() -> None:
    assert allowed() == {}
    allow(KEY, "gpu 07\x1b[31m")
    allow("cd" * 32, "other")
    assert allowed() == {KEY: "gpu-07-31m", "cd" * 32: "other"}
    assert revoke("other") == {"cd" * 32: "other"}
    assert revoke(KEY) == {KEY: "gpu-07-31m"}
    assert revoke("nobody") == {}
    assert allowed() == {}


def test_the_list_is_private_and_passes_over_what_is_no_key(directory: Path) -> None:
    allow(KEY, "a")
    path = directory / "allowed"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_bytes(b"# comment\n\xff\xfe\nshort a\n" + path.read_bytes() + b"AB" * 32 + b" upper\n")
    assert allowed() == {KEY: "a"}


@pytest.mark.parametrize("text", ["", KEY[:-1], KEY.upper(), "z" * 64, KEY + "\n"])
def test_what_is_no_public_key_is_not_allowed(text: str) -> None:
    with pytest.raises(KeysRefused, match="64 hex digits"):
        allow(text, "a")


def test_an_address_names_key_host_and_port() -> None:
    assert address_of(f"tcp://{KEY}@gpu.example.org:7733") == ("tcp://gpu.example.org:7733", bytes.fromhex(KEY))
    assert address_of(f"tcp://{KEY}@[fe80::1]:1").endpoint == "tcp://[fe80::1]:1"


@pytest.mark.parametrize(
    "text",
    ["", "tcp://h:1", f"tcp://{KEY}@*:1", f"tcp://{KEY}@h:0", f"tcp://{KEY}@h:65536", f"ipc://{KEY}@h:1",
     f"tcp://{KEY}@h:1\n", f"tcp://{KEY}@h;h2:1"],
)  # fmt: skip
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(KeysRefused, match="tcp://KEY@HOST:PORT"):
        address_of(text)


def test_a_libzmq_without_encryption_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import zmq

    monkeypatch.setattr(zmq, "has", lambda capability: False)
    with pytest.raises(KeysRefused, match="without CURVE"):
        make_pair()


def test_the_module_prints_the_public_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert keys.main() == 0
    assert capsys.readouterr().out.strip() == own_pair().public.hex()
