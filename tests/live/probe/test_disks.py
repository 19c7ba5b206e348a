"""Disks that are full, frozen, broken or read-only: the training neither stops nor slows, and what is lost is told."""

from __future__ import annotations

import json
import os
import random
import signal
import time

import pytest
from live.patience import PATIENCE_S, until
from live.probe.disks import break_down, ext4, fill, frozen, mounted, tmpfs

from dettui_probe.writer import CLOSE_S

# Trains until it is told to end; says its step when it is asked, and at the end how long log() and finish() took.
TRAINS = """
    import json, sys, threading, time
    import dettui_probe as probe
    run = probe.init("disk")
    done = threading.Event()
    def answer():
        while sys.stdin.readline() == "step?\\n":
            print(step, flush=True)
        done.set()
    logged, step = [], 0
    threading.Thread(target=answer, daemon=True).start()
    print("trains", flush=True)
    clock = time.perf_counter
    while not done.is_set():
        time.sleep(0.001)
        before = clock()
        run.log(step, loss=0.5, lr=0.1)
        logged.append(clock() - before)
        step += 1
    began = clock()
    run.finish()
    logged.sort()
    told = {"steps": step, "p50_us": 1e6 * logged[len(logged) // 2]}
    print(json.dumps({**told, "finish_s": clock() - began, "lost": run.recorder.dropped}), flush=True)
"""


def say(process, word: str) -> None:
    process.stdin.write(word + "\n")
    process.stdin.flush()


def step_of(process) -> int:
    """Its step, now."""
    say(process, "step?")
    return int(process.stdout.readline())


def takes_steps(process, count: int) -> None:
    """Wait until it has taken so many more."""
    begun = step_of(process)
    until(lambda: step_of(process) > begun + count)


def started(workplace, disk):
    process = workplace.start(TRAINS, DETTUI_RUNS=str(disk / "runs"))
    assert process.stdout.readline() == "trains\n"
    return process


def ended(process) -> dict[str, float]:
    out, err = process.communicate("\n", timeout=PATIENCE_S)
    assert err == ""
    return json.loads(out)


def unhurt(report: dict[str, float]) -> None:
    """Generous bounds, for a machine that does much else: a hundred times what a call takes, and an end that gave up on
    the disk before its time was up."""
    assert report["p50_us"] < 300, report
    assert report["finish_s"] < CLOSE_S / 2, report


def steps_read(workplace, disk) -> list[int]:
    logs = sorted((disk / "runs").glob("*/*.dlog"), key=lambda path: (len(path.name), path.name))
    strand = workplace.read(logs[0]) if logs else None
    return [step for step, _ in strand.rows()] if strand and strand.messages else []


@pytest.mark.parametrize("when", ["start", "middle", "end"])
def test_a_full_disk_is_survived_and_what_it_took_is_read(workplace, when) -> None:
    with tmpfs(workplace.home.parent / "disk", "256k") as disk:
        (disk / "runs").mkdir()
        hog = fill(disk) if when == "start" else None
        process = started(workplace, disk)
        if when == "middle":
            until(lambda: len(steps_read(workplace, disk)) > 100)
            hog = fill(disk)
            takes_steps(process, 300)
        elif when == "end":
            until(lambda: len(steps_read(workplace, disk)) > 100)
            fill(disk)
        else:
            takes_steps(process, 300)
        if when != "end":
            hog.unlink()
            full_at = len(steps_read(workplace, disk))
            until(lambda: len(steps_read(workplace, disk)) > full_at + 100)
        report = ended(process)
        steps = steps_read(workplace, disk)
    unhurt(report)
    assert steps == list(range(len(steps)))
    if when != "end":
        assert len(steps) == report["steps"]


def test_fifty_times_full_and_free_again_lose_nothing(workplace) -> None:
    with tmpfs(workplace.home.parent / "disk", "2m") as disk:
        process = started(workplace, disk)
        for _ in range(50):
            hog = fill(disk)
            time.sleep(0.02)
            hog.unlink()
            time.sleep(0.02)
        read = len(steps_read(workplace, disk))
        until(lambda: len(steps_read(workplace, disk)) > read + 100)
        report = ended(process)
        steps = steps_read(workplace, disk)
    unhurt(report)
    assert steps == list(range(int(report["steps"])))


def test_a_frozen_disk_holds_up_neither_steps_nor_log_and_gets_everything_when_it_thaws(workplace) -> None:
    with ext4(workplace.home.parent / "disk") as disk:
        process = started(workplace, disk)
        until(lambda: len(steps_read(workplace, disk)) > 100)
        with frozen(disk):
            takes_steps(process, 1500)
            stood = len(steps_read(workplace, disk))
        until(lambda: len(steps_read(workplace, disk)) > stood + 1000)
        report = ended(process)
        steps = steps_read(workplace, disk)
    unhurt(report)
    assert steps == list(range(int(report["steps"])))


