"""RecordedFeed: recordings whole, cut, damaged, and what is no recording."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dettui.domain.run import RunState
from dettui.errors import NotARun, RunNotFound
from dettui.feed.base import Arrival
from dettui.feed.logs import is_log
from dettui.feed.recorded import RecordedFeed
from dettui_probe import wire
from dettui_probe.framing import MAGIC, pack
from dettui_probe.identity import process

Hello = Callable[..., wire.Hello]
Rows = Callable[..., wire.Batch]
WriteLog = Callable[..., bytes]
BYE = wire.Bye(9.0, 3, "finished", 0)


def played(feed: RecordedFeed) -> list[Arrival]:
    arrivals: list[Arrival] = []
    for _ in range(10_000):
        if feed.exhausted():
            return arrivals
        arrivals += feed.poll(0.0)
    raise AssertionError("the recording does not end")


def messages(arrivals: list[Arrival]) -> list[wire.AnyMessage]:
    return [message for arrival in arrivals for message in arrival.messages]


def notices(arrivals: list[Arrival]) -> list[str]:
    return [arrival.notice for arrival in arrivals if arrival.notice]


def ending(arrivals: list[Arrival]) -> RunState | None:
    return arrivals[-1].liveness.state if arrivals[-1].liveness else None


def test_a_log_is_read_whole_and_in_order(tmp_path: Path, hello: Hello, rows: Rows, write_log: WriteLog) -> None:
    script = [hello(), wire.Tags(0, ["x"]), rows(1), rows(2, 3), BYE]
    write_log(tmp_path / "r0-b.dlog", script)
    arrivals = played(RecordedFeed(tmp_path / "r0-b.dlog"))
    assert messages(arrivals) == script
    assert {(arrival.run, arrival.rank) for arrival in arrivals} == {("shapes-1", 0)}
    assert notices(arrivals) == []
    assert ending(arrivals) is RunState.FINISHED


def test_no_poll_brings_more_than_a_bounded_piece(
    tmp_path: Path, hello: Hello, rows: Rows, write_log: WriteLog
) -> None:
    script = [hello(), *[rows(step) for step in range(50)]]
    write_log(tmp_path / "r0-b.dlog", script)
    arrivals = played(RecordedFeed(tmp_path, read_bytes=300))
    assert messages(arrivals) == script
    assert max(len(arrival.messages) for arrival in arrivals) <= 6


def test_a_run_directory_is_read_rank_by_rank_and_boot_by_boot(
    tmp_path: Path, hello: Hello, rows: Rows, write_log: WriteLog
) -> None:
    for rank, boot, started in ((1, "a", 1.0), (0, "z", 1.0), (0, "a", 2.0)):
        write_log(tmp_path / f"r{rank}-{boot}.dlog", [hello(rank=rank, boot=boot, started=started), rows(1)])
    order = [(arrival.rank, arrival.boot) for arrival in played(RecordedFeed(tmp_path)) if arrival.messages]
    assert order == [(0, "z"), (0, "a"), (1, "a")]


def test_segments_are_one_strand(tmp_path: Path, hello: Hello, rows: Rows, write_log: WriteLog) -> None:
    write_log(tmp_path / "r0-b.dlog", [hello(), rows(1)])
    write_log(tmp_path / "r0-b.1.dlog", [hello(), rows(2)], first=2)
    write_log(tmp_path / "r0-b.2.dlog", [hello(), rows(3), BYE], first=4)
    arrivals = played(RecordedFeed(tmp_path))
    assert [m for m in messages(arrivals) if isinstance(m, wire.Batch)] == [rows(1), rows(2), rows(3)]
    assert (notices(arrivals), ending(arrivals)) == ([], RunState.FINISHED)


@pytest.mark.parametrize("cut", [1, 10, 40])
def test_a_cut_end_is_told_and_the_rest_is_read(
    tmp_path: Path, hello: Hello, rows: Rows, write_log: WriteLog, cut: int
) -> None:
    log = tmp_path / "r0-b.dlog"
    log.write_bytes(write_log(log, [hello(), rows(1), rows(2)])[:-cut])
    arrivals = played(RecordedFeed(log))
    assert messages(arrivals) == [hello(), rows(1)]
    assert "no whole record" in notices(arrivals)[0]
    assert sum(arrival.holes for arrival in arrivals) == 1
    assert ending(arrivals) is RunState.UNKNOWN
    assert arrivals[-1].liveness is not None
    assert arrivals[-1].liveness.reason == "the recording ends without a goodbye"


def test_a_damaged_middle_is_passed_over_and_told(
    tmp_path: Path, hello: Hello, rows: Rows, write_log: WriteLog
) -> None:
    log = tmp_path / "r0-b.dlog"
    data = bytearray(write_log(log, [hello(), *[rows(step) for step in range(1, 8)]]))
    size = len(pack(0, wire.encode(rows(1))))
    start = len(data) - 5 * size
    data[start : start + size + 4] = bytes(size + 4)
    log.write_bytes(data)
    arrivals = played(RecordedFeed(log))
    assert [m for m in messages(arrivals) if isinstance(m, wire.Batch)] == [rows(n) for n in (1, 2, 5, 6, 7)]
    assert notices(arrivals) == [
        f"{2 * size} bytes of the log at offset {start} are unreadable, 2 records may be missing"
    ]
    assert sum(arrival.holes for arrival in arrivals) == 1


def test_a_lost_head_leaves_the_rest_readable(tmp_path: Path, hello: Hello, rows: Rows, write_log: WriteLog) -> None:
    log = tmp_path / "shapes-9" / "r0-cafe.dlog"
    data = bytearray(write_log(log, [hello(), rows(1), rows(2)]))
    data[:30] = bytes(30)
    log.write_bytes(data)
    arrivals = played(RecordedFeed(log))
    assert messages(arrivals) == [rows(1), rows(2)]
    assert {arrival.run for arrival in arrivals} == {"shapes-9"}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    damage=st.lists(st.tuples(st.integers(0, 1_200), st.binary(max_size=40)), max_size=4), kept=st.integers(200, 1_200)
)
def test_whatever_is_damaged_what_is_read_was_written_and_in_order(
    tmp_path: Path, hello: Hello, rows: Rows, write_log: WriteLog, *, damage: list[tuple[int, bytes]], kept: int
) -> None:
    log = tmp_path / "r0-b.dlog"
    written = [hello(), *[rows(step) for step in range(1, 16)]]
    data = bytearray(write_log(log, written))
    for place, junk in damage:
        data[place : place + len(junk)] = junk
    log.write_bytes(data[:kept])
    read = messages(played(RecordedFeed(tmp_path, read_bytes=97))) if is_log(log) else []
    places = [written.index(message) for message in read]
    assert places == sorted(set(places))


def test_the_end_of_a_traceback_is_the_reason_of_a_crash(tmp_path: Path, hello: Hello, write_log: WriteLog) -> None:
    bye = wire.Bye(1.0, 1, "exception", 1, "Traceback (most recent call last):\n  ...\nValueError: no boxes\n")
    write_log(tmp_path / "r0-b.dlog", [hello(), bye])
    liveness = played(RecordedFeed(tmp_path))[-1].liveness
    assert liveness is not None
    assert (liveness.state, liveness.reason) == (RunState.CRASHED, "ValueError: no boxes")


def test_a_recording_of_a_process_that_lives_here_is_running(
    tmp_path: Path, hello: Hello, rows: Rows, write_log: WriteLog
) -> None:
    here = process()
    me = hello(host=socket.gethostname(), host_boot=here.host_boot, pid=os.getpid(), pid_start=here.pid_start)
    write_log(tmp_path / "r0-b.dlog", [me, rows(1)])
    assert ending(played(RecordedFeed(tmp_path))) is RunState.RUNNING


def test_a_newer_probe_is_told(tmp_path: Path, hello: Hello, write_log: WriteLog) -> None:
    log = tmp_path / "r0-b.dlog"
    data = write_log(log, [hello(version=(wire.MAJOR, wire.MINOR + 1))])
    log.write_bytes(data + pack(1, b"\x92\xa6marvel\x01"))
    (notice,) = notices(played(RecordedFeed(tmp_path)))
    assert "newer" in notice
    assert "unknown kind" in notice


def test_a_path_that_does_not_exist_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(RunNotFound, match="no run at"):
        RecordedFeed(tmp_path / "nowhere")


def test_a_directory_without_logs_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(NotARun, match="holds no run log"):
        RecordedFeed(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 something else", bytes(5000)])
def test_a_file_of_another_kind_is_no_run(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "r0-b.dlog").write_bytes(content)
    with pytest.raises(NotARun):
        RecordedFeed(tmp_path / "r0-b.dlog")


def test_a_log_that_holds_nothing_yet_is_a_run_without_an_end(tmp_path: Path) -> None:
    (tmp_path / "r0-b.dlog").write_bytes(MAGIC)
    assert ending(played(RecordedFeed(tmp_path))) is RunState.UNKNOWN
