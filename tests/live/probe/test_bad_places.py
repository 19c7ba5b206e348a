"""Full disks, closed directories, no descriptors left, two threads too many: training does not notice."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def test_a_disk_that_fills_up_and_empties_again_loses_nothing(workplace) -> None:
    done = workplace.run("""
        import dettui_probe as probe, resource, time, glob, os
        run = probe.init()
        for step in range(500):
            run.log(step, loss=0.5)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        time.sleep(0.3)
        (path,) = glob.glob(os.environ["DETTUI_RUNS"] + "/*/*.dlog")
        resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(path) + 700, hard))
        for step in range(500, 1000):
            run.log(step, loss=0.5)
        time.sleep(0.5)
        assert os.path.getsize(path) <= resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        for step in range(1000, 1500):
            run.log(step, loss=0.5)
        time.sleep(1.5)
    """)
    assert (done.returncode, done.stderr) == (0, "")
    strand = workplace.strand()
    assert [step for step, _ in strand.rows()] == list(range(1500))
    assert strand.holes == []
    assert strand.seqs == list(range(len(strand.seqs)))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_is_full_from_the_start_is_survived(workplace) -> None:
    done = workplace.run("""
        import dettui_probe as probe, os
        real = os.open
        def full(path, flags, mode=0o777):
            return real("/dev/full", os.O_WRONLY) if str(path).endswith(".dlog") else real(path, flags, mode)
        os.open = full
        run = probe.init()
        os.open = real
        for step in range(100): run.log(step, loss=1.0)
        print("trained")
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "trained\n", "")


def test_a_log_goes_to_the_runtime_directory_where_its_own_cannot_be_made(workplace) -> None:
    workplace.runs.write_text("a file stands where the directory should be")
    done = workplace.run("""
        import dettui_probe as probe
        probe.init().log(1, loss=1.0)
    """)
    assert (done.returncode, done.stderr) == (0, "")
    strand = workplace.strand()
    assert strand.segments[0].is_relative_to(workplace.home / "runs")
    assert strand.rows() == [(1, {"loss": 1.0})]


def test_a_run_without_any_place_to_write_trains_on(workplace) -> None:
    workplace.runs.write_text("")
    workplace.home.write_text("")
    done = workplace.run("""
        import dettui_probe as probe
        run = probe.init()
        run.log(1, loss=1.0); run.event("note", "x"); run.finish()
        print("trained")
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "trained\n", "")


def test_a_runtime_directory_that_is_a_symlink_is_not_used(workplace) -> None:
    elsewhere = workplace.home.parent / "elsewhere"
    elsewhere.mkdir()
    workplace.home.symlink_to(elsewhere)
    workplace.run("import dettui_probe as probe; probe.init().log(1, loss=1.0)")
    assert list(elsewhere.iterdir()) == []
    assert workplace.strand().rows() == [(1, {"loss": 1.0})]


def test_the_runtime_directory_is_closed_to_others(workplace) -> None:
    old = os.umask(0)
    try:
        workplace.home.mkdir(mode=0o777)
        workplace.run("import dettui_probe as probe; probe.init()")
    finally:
        os.umask(old)
    assert workplace.home.stat().st_mode & 0o777 == 0o700
    assert (workplace.home / "reg").stat().st_mode & 0o777 == 0o700


NO_DESCRIPTORS = """
    import dettui_probe as probe, os, resource
    {before}
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    taken = []
    try:
        while True: taken.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass
    run = probe.init()
    for step in range(100): run.log(step, loss=1.0)
    import time; time.sleep(0.3)
    for fd in taken: os.close(fd)
    run.finish()
    os.write(1, b"trained")
"""


def test_no_descriptor_left_before_the_start_is_survived(workplace) -> None:
    done = workplace.run(NO_DESCRIPTORS.format(before=""))
    assert (done.returncode, done.stdout, done.stderr) == (0, "trained", "")


def test_no_descriptor_left_during_the_run_costs_nothing(workplace) -> None:
    done = workplace.run(NO_DESCRIPTORS.format(before="probe.init()"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "trained", "")
    assert [step for step, _ in workplace.strand().rows()] == list(range(100))


def test_no_thread_left_is_survived(workplace) -> None:
    done = workplace.run("""
        import dettui_probe as probe, threading
        def refuse(self): raise RuntimeError("can't start new thread")
        threading.Thread.start = refuse
        run = probe.init()
        run.log(1, loss=1.0); run.finish()
        print("trained")
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "trained\n", "")
