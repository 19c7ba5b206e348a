"""What the probe wrote is read back once and in order, whenever and however the process was killed."""

from __future__ import annotations

import os
import random
import threading

from live.patience import PATIENCE_S, until

KILLS = int(os.environ.get("DETTUI_TEST_KILLS", "50"))  # DETTUI_TEST_KILLS=500 pytest --timeout=900 -k sigkill
AT_ONCE = 5  # processes started together, so that 50 interpreters do not start one after the other

# Tells on stdout, after each write() that returned, how many rows the log holds: an acknowledgement is a fact
# about the page cache, so nothing told here may be missing afterwards.
TELLS_WHAT_IT_WROTE = """
    import os, time
    import dettui_probe as probe
    from dettui_probe.runlog import RunLog

    def acknowledge(self, records, append=RunLog.append):
        records = list(records)
        append(self, records)
        assert not self._waiting
        acknowledge.rows += sum(record.rows for record in records)
        os.write(1, b"%d\\n" % acknowledge.rows)
    acknowledge.rows = 0
    RunLog.append = acknowledge

    run = probe.init()
    step = 0
    while True:
        for _ in range(20):
            run.log(step, loss=step * 0.5, lr=0.1)
            step += 1
        time.sleep(0.002)
"""


def test_nothing_that_was_written_is_lost_to_sigkill(workplace) -> None:
    acknowledged = _kill_at_random_instants(workplace, KILLS, random.Random(5))
    strands = workplace.strands()
    assert len(strands) == KILLS
    told, read = sum(acknowledged.values()), sum(len(strand.rows()) for strand in strands)
    print(f"{KILLS} kills: {told} rows acknowledged, {read} read back")  # pytest -s shows it
    assert told > KILLS
    for strand in strands:
        rows = strand.rows()
        assert strand.seqs == list(range(len(strand.seqs)))
        assert [step for step, _ in rows] == list(range(len(rows)))
        assert all(values == {"loss": step * 0.5, "lr": 0.1} for step, values in rows)
        assert len(rows) >= acknowledged[strand.hello.pid]


def _kill_at_random_instants(workplace, kills: int, chance: random.Random) -> dict[int, int]:
    """How many rows each process had acknowledged when it was killed."""
    acknowledged: dict[int, int] = {}
    for _ in range(kills // AT_ONCE):
        processes = [workplace.start(TELLS_WHAT_IT_WROTE) for _ in range(AT_ONCE)]
        for process in processes:
            process.stdout.readline()
            threading.Timer(chance.uniform(0, 0.3), process.kill).start()
        for process in processes:
            told = process.communicate(timeout=PATIENCE_S)[0].split("\n")[:-1]
            acknowledged[process.pid] = int(told[-1]) if told else 0
    return acknowledged


def test_a_run_goes_on_in_a_new_segment_that_can_be_read_alone(workplace) -> None:
    done = workplace.run("""
        import dettui_probe as probe, time
        from dettui_probe.runlog import RunLog
        RunLog.__init__.__kwdefaults__["segment_bytes"] = 4096
        run = probe.init()
        for step in range(600):
            run.log(step, loss=0.5, lr=0.1)
            time.sleep(0.001)
    """)
    assert done.stderr == ""
    strand = workplace.strand()
    assert len(strand.segments) > 2
    assert [step for step, _ in strand.rows()] == list(range(600))
    assert strand.seqs == list(range(len(strand.seqs)))
    alone = workplace.read(strand.segments[-1])
    assert alone.hello == strand.hello
    assert all(row in strand.rows() for row in alone.rows())


def test_a_run_whose_directory_is_deleted_goes_on_in_a_new_one(workplace) -> None:
    process = workplace.start("""
        import dettui_probe as probe, shutil, sys
        run = probe.init()
        run.log(1, loss=1.0)
        print(flush=True); sys.stdin.readline()
        run.log(2, loss=2.0)
    """)
    process.stdout.readline()
    until(lambda: bool(workplace.strands()) and len(workplace.strand().rows()) == 1)
    first = workplace.strand().segments[0]
    first.unlink()
    first.parent.rmdir()
    until(lambda: bool(list(workplace.runs.glob("*/*.1.dlog"))))
    process.communicate("\n", timeout=PATIENCE_S)
    (second,) = workplace.runs.glob("*/*.1.dlog")
    assert workplace.read(second).rows() == [(2, {"loss": 2.0})]


def test_two_starts_of_one_run_keep_their_own_logs(workplace) -> None:
    source = "import dettui_probe as probe; probe.init().log(1, loss=1.0)"
    for _ in range(2):
        workplace.run(source, DETTUI_RUN="shared")
    strands = workplace.strands()
    assert [strand.hello.run for strand in strands] == ["shared", "shared"]
    assert len({strand.hello.boot for strand in strands}) == 2


def test_time_that_jumps_back_does_not_stop_the_writing(workplace) -> None:
    done = workplace.run("""
        import time
        real, began = time.time, time.monotonic()
        time.time = lambda: real() - 3600 if time.monotonic() - began > 0.1 else real()
        import dettui_probe as probe
        run = probe.init()
        for step in range(40):
            run.log(step, loss=1.0)
            time.sleep(0.01)
    """)
    assert done.stderr == ""
    assert [step for step, _ in workplace.strand().rows()] == list(range(40))
