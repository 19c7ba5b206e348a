"""Bad input: one clear line, the right exit code, no traceback of ours, and the training is left alone."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.live.cli.conftest import Place


def assert_one_line(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("dettui: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["doctor", "export", "--once"])
def test_a_run_that_does_not_exist_is_one_line(place: Place, command: str) -> None:
    place.record()
    done = place.dettui(command, "recorder")
    assert_one_line(done)
    assert "recorded" in done.stderr  # the nearest name


@pytest.mark.parametrize("command", ["doctor", "export", "--once"])
def test_a_directory_that_is_no_run_is_one_line(place: Place, command: str) -> None:
    (place.cwd / "photos").mkdir()
    assert_one_line(place.dettui(command, "photos"))


def test_a_file_that_is_no_log_is_one_line(place: Place) -> None:
    (place.cwd / "notes.dlog").write_text("not a log")
    assert_one_line(place.dettui("doctor", "notes.dlog"))


def test_a_truncated_log_is_read_to_where_it_ends(place: Place) -> None:
    log = place.record(steps=3000)
    whole = steps_exported(place)
    log.write_bytes(log.read_bytes()[: log.stat().st_size * 2 // 3])
    rest = steps_exported(place)
    assert 0 < len(rest) < len(whole) and rest == whole[: len(rest)]
    assert_tells_without_traceback(place)


def test_a_corrupted_log_is_read_around_its_damage(place: Place) -> None:
    log = place.record(steps=3000)
    whole = steps_exported(place)
    damage(log, at=log.stat().st_size // 2, size=600)
    rest = steps_exported(place)
    assert 0 < len(rest) < len(whole) and set(rest) < set(whole)
    assert_tells_without_traceback(place)


@pytest.mark.parametrize("seed", range(5))
def test_random_damage_never_raises(place: Place, seed: int) -> None:
    log = place.record()
    rng = random.Random(seed)
    for _ in range(20):
        damage(log, at=rng.randrange(log.stat().st_size), size=rng.randrange(1, 200))
    assert "Traceback" not in place.dettui("doctor", str(log), "--json").stderr


def damage(log: Path, at: int, size: int) -> None:
    content = bytearray(log.read_bytes())
    content[at : at + size] = bytes(len(content[at : at + size]))
    log.write_bytes(content)


def steps_exported(place: Place) -> list[int]:
    done = place.dettui("export", "recorded", "--jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    points = map(json.loads, done.stdout.splitlines())
    return [point["step"] for point in points if point["tag"] == "loss/total"]


def assert_tells_without_traceback(place: Place) -> None:
    """Doctor judges what is left and says in words that something is missing."""
    done = place.dettui("doctor", "recorded")
    assert done.returncode in (0, 1, 2)
    assert done.stderr == ""
    assert any(word in done.stdout for word in ("unreadable", "no whole record", "missing", "without a goodbye"))


def test_no_terminal_suggests_what_needs_none(place: Place) -> None:
    done = place.dettui()
    assert_one_line(done)
    assert "--once" in done.stderr and "doctor" in done.stderr


def test_a_step_that_is_none_is_bad_use(place: Place) -> None:
    place.record()
    assert_one_line(place.dettui("doctor", "recorded", "--at", "-1"))


def test_the_answer_of_doctor_is_one_json_object(place: Place) -> None:
    place.record()
    done = place.dettui("doctor", "recorded", "--json")
    report = json.loads(done.stdout)
    assert report["schema"] == 1
    assert report["run"]["steps"] == 300
    assert done.returncode == {"healthy": 0, "findings": 1, "insufficient_data": 2}[report["verdict"]]
    assert done.stderr == ""


def test_ls_shows_what_was_recorded(place: Place) -> None:
    place.record()
    (run,) = json.loads(place.dettui("ls", "--json").stdout)
    assert (run["id"], run["state"], run["step"]) == ("recorded", "finished", 300)
    assert "recorded" in place.dettui("ls").stdout
    assert place.dettui("ls", "--names").stdout == "recorded\n"


def test_once_prints_a_frame_of_the_width_that_was_asked_for_and_whole(place: Place) -> None:
    place.record()
    done = place.dettui("--once", "--width", "60", "--height", "20", "recorded")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 60
    assert "recorded" in done.stdout