def test_finishing_does_not_wait_for_a_frozen_disk(workplace) -> None:
    """The kernel itself keeps the process until the disk thaws: its thread sleeps uninterruptibly in write(2)."""
    with ext4(workplace.home.parent / "disk") as disk:
        process = started(workplace, disk)
        until(lambda: len(steps_read(workplace, disk)) > 100)
        with frozen(disk):
            takes_steps(process, 200)
            say(process, "end")
            unhurt(json.loads(process.stdout.readline()))
        assert process.wait(PATIENCE_S) == 0
        steps = steps_read(workplace, disk)
    assert steps == list(range(len(steps)))


def test_a_disk_that_breaks_down_is_survived(workplace) -> None:
    with ext4(workplace.home.parent / "disk") as disk:
        process = started(workplace, disk)
        until(lambda: len(steps_read(workplace, disk)) > 100)
        break_down(disk)
        takes_steps(process, 700)
        report = ended(process)
    unhurt(report)


def test_a_disk_that_is_read_only_from_the_start_sends_the_log_to_the_runtime_directory(workplace) -> None:
    with mounted(workplace.home.parent / "disk", "-t", "tmpfs", "-o", "ro", "none") as disk:
        process = started(workplace, disk)
        report = ended(process)
    unhurt(report)
    strand = workplace.strand()
    assert strand.segments[0].is_relative_to(workplace.home / "runs")
    assert len(strand.rows()) == report["steps"]


def test_a_pipe_that_nobody_reads_in_the_place_of_the_log_holds_up_nothing_and_its_losses_are_counted(
    workplace,
) -> None:
    """write(2) blocks for ever: the queue of 65,536 rows overflows, drops the oldest and counts them."""
    done = workplace.run("""
        import dettui_probe as probe, json, os, threading, time
        real, (reader, writer) = os.open, os.pipe()
        os.open = lambda path, flags, mode=0o777: writer if str(path).endswith(".dlog") else real(path, flags, mode)
        run = probe.init()
        os.open = real
        logged = []
        for step in range(200_000):
            before = time.perf_counter()
            run.log(step, loss=0.5)
            logged.append(time.perf_counter() - before)
            if step % 1000 == 0: time.sleep(0.002)
        logged.sort()
        stuck = run.recorder.waiting
        drained = threading.Event()
        def drain():
            while os.read(reader, 1 << 20): pass
            drained.set()
        threading.Thread(target=drain, daemon=True).start()
        while run.recorder.waiting: time.sleep(0.05)
        time.sleep(1.5)
        began = time.perf_counter()
        run.finish()
        took = time.perf_counter() - began
        print(json.dumps([stuck, 1e6 * logged[100_000], 1e6 * logged[198_000], run.recorder.dropped, took]))
    """)
    assert (done.returncode, done.stderr) == (0, "")
    stuck, p50_us, p99_us, dropped, finish_s = json.loads(done.stdout)
    assert stuck == 65_536
    assert p50_us < 50 and p99_us < 1_000
    assert dropped > 100_000
    assert finish_s < CLOSE_S / 2


KILLS_WHILE_FULL = int(os.environ.get("DETTUI_TEST_FULL_KILLS", "6"))


def test_kills_at_random_instants_while_the_disk_fills_and_empties_lose_nothing(workplace) -> None:
    chance = random.Random(3)
    with tmpfs(workplace.home.parent / "disk", "1m") as disk:
        for number in range(KILLS_WHILE_FULL):
            runs = disk / f"k{number}"
            process = workplace.start(TELLS, DETTUI_RUNS=str(runs))
            process.stdout.readline()
            until_s = time.monotonic() + chance.uniform(0.1, 0.8)
            while time.monotonic() < until_s:
                hog = fill(disk)
                time.sleep(chance.uniform(0, 0.03))
                hog.unlink()
                time.sleep(chance.uniform(0, 0.03))
            process.send_signal(signal.SIGKILL)
            told = process.communicate(timeout=PATIENCE_S)[0].split()
            (log,) = runs.glob("*/*.dlog")
            strand = workplace.read(log)
            steps = [step for step, _ in strand.rows()] if strand.messages else []
            assert steps == list(range(len(steps)))
            assert len(steps) >= (int(told[-1]) if told else 0)
            log.unlink()


# Tells how many rows were written, after each write() that took them.
TELLS = """
    import os, time
    import dettui_probe as probe
    from dettui_probe import runlog
    runlog.FIRST_RETRY_S = runlog.LAST_RETRY_S = 0.01
    from dettui_probe.runlog import RunLog
    settle = RunLog._settle
    def tell(self, written):
        before = sum(record.rows for record in self._waiting)
        settle(self, written)
        tell.rows += before - sum(record.rows for record in self._waiting)
        os.write(1, b"%d\\n" % tell.rows)
    tell.rows = 0
    RunLog._settle = tell
    run = probe.init()
    step = 0
    while True:
        for _ in range(5):
            run.log(step, loss=step * 0.5)
            step += 1
        time.sleep(0.002)
"""
