"""What the disk refuses waits, in order, within bounds."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from dettui_probe import framing, runlog
from dettui_probe.runlog import Record, RunLog


def record(seq: int, size: int = 100) -> Record:
    return Record(framing.pack(seq, bytes([seq % 256]) * size), rows=1)


def seqs_in(path: Path) -> list[int]:
    found = list(framing.Scanner().feed(path.read_bytes()))
    assert not [entry for entry in found if isinstance(entry, framing.Hole)]
    return [entry.seq for entry in found if isinstance(entry, framing.Frame)]


class Disk:
    """os.write and time.monotonic under control: takes *room* bytes, then says that it is full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = 1 << 40
        self.now = 0.0
        self.writes = 0
        self._write = os.write
        monkeypatch.setattr(runlog.os, "write", self.write)
        monkeypatch.setattr(runlog.time, "monotonic", lambda: self.now)

    def write(self, fd: int, data: bytes) -> int:
        self.writes += 1
        if self.room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = self._write(fd, data[: self.room])
        self.room -= taken
        return taken


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_records_of_one_call_are_one_write(tmp_path: Path, disk: Disk) -> None:
    log = RunLog(tmp_path, 0, "boot")
    log.append([record(seq) for seq in range(50)])
    assert disk.writes == 1
    assert seqs_in(log.path) == list(range(50))
    log.close()


@pytest.mark.parametrize("room", [0, 3, 8, 100, 130, 500, 1000])
def test_a_full_disk_leaves_whole_frames_only_and_later_gets_the_rest(tmp_path: Path, disk: Disk, room: int) -> None:
    log = RunLog(tmp_path, 0, "boot")
    disk.room = room
    log.append([record(seq) for seq in range(20)])
    assert seqs_in(log.path) == list(range(max(0, (room - 8) // 120)))
    assert log.refusal
    log.append([record(20)])
    disk.room, disk.now = 1 << 40, 60.0
    log.append([])
    assert seqs_in(log.path) == list(range(21))
    assert (log.lost_rows, log.refusal) == (0, "")
    log.close()


def test_a_disk_that_refuses_is_asked_ever_more_rarely(tmp_path: Path, disk: Disk) -> None:
    log = RunLog(tmp_path, 0, "boot")
    disk.room = 0
    for round_number in range(1200):  # a minute
        disk.now = round_number * 0.05
        log.append([record(round_number)])
    assert disk.writes < 25
    log.close()


def test_what_waits_is_bounded_and_what_is_lost_is_counted(tmp_path: Path, disk: Disk) -> None:
    log = RunLog(tmp_path, 0, "boot")
    disk.room = 0
    log.append([record(seq, size=1 << 20) for seq in range(30)])
    assert log.lost_rows == 15
    disk.room, disk.now = 1 << 40, 60.0
    log.append([])
    assert seqs_in(log.path) == list(range(15, 30))
    log.close()


def test_a_segment_is_never_written_over_one_that_exists(tmp_path: Path) -> None:
    log = RunLog(tmp_path, 0, "boot")
    with pytest.raises(FileExistsError):
        RunLog(tmp_path, 0, "boot")
    log.close()


def test_segments_are_numbered_from_the_second_on(tmp_path: Path) -> None:
    log = RunLog(tmp_path, 3, "boot", segment_bytes=500)
    for seq in range(12):
        if log.wants_new_segment:
            assert log.next_segment()
        log.append([record(seq)])
    log.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r3-boot.1.dlog", "r3-boot.2.dlog", "r3-boot.dlog"]
    assert seqs_in(tmp_path / "r3-boot.1.dlog") == [5, 6, 7, 8, 9]


def test_no_new_segment_is_begun_while_records_wait_for_the_old_one(tmp_path: Path, disk: Disk) -> None:
    log = RunLog(tmp_path, 0, "boot", segment_bytes=200)
    log.append([record(0), record(1)])
    assert log.wants_new_segment
    disk.room = 0
    log.append([record(2)])
    assert not log.wants_new_segment
    log.close()


def test_a_new_segment_that_cannot_be_made_leaves_the_old_one_in_use(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = RunLog(tmp_path, 0, "boot", segment_bytes=200)
    log.append([record(0), record(1)])

    def refuse(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(runlog.os, "open", refuse)
        assert not log.next_segment()
    assert not log.wants_new_segment
    disk.now = 60.0
    log.append([record(2)])
    assert seqs_in(tmp_path / "r0-boot.dlog") == [0, 1, 2]
    assert log.wants_new_segment
    log.close()


def test_a_log_that_is_deleted_asks_for_a_new_segment(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "run", 0, "boot")
    log.append([record(0)])
    assert not log.wants_new_segment
    log.path.unlink()
    log.path.parent.rmdir()
    assert log.wants_new_segment
    assert log.next_segment()
    log.append([record(1)])
    assert seqs_in(tmp_path / "run" / "r0-boot.1.dlog") == [1]
    log.close()


def test_a_descriptor_that_was_closed_is_opened_again(tmp_path: Path) -> None:
    log = RunLog(tmp_path, 0, "boot")
    log.append([record(0)])
    os.close(log._fd)
    log.append([record(1)])
    assert seqs_in(log.path) == [0, 1]
    log.close()


def test_a_descriptor_that_is_a_file_of_somebody_else_now_is_neither_written_nor_cut_nor_closed(tmp_path: Path) -> None:
    log = RunLog(tmp_path, 0, "boot")
    log.append([record(0)])
    number = log._fd
    weights = os.open(tmp_path / "weights", os.O_RDWR | os.O_CREAT)
    os.write(weights, b"precious")
    os.dup2(weights, number)
    log.append([record(1)])
    log.sync()
    assert seqs_in(log.path) == [0, 1]
    log.close()
    assert os.fstat(number).st_size == 8
    for fd in (number, weights):
        os.close(fd)


def test_a_log_whose_descriptor_and_file_are_both_gone_goes_on_in_a_new_segment(tmp_path: Path, disk: Disk) -> None:
    log = RunLog(tmp_path, 0, "boot")
    log.append([record(0)])
    os.close(log._fd)
    log.path.unlink()
    log.append([record(1)])
    disk.now = 60.0
    assert log.wants_new_segment
    assert log.next_segment()
    log.append([record(2)])
    assert seqs_in(tmp_path / "r0-boot.1.dlog") == [1, 2]
    log.close()


def test_what_a_failed_write_has_left_is_taken_back(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = RunLog(tmp_path, 0, "boot")
    log.append([record(0)])

    def half(fd: int, data: bytes) -> int:
        disk.write(fd, data[: len(data) // 2])
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(runlog.os, "write", half)
        log.append([record(seq) for seq in range(1, 6)])
    assert seqs_in(log.path) == [0]
    disk.now = 60.0
    log.append([])
    assert seqs_in(log.path) == list(range(6))
    log.close()
