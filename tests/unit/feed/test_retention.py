"""What may be removed of recorded runs, and what never."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from dettui.cli.prune import bytes_of, seconds_of
from dettui.errors import BadUsage
from dettui.feed.retention import DAY_S, Plan, RetentionPolicy, plan, remove, stored_runs
from dettui_probe import places, registry, wire
from dettui_probe.framing import MAGIC, pack
from dettui_probe.identity import process

NOW = time.time()


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DETTUI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DETTUI_RUNS", str(tmp_path / "runs"))
    return tmp_path


def record(
    run: str, *, days_ago: float, size: int = 100, boot: str = "c0ffee", pid: int = 2**22 + 7, **other: object
) -> Path:
    """A run that was written *days_ago*, announced and recorded; the path of its log."""
    me = process()
    told = {
        "run": run, "name": run, "boot": boot, "rank": 0, "world": 1, "host": me.host, "host_boot": me.host_boot,
        "pid": pid, "pid_start": 1, "started": NOW - days_ago * DAY_S, "argv": [], "cwd": "/", "python": "p", **other,
    }  # fmt: skip
    hello = wire.Hello(version=(1, 1), probe_version="0", **told)  # type: ignore[arg-type]
    log = places.runs_dir() / run / f"r0-{boot}.dlog"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(MAGIC + pack(0, wire.encode(hello)) + bytes(size))
    os.utime(log, (NOW - days_ago * DAY_S,) * 2)
    registry.publish(registry.Entry(log=str(log), **told))  # type: ignore[arg-type]
    return log


def planned(**policy: object) -> Plan:
    chosen = RetentionPolicy(**{"keep": 0, **policy})  # type: ignore[arg-type]
    return plan(stored_runs(chosen, NOW), chosen, NOW)


def names(found: Plan) -> list[str]:
    return sorted(run.id for run, _ in found.going)


def test_what_is_older_goes_and_the_newest_stay_whatever_their_age() -> None:
    for age in (1, 40, 50, 60):
        record(f"run{age}", days_ago=age)
    assert names(planned()) == ["run40", "run50", "run60"]
    assert names(planned(keep=3)) == ["run60"]
    assert names(planned(keep=20)) == []
    assert names(planned(older_than_s=55 * DAY_S)) == ["run60"]


def test_the_oldest_go_while_all_together_are_too_large() -> None:
    for age in (1, 2, 3):
        record(f"run{age}", days_ago=age, size=10_000)
    assert names(planned(max_bytes=25_000)) == ["run3"]
    assert names(planned(max_bytes=0)) == ["run1", "run2", "run3"]
    assert names(planned(max_bytes=0, keep=2)) == ["run3"]


def test_a_run_that_lives_is_never_touched_however_old_its_log_looks() -> None:
    me = process()
    record("alive", days_ago=400, pid=me.pid, pid_start=me.pid_start)
    found = planned(max_bytes=0)
    assert names(found) == []
    assert found.live == 1


def test_a_run_of_which_one_rank_lives_is_never_touched() -> None:
    me = process()
    record("ranks", days_ago=400)
    record("ranks", days_ago=400, boot="beef", rank=1, pid=me.pid, pid_start=me.pid_start)
    assert names(planned(max_bytes=0)) == []


def test_a_run_of_another_host_may_live_until_it_was_silent_for_a_day() -> None:
    record("far", days_ago=0.5, host="elsewhere", host_boot="other")
    record("long-ago", days_ago=1.5, host="elsewhere", host_boot="other")
    assert names(planned(max_bytes=0)) == ["long-ago"]


def test_a_log_that_was_just_written_may_be_written_by_a_process_that_cannot_be_seen() -> None:
    record("just", days_ago=0.0)
    assert names(planned(max_bytes=0)) == []


def test_removing_takes_logs_segments_output_and_registry_entries_and_nothing_else(place: Path) -> None:
    log = record("old", days_ago=40)
    log.with_name("r0-c0ffee.1.dlog").write_bytes(MAGIC)
    (log.parent / "output.txt").write_text("epoch 1")
    other = record("other", days_ago=1)
    for path in log.parent.iterdir():
        os.utime(path, (NOW - 40 * DAY_S,) * 2)
    ((run, _),) = planned().going
    assert remove(run, RetentionPolicy()) == ""
    assert not log.parent.exists()
    assert [path.name for path in (place / "home" / "reg").iterdir()] == ["other.0.c0ffee.json"]
    assert other.exists()


def test_a_directory_that_holds_something_else_stays_with_it() -> None:
    log = record("old", days_ago=40)
    weights = log.parent / "weights.pt"
    weights.write_bytes(b"precious")
    ((run, _),) = planned().going
    assert "holds other files" in remove(run, RetentionPolicy())
    assert weights.exists()
    assert not log.exists()


def test_nothing_is_removed_through_a_symlink(place: Path) -> None:
    log = record("old", days_ago=40)
    target = place / "r0-c0ffee.dlog"
    log.rename(target)
    log.symlink_to(target)
    for run, _ in planned(max_bytes=0).going:
        remove(run, RetentionPolicy())
    assert target.exists()


def test_an_entry_that_names_a_file_which_is_no_log_costs_that_file_nothing(place: Path) -> None:
    log = record("old", days_ago=40)
    precious = place / "thesis.dlog"
    precious.write_bytes(b"not a log")
    text = registry.entry_path(registry.read_entry(next((place / "home" / "reg").iterdir()))).read_text()  # type: ignore[arg-type]
    next((place / "home" / "reg").iterdir()).write_text(text.replace(str(log), str(precious)))
    for run, _ in planned(max_bytes=0).going:
        remove(run, RetentionPolicy())
    assert precious.exists()


def test_an_entry_whose_log_somebody_deleted_goes_at_once(place: Path) -> None:
    log = record("gone", days_ago=2)
    log.unlink()
    found = planned(keep=20)
    assert [(run.id, why) for run, why in found.going] == [("gone", "its log is gone")]
    assert remove(found.going[0][0], RetentionPolicy()) == ""
    assert list((place / "home" / "reg").iterdir()) == []


def test_a_run_that_has_started_again_meanwhile_stays() -> None:
    log = record("old", days_ago=40)
    ((run, _),) = planned().going
    os.utime(log)
    assert remove(run, RetentionPolicy()) == "it has started again"
    assert log.exists()


def test_ages_and_sizes_are_read_as_people_write_them() -> None:
    assert [seconds_of(text) for text in ("12h", "1.5d", "2w")] == [43_200, 129_600, 1_209_600]
    assert [bytes_of(text) for text in ("500M", "1.5g", "10GB", "12")] == [500 << 20, 3 << 29, 10 << 30, 12]
    for bad in ("", "30", "-1d", "d", "1y"):
        with pytest.raises(BadUsage, match="30d"):
            seconds_of(bad)
    with pytest.raises(BadUsage, match="10G"):
        bytes_of("much")
