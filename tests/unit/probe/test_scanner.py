"""The scanner reads back every frame that is whole, whatever happened to the rest of the file."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dettui_probe import framing
from dettui_probe.framing import MAGIC, Frame, Hole, Scanner, pack

PAGE = 4096


def log_of(payloads: Iterable[bytes]) -> bytes:
    return MAGIC + b"".join(pack(seq, payload) for seq, payload in enumerate(payloads))


def log_of_64_kib() -> bytes:
    chance = random.Random(7)
    frames, size, seq = [MAGIC], len(MAGIC), 0
    while size < 65_536:
        frames.append(pack(seq, chance.randbytes(chance.choice((1, 30, 150, 800)))))
        size, seq = size + len(frames[-1]), seq + 1
    return b"".join(frames)


LOG = log_of_64_kib()
FRAMES = [found for found in Scanner().feed(LOG) if isinstance(found, Frame)]


def ends_of_frames() -> list[int]:
    ends, at = [], len(MAGIC)
    for frame in FRAMES:
        at += framing.HEAD_BYTES + len(frame.payload)
        ends.append(at)
    return ends


def frames_in(data: bytes) -> list[Frame]:
    return [found for found in Scanner().feed(data) if isinstance(found, Frame)]


def intact(start: int, size: int) -> list[Frame]:
    """Frames of LOG that bytes start .. start + size do not touch."""
    begins = [len(MAGIC), *ends_of_frames()]
    return [
        frame
        for frame, begin, end in zip(FRAMES, begins, ends_of_frames(), strict=False)
        if end <= start or begin >= start + size
    ]


def test_an_undamaged_log_has_every_frame_and_no_hole() -> None:
    found = list(Scanner().feed(LOG))
    assert found == FRAMES
    assert [frame.seq for frame in FRAMES] == list(range(len(FRAMES)))
    assert len(FRAMES) > 100


def test_a_log_cut_at_any_byte_yields_its_whole_frames_and_no_hole() -> None:
    scanner, found, ends, whole = Scanner(), [], ends_of_frames(), 0
    for cut in range(len(LOG)):  # one byte at a time: after each, as if the log ended there
        found += scanner.feed(LOG[cut : cut + 1])
        while whole < len(ends) and ends[whole] <= cut + 1:
            whole += 1
        assert len(found) == whole
        assert scanner.offset == (ends[whole - 1] if whole else 0)
    assert found == FRAMES


def test_a_log_cut_at_any_byte_and_read_at_once_yields_the_same() -> None:
    ends = ends_of_frames()
    for cut in range(0, len(LOG), 97):
        assert list(Scanner().feed(LOG[:cut])) == FRAMES[: sum(end <= cut for end in ends)]


@given(st.lists(st.integers(1, 5000), max_size=40))
@settings(deadline=None)
def test_the_cuts_between_feeds_do_not_matter(sizes: list[int]) -> None:
    scanner, found, at = Scanner(), [], 0
    for size in [*sizes, len(LOG)]:
        found += scanner.feed(LOG[at : at + size])
        at += size
    assert found == FRAMES


@given(st.sets(st.integers(0, len(LOG) * 8 - 1), min_size=1, max_size=3))
@settings(deadline=None)
def test_a_flipped_bit_costs_the_frame_that_it_hits_and_no_other(bits: set[int]) -> None:
    damaged = bytearray(LOG)
    for bit in bits:
        damaged[bit // 8] ^= 1 << bit % 8
    spared = set.intersection(*({frame.seq for frame in intact(bit // 8, 1)} for bit in bits))
    assert frames_in(bytes(damaged)) == [frame for frame in FRAMES if frame.seq in spared]


@given(st.integers(0, len(LOG) // PAGE - 2))  # not the last page: broken bytes at the end are "not yet"
@settings(deadline=None)
def test_a_zeroed_page_costs_the_frames_on_it_and_is_reported(page: int) -> None:
    start = page * PAGE
    found = list(Scanner().feed(LOG[:start] + bytes(PAGE) + LOG[start + PAGE :]))
    assert [entry for entry in found if isinstance(entry, Frame)] == intact(start, PAGE)
    holes = [entry for entry in found if isinstance(entry, Hole)]
    assert len(holes) == 1
    assert holes[0].offset <= max(start, len(MAGIC))
    assert holes[0].offset + holes[0].size >= start + PAGE


@given(st.integers(0, len(LOG) // PAGE - 1))
@settings(deadline=None)
def test_a_missing_page_costs_the_frames_on_it(page: int) -> None:
    start = page * PAGE
    assert frames_in(LOG[:start] + LOG[start + PAGE :]) == intact(start, PAGE)


@given(st.integers(0, len(LOG) // PAGE - 1))
@settings(deadline=None)
def test_a_duplicated_page_loses_at_most_the_frame_across_its_end(page: int) -> None:
    start = page * PAGE
    seen = {frame.seq: frame for frame in frames_in(LOG[: start + PAGE] + LOG[start:])}
    assert set(seen.values()) >= set(intact(start + PAGE, 0))


def test_concatenated_logs_are_read_one_after_the_other_without_a_hole() -> None:
    assert list(Scanner().feed(LOG + LOG)) == FRAMES + FRAMES


def test_a_torn_tail_before_a_concatenated_log_is_a_hole() -> None:
    torn = pack(99, b"x" * 50)[:-1]
    found = list(Scanner().feed(LOG + torn + LOG))
    assert found == [*FRAMES, Hole(len(LOG), len(torn)), *FRAMES]


def test_a_tail_that_is_not_yet_whole_is_awaited() -> None:
    scanner = Scanner()
    frame = pack(0, b"late")
    assert list(scanner.feed(MAGIC + frame[:-1])) == []
    assert list(scanner.feed(frame[-1:])) == [Frame(0, b"late")]


def test_zeros_that_are_filled_in_later_are_read_from_where_the_scanner_stood() -> None:
    whole = log_of([b"a" * 100, b"b" * 100, b"c" * 100])
    half = len(log_of([b"a" * 100]))
    early = Scanner()
    assert list(early.feed(whole[:half] + bytes(len(whole) - half))) == [Frame(0, b"a" * 100)]
    again = Scanner(early.offset)
    assert list(again.feed(whole[early.offset :])) == [Frame(1, b"b" * 100), Frame(2, b"c" * 100)]
    assert again.offset == len(whole)


def test_a_damaged_length_does_not_hold_back_the_frames_behind_it() -> None:
    frame = bytearray(pack(0, b"damaged"))
    frame[6] ^= 0x08  # the length now reaches half a MiB on
    found = list(Scanner().feed(bytes(frame) + pack(1, b"next")))
    assert found == [Hole(0, len(frame)), Frame(1, b"next")]


def test_a_log_without_its_header_is_read() -> None:
    assert list(Scanner().feed(LOG[len(MAGIC) :])) == FRAMES


@given(st.lists(st.binary(max_size=300), max_size=20), st.data())
@settings(deadline=None)
def test_any_bytes_at_all_never_raise_and_holes_and_frames_never_overlap(
    pieces: list[bytes], data: st.DataObject
) -> None:
    scanner, position = Scanner(), 0
    for piece in pieces:
        mixed = piece + data.draw(st.sampled_from([b"", framing.SYNC, MAGIC, pack(3, piece)]))
        for found in scanner.feed(mixed):
            if isinstance(found, Hole):
                assert found.offset >= position
                position = found.offset + found.size
        assert scanner.offset >= position


def test_memory_stays_bounded_on_endless_rubbish() -> None:
    scanner = Scanner()
    for _ in range(64):
        assert list(scanner.feed(bytes(1 << 16))) == []
    assert len(scanner._pending) < 64
    for _ in range(64):
        assert list(scanner.feed(framing.SYNC + b"\x00\x00\x0f\x00" + b"r" * 65_528)) == []
    assert len(scanner._pending) <= framing.MAX_PAYLOAD + 65_536 + framing.HEAD_BYTES + len(MAGIC)


def test_a_payload_above_the_limit_is_refused_when_packed() -> None:
    with pytest.raises(ValueError, match="above"):
        pack(0, bytes(framing.MAX_PAYLOAD + 1))


@given(st.lists(st.binary(max_size=200), max_size=6), st.integers(0, 1400), st.integers(0, 7))
def test_a_message_of_whole_frames_is_read_as_the_scanner_reads_it(payloads: list[bytes], at: int, bit: int) -> None:
    whole = b"".join(pack(seq, payload) for seq, payload in enumerate(payloads))
    assert framing.frames_in(whole) == [Frame(seq, payload) for seq, payload in enumerate(payloads)]
    damaged = bytearray(whole)
    if at < len(damaged):
        damaged[at] ^= 1 << bit
    for data in (bytes(damaged), whole[:at], whole[at:], whole + b"noise"):
        assert framing.frames_in(data) == frames_in(data)
