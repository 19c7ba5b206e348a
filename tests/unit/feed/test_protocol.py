"""What viewers and agents say to each other, and what they make of garbage."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dettui.feed.agent import protocol
from dettui.feed.agent.protocol import Have, News, Next, Open, Opened, Portion, Refused, State
from dettui.feed.agent.stream import PIECE_BYTES, Assembler, cut
from dettui_probe.framing import HEAD_BYTES, SYNC, pack

NEWS = News(
    (
        Portion("a", "b1", 0, b"\n\x00 bytes", State("crashed", "out of \x1b luck", 3)),
        Portion("b", "b2", 7, b"", State("running")),
        Portion("c", "b3", 1, b"more", None, upto=9, left_out=1_000, lost=2),
    ),
    received=1.5,
    sent=2.25,
    waiting=4_096,
)


@pytest.mark.parametrize("request_", [Open(2), Open(2, ("r", "s*"), (Have("r", "b", 0, 7),)), Next(5), Next(5, 9)])
def test_a_request_is_understood(request_: protocol.Request) -> None:
    assert protocol.request_of(protocol.encode(request_)) == request_


@pytest.mark.parametrize("reply", [Opened(2, 77), Refused('say "no"\n'), News(), NEWS])
def test_a_reply_is_understood(reply: protocol.Reply) -> None:
    assert protocol.reply_of(protocol.encode(reply)) == reply


def test_fields_that_a_later_version_appends_are_passed_over() -> None:
    assert protocol.request_of(b'["next",5,9,"later"]\n') == Next(5, 9)
    assert protocol.reply_of(b'["opened",2,77,{"later":1}]\n') == Opened(2, 77)


def test_a_portion_that_is_cut_is_no_reply() -> None:
    assert protocol.reply_of(protocol.encode(NEWS)[:-1]) is None


@pytest.mark.parametrize(
    "line",
    [
        b"", b"\n", b"null\n", b"[]\n", b"[1]\n", b'["open"]\n', b'["open",2,[3],[]]\n', b'["open",2,[],[["r"]]]\n',
        b'["open",true,[],[]]\n', b'["next","5",0]\n', b'["news",[["a","b",0,-1,null,-1,0,0]],0.0,0.0,0]\n',
        b'["news",[["a","b",0,5,null,-1,0,0]],0.0,0.0,0]\n1234', b'["news",[["a","b",0,0]],0.0,0.0,0]\n',
        b'["news",[["a","b",0,0,["x"],-1,0,0]],0.0,0.0,0]\n', b"[" * 100_000, b"\xff\xfe\n", b"1" * 10_000 + b"\n",
    ],
)  # fmt: skip
def test_garbage_is_nothing(line: bytes) -> None:
    assert protocol.request_of(line) is None
    assert protocol.reply_of(line) is None


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=5)
)


@given(st.sampled_from(["open", "next", "opened", "refused", "news"]), st.lists(ANYTHING, max_size=6), st.binary())
def test_whatever_is_said_is_read_without_complaint(name: str, fields: list[object], body: bytes) -> None:
    data = json.dumps([name, *fields]).encode() + b"\n" + body
    protocol.request_of(data)
    protocol.reply_of(data)


# --- on a stream ----------------------------------------------------------------------------------------------


def heard(data: bytes, max_bytes: int = 1 << 22) -> list[bytes]:
    assembler = Assembler(max_bytes)
    return [message for at in range(0, len(data), 1_000) for message in assembler.feed(data[at : at + 1_000])]


def test_messages_of_any_length_come_whole() -> None:
    messages = [b"", b"short", bytes(PIECE_BYTES), bytes(3 * PIECE_BYTES + 1)]
    assert heard(b"".join(map(cut, messages))) == messages


def test_frames_within_a_message_are_not_taken_for_pieces_of_it() -> None:
    frames = b"".join(pack(seq, bytes([seq % 256]) * 16_000) for seq in range(60))
    tricky = [frames, SYNC, SYNC[:3] + b"\0", SYNC[:3] + SYNC[:3] + b"\0\0", b"\0" + SYNC[:2]]
    assert heard(b"".join(map(cut, tricky))) == tricky


@given(st.lists(st.sampled_from([SYNC, SYNC[:3], b"\0", b"x", SYNC[:1], SYNC[1:3]]), max_size=30).map(b"".join))
def test_markers_in_a_message_come_as_they_were(message: bytes) -> None:
    assert heard(cut(message)) == [message]
    assert SYNC not in cut(message)[4:]


def test_banners_and_shell_noise_are_passed_over() -> None:
    noise = b"Welcome!\r\n+ exec sh -c\nmotd \xc3\xa9\n"
    assert heard(noise + cut(b"one") + noise + cut(b"two") + noise) == [b"one", b"two"]


def test_a_message_that_lost_a_piece_never_comes_and_the_next_one_does() -> None:
    long = cut(bytes(2 * PIECE_BYTES))
    head = HEAD_BYTES + PIECE_BYTES
    assert heard(long[:head] + b"noise" + cut(b"next")) == [b"next"]
    assert heard(long[head:] + cut(b"next")) == [b"next"]


def test_a_message_that_is_too_long_never_comes() -> None:
    assert heard(cut(bytes(2 * PIECE_BYTES)) + cut(b"next"), max_bytes=PIECE_BYTES) == [b"next"]


@given(st.binary())
def test_any_bytes_are_read_without_complaint(data: bytes) -> None:
    heard(data)
