"""ZMTP by hand, against libzmq itself."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
from live.patience import until
from live.places import short_directory

from dettui_probe import zmtp
from dettui_probe.zmtp import Push

PARTS = [b"run", b"0" * 16, b"0", b"frame"]


@pytest.fixture
def place() -> Iterator[Path]:
    directory = short_directory()
    yield directory / "a.in"
    shutil.rmtree(directory)


@pytest.fixture
def pull(place: Path) -> Iterator[zmq.Socket[bytes]]:
    with zmq.Context() as context, context.socket(zmq.PULL) as bound:
        bound.bind(f"ipc://{place}")
        yield bound


def opened(place: Path) -> Push:
    """A connection over which a first message went."""
    push = Push(str(place))
    until(lambda: push.send([b"first"]))
    return push


@pytest.mark.parametrize("size", [0, 1, 254, 255, 256, 70_000, 1 << 20])
def test_messages_of_every_size_arrive_whole_in_order(pull: zmq.Socket[bytes], place: Path, size: int) -> None:
    push = opened(place)
    assert pull.recv_multipart() == [b"first"]
    sent = [[b"run", bytes([number]) * size] for number in range(5)]
    for parts in sent:
        while not push.send(parts):
            time.sleep(0.005)
    received: list[list[bytes]] = []
    while len(received) < 5:
        push.send([b"more"])  # what waits goes with the next
        if pull.poll(20):
            received += [parts for parts in [pull.recv_multipart()] if parts != [b"more"]]
    assert received == sent
    push.close()


def test_a_peer_that_does_not_read_bounds_what_waits(pull: zmq.Socket[bytes], place: Path) -> None:
    pull.setsockopt(zmq.RCVHWM, 1)
    push = opened(place)
    accepted = sum(push.send([bytes(16_384)]) for _ in range(5_000))
    assert accepted < 5_000
    assert len(push._waiting) <= zmtp.MAX_WAITING + 20_000
    push.close()


def test_a_peer_that_goes_is_an_error_and_no_signal(place: Path) -> None:
    with zmq.Context() as context, context.socket(zmq.PULL) as bound:
        bound.bind(f"ipc://{place}")
        push = opened(place)
    with pytest.raises(OSError, match=r"gone|reset|pipe"):
        for _ in range(1000):
            push.send(PARTS)
            time.sleep(0.01)
    push.close()


def test_nobody_there_is_an_error(place: Path) -> None:
    with pytest.raises(OSError):
        Push(str(place))


@pytest.mark.parametrize(
    "words", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" + bytes(8) + b"\x7f\x03\x00CURVE" + bytes(60)]
)
def test_a_peer_of_another_protocol_gets_nothing(place: Path, words: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen()
        push = Push(str(place))
        peer, _ = listener.accept()
        with peer, pytest.raises(OSError, match="does not speak"):
            peer.send(words)
            for _ in range(1000):
                assert not push.send(PARTS)
                time.sleep(0.002)
        push.close()


def test_a_peer_that_talks_without_end_is_not_listened_to(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen()
        push = Push(str(place))
        peer, _ = listener.accept()
        with peer:
            peer.setblocking(False)
            peer.send(zmtp._GREETING + b"\x04\x05READY")
            for _ in range(200):
                with contextlib.suppress(BlockingIOError):
                    peer.send(os.urandom(4096))
                push.send(PARTS)
            assert len(push._heard) <= 1024
        push.close()


def test_a_descriptor_that_is_a_file_of_somebody_else_now_is_left_alone(pull: zmq.Socket[bytes], place: Path) -> None:
    push = opened(place)
    number = push._socket.fileno()
    os.close(number)
    other = os.open(place.with_name("weights"), os.O_RDWR | os.O_CREAT)
    os.dup2(other, number)
    with pytest.raises(OSError, match="taken away"):
        push.send(PARTS)
    push.close()
    assert os.fstat(number).st_size == 0
    for fd in {number, other}:
        os.close(fd)
