"""LogTail: a growing log, read as it grows."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dettui.feed.agent import tail as tail_module
from dettui.feed.agent.strand import near_the_end
from dettui.feed.agent.tail import REVALIDATE_LOOKS, ZERO_LOOKS, LogTail, Position, segment_path
from dettui_probe.framing import MAGIC, Frame, Hole, pack
from dettui_probe.runlog import segment_path as segment_path_of_the_probe

FRAMES = [pack(seq, b"payload %d" % seq) for seq in range(10)]


def seqs(tail: LogTail, limit: int = 1 << 20, looks: int = 20) -> list[int]:
    """Numbers of the frames that some looks find."""
    return [item.seq for _ in range(looks) for item in tail.poll(limit) if isinstance(item, Frame)]


def test_segments_are_named_as_the_probe_names_them() -> None:
    first = segment_path_of_the_probe(Path("/d"), 3, "cafe", 0)
    assert [segment_path(first, n) for n in range(3)] == [
        segment_path_of_the_probe(Path("/d"), 3, "cafe", n) for n in range(3)
    ]


def test_a_log_that_does_not_exist_yet_is_empty_and_then_read(tmp_path: Path) -> None:
    tail = LogTail(tmp_path / "r0-a.dlog")
    assert tail.poll(100) == []
    (tmp_path / "r0-a.dlog").write_bytes(MAGIC + FRAMES[0])
    assert seqs(tail) == [0]


def test_frames_that_come_byte_by_byte_are_read_once_each(tmp_path: Path) -> None:
    log = tmp_path / "r0-a.dlog"
    tail, found = LogTail(log), []
    with log.open("wb", buffering=0) as writer:
        for byte in MAGIC + b"".join(FRAMES):
            writer.write(bytes([byte]))
            found += [item.seq for item in tail.poll(100) if isinstance(item, Frame)]
    assert found == list(range(10))


def test_no_look_reads_more_than_its_limit(tmp_path: Path) -> None:
    log = tmp_path / "r0-a.dlog"
    log.write_bytes(MAGIC + b"".join(FRAMES))
    tail = LogTail(log)
    assert len(tail.poll(len(MAGIC) + 2 * len(FRAMES[0]))) == 2


def test_the_next_segment_is_read_after_the_end_of_the_one_before(tmp_path: Path) -> None:
    log = tmp_path / "r0-a.dlog"
    log.write_bytes(MAGIC + b"".join(FRAMES[:3]))
    tail = LogTail(log)
    assert seqs(tail) == [0, 1, 2]
    segment_path(log, 1).write_bytes(MAGIC + b"".join(FRAMES[3:5]))
    segment_path(log, 2).write_bytes(MAGIC + b"".join(FRAMES[5:6]))
    assert seqs(tail) == [3, 4, 5]


def test_reading_resumes_at_the_position_of_another_tail(tmp_path: Path) -> None:
    log = tmp_path / "r0-a.dlog"
    log.write_bytes(MAGIC + b"".join(FRAMES))
    first = LogTail(log)
    first.poll(len(MAGIC) + 4 * len(FRAMES[0]))
    assert seqs(LogTail(log, first.position)) == [4, 5, 6, 7, 8, 9]


def test_the_end_of_a_log_of_ten_gigabytes_is_found_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """160 segments of 64 MiB: links to one, so that only the looking costs."""
    log = tmp_path / "r0-a.dlog"
    piece = pack(7, bytes(1 << 20))
    with log.open("wb") as file:
        file.write(MAGIC)
        for _ in range(64):
            file.write(piece)
    for number in range(1, 160):
        segment_path(log, number).hardlink_to(log)
    read: list[int] = []
    monkeypatch.setattr(tail_module.os, "pread", _counting(os.pread, read))
    tail = LogTail(log, near_the_end(log, 2 << 20))
    found = [item.seq for _ in range(4) for item in tail.poll(1 << 20) if isinstance(item, Frame)]
    tail.close()
    assert found == [7]
    assert sum(read) < 8 << 20


def _counting(pread: Callable[[int, int, int], bytes], read: list[int]) -> Callable[[int, int, int], bytes]:
    def counted(fd: int, size: int, offset: int) -> bytes:
        data = pread(fd, size, offset)
        read.append(len(data))
        return data

    return counted


def test_a_start_within_a_frame_is_no_hole(tmp_path: Path) -> None:
    log = tmp_path / "r0-a.dlog"
    log.write_bytes(MAGIC + b"".join(FRAMES))
    tail = LogTail(log, Position(0, len(MAGIC) + 5))
    items = tail.poll(1 << 20)
    assert [item.seq for item in items if isinstance(item, Frame)] == list(range(1, 10))
    assert not [item for item in items if isinstance(item, Hole)]


def test_a_hole_after_a_start_between_frames_is_still_a_hole(tmp_path: Path) -> None:
    log = tmp_path / "r0-a.dlog"
    log.write_bytes(MAGIC + FRAMES[0] + FRAMES[1] + b"?" * 50 + FRAMES[2])
    tail = LogTail(log, Position(0, len(MAGIC) + len(FRAMES[0])))
    items = [item for _ in range(5) for item in tail.poll(1 << 20)]
    assert items == [
        Frame(1, b"payload 1"),
        Hole(len(MAGIC) + 2 * len(FRAMES[0]), 50),
        Frame(2, b"payload 2"),
    ]


def test_a_torn_write_that_was_taken_back_is_no_hole(tmp_path: Path) -> None:
    log = tmp_path / "r0-a.dlog"
    whole = MAGIC + FRAMES[0]
    log.write_bytes(whole + FRAMES[1][:10])
    tail = LogTail(log)
    assert seqs(tail) == [0]
    log.write_bytes(whole + FRAMES[1] + FRAMES[2])
    items = [item for _ in range(5) for item in tail.poll(1 << 20)]
    assert items == [Frame(1, b"payload 1"), Frame(2, b"payload 2")]


def test_a_file_that_shrank_is_read_on_behind_its_last_whole_frame(tmp_path: Path) -> None:
    log = tmp_path / "r0-a.dlog"
    log.write_bytes(MAGIC + FRAMES[0] + FRAMES[1][:10])
    tail = LogTail(log)
    assert seqs(tail) == [0]
    log.write_bytes(MAGIC + FRAMES[0])
    assert seqs(tail) == []
    log.write_bytes(MAGIC + FRAMES[0] + FRAMES[1])
    assert seqs(tail) == [1]


def test_pages_that_are_zero_at_first_and_filled_later_lose_nothing(tmp_path: Path) -> None:
    log = tmp_path / "r0-a.dlog"
    hidden = len(FRAMES[1])
    log.write_bytes(MAGIC + FRAMES[0] + b"\0" * hidden + FRAMES[2])
    tail = LogTail(log)
    first = tail.poll(1 << 20)
    log.write_bytes(MAGIC + b"".join(FRAMES[:3]))
    assert [item.seq for item in first if isinstance(item, Frame)] + seqs(tail) == [0, 1, 2]


def test_pages_that_stay_zero_are_given_up_after_a_second_of_looks(tmp_path: Path) -> None:
    log = tmp_path / "r0-a.dlog"
    log.write_bytes(MAGIC + FRAMES[0] + bytes(50) + FRAMES[2])
    tail = LogTail(log)
    assert seqs(tail, looks=ZERO_LOOKS) == [0]
    items = tail.poll(1 << 20)
    assert items == [Hole(len(MAGIC) + len(FRAMES[0]), 50), Frame(2, b"payload 2")]


def test_zero_pages_that_come_one_after_the_other_within_a_second_lose_nothing(tmp_path: Path) -> None:
    log = tmp_path / "r0-a.dlog"
    whole = MAGIC + b"".join(FRAMES)
    half = len(MAGIC) + len(FRAMES[0]) + 7
    log.write_bytes(whole[:half] + bytes(len(whole) - half - 40) + whole[-40:])
    tail = LogTail(log)
    found = seqs(tail)
    log.write_bytes(whole[: half + 60] + bytes(len(whole) - half - 100) + whole[-40:])
    found += seqs(tail)
    log.write_bytes(whole)
    assert found + seqs(tail) == list(range(10))


def test_a_file_that_was_replaced_by_a_longer_one_is_read_on(tmp_path: Path) -> None:
    log = tmp_path / "r0-a.dlog"
    log.write_bytes(MAGIC + b"".join(FRAMES[:3]))
    tail = LogTail(log)
    assert seqs(tail) == [0, 1, 2]
    (tmp_path / "new").write_bytes(MAGIC + b"".join(FRAMES[:6]))
    (tmp_path / "new").replace(log)
    assert seqs(tail, looks=REVALIDATE_LOOKS + 2) == [3, 4, 5]


def test_a_file_that_was_replaced_by_a_shorter_one_is_read_from_its_beginning(tmp_path: Path) -> None:
    log = tmp_path / "r0-a.dlog"
    log.write_bytes(MAGIC + b"".join(FRAMES[:5]))
    tail = LogTail(log)
    assert seqs(tail) == [0, 1, 2, 3, 4]
    (tmp_path / "new").write_bytes(MAGIC + b"".join(FRAMES[:2]))
    (tmp_path / "new").replace(log)
    assert seqs(tail, looks=REVALIDATE_LOOKS + 2) == [0, 1]


def test_a_log_that_was_deleted_is_read_on_and_its_next_segment_is_found(tmp_path: Path) -> None:
    log = tmp_path / "r0-a.dlog"
    log.write_bytes(MAGIC + FRAMES[0])
    tail = LogTail(log)
    assert seqs(tail) == [0]
    log.unlink()
    assert seqs(tail, looks=2 * REVALIDATE_LOOKS) == []
    segment_path(log, 1).write_bytes(MAGIC + FRAMES[1])
    assert seqs(tail) == [1]


def test_rotation_while_a_reader_is_in_the_middle_of_a_segment_loses_nothing(tmp_path: Path) -> None:
    log = tmp_path / "r0-a.dlog"
    log.write_bytes(MAGIC + b"".join(FRAMES[:4]))
    segment_path(log, 1).write_bytes(MAGIC + b"".join(FRAMES[4:8]))
    assert seqs(LogTail(log), limit=13, looks=60) == list(range(8))
