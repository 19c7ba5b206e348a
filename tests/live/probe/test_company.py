"""Forks, threads, destructors and signal handlers share the process with the probe."""

from __future__ import annotations

import pytest


def test_a_forked_child_records_nothing_and_says_no_goodbye(workplace) -> None:
    done = workplace.run("""
        import dettui_probe as probe, os, sys
        run = probe.init()
        run.log(1, loss=1.0)
        if os.fork() == 0:
            for step in range(100): run.log(step, loss=9.0)
            run.event("note", "from the child")
            assert probe.init() is run and not run.active
            sys.exit(0)
        assert os.wait()[1] == 0
        run.log(2, loss=2.0)
        run.finish()
    """)
    assert (done.returncode, done.stderr) == (0, "")
    strand = workplace.strand()
    assert strand.rows() == [(1, {"loss": 1.0}), (2, {"loss": 2.0})]
    assert strand.bye.reason == "finished"
    assert strand.events("note") == []


def test_worker_processes_that_log_neither_hang_nor_write(workplace) -> None:
    """As a DataLoader does it: workers forked over and over while the writer thread is at work."""
    done = workplace.run("""
        import dettui_probe as probe, multiprocessing, threading
        run = probe.init()
        stop = threading.Event()
        def storm():
            while not stop.wait(0.0005): run.log(0, storm=1.0)
        thread = threading.Thread(target=storm); thread.start()
        def work(queue):
            for step in range(50):
                run.log(step, loss=9.0); probe.log(step, loss=9.0); run.event("note", "x")
            queue.put(1)
        context = multiprocessing.get_context("fork")
        for epoch in range(10):
            queue = context.SimpleQueue()
            workers = [context.Process(target=work, args=(queue,)) for _ in range(4)]
            for worker in workers: worker.start()
            for worker in workers:
                worker.join()
                assert worker.exitcode == 0, worker.exitcode
            run.log(epoch, epoch=float(epoch))
        stop.set(); thread.join(); run.finish()
    """)
    assert done.returncode == 0, done.stderr
    rows = workplace.strand().rows()
    assert [values["epoch"] for _, values in rows if "epoch" in values] == [float(epoch) for epoch in range(10)]
    assert not any("loss" in values for _, values in rows)
    assert workplace.strand().events("note") == []


def test_a_child_forked_before_any_run_may_have_its_own(workplace) -> None:
    done = workplace.run("""
        import dettui_probe as probe, os, sys
        if os.fork() == 0:
            probe.init().log(1, loss=1.0)
            sys.exit(0)
        os.wait()
    """)
    assert done.returncode == 0
    assert workplace.strand().rows() == [(1, {"loss": 1.0})]


def test_a_program_that_takes_the_place_of_this_one_is_undisturbed(workplace) -> None:
    done = workplace.run("""
        import dettui_probe as probe, os, sys
        probe.init().log(1, loss=1.0)
        os.execv(sys.executable, [sys.executable, "-c", "print('other')"])
    """)
    assert (done.returncode, done.stdout) == (0, "other\n")


def test_eight_threads_log_at_once_and_nothing_is_lost_or_doubled(workplace) -> None:
    done = workplace.run("""
        import dettui_probe as probe, threading
        run = probe.init()
        def work(number):
            for step in range(2000): run.log(step, **{f"thread{number}": float(step)})
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        run.finish()
    """)
    assert (done.returncode, done.stderr) == (0, "")
    rows = workplace.strand().rows()
    for number in range(8):
        mine = [step for step, values in rows if f"thread{number}" in values]
        assert mine == list(range(2000))


def test_more_than_the_queue_holds_drops_the_oldest_and_says_how_many(workplace) -> None:
    done = workplace.run("""
        import dettui_probe as probe
        from dettui_probe import recorder
        run = probe.init()
        class Late:
            due = False
            def ready(self): return Late.due
            def resolve(self): return ()
        run.recorder.put(Late())
        import time
        while run.recorder.waiting: time.sleep(0.01)
        for step in range(recorder.CAPACITY + 1000): run.log(step, loss=1.0)
        Late.due = True
        while run.recorder.waiting: time.sleep(0.05)
        run.finish()
    """)
    assert done.stderr == ""
    strand = workplace.strand()
    steps = [step for step, _ in strand.rows()]
    assert steps == list(range(1000, 65_536 + 1000))
    assert sum(event.data["rows"] for event in strand.events("dropped")) == 1000


def test_a_script_that_logs_without_a_pause_is_written_meanwhile(workplace) -> None:
    done = workplace.run("""
        import dettui_probe as probe, glob, os, time
        run = probe.init()
        (path,) = glob.glob(os.environ["DETTUI_RUNS"] + "/*/*.dlog")
        while os.path.getsize(path) < 50_000:
            for step in range(2000): run.log(step, loss=1.0)
    """)
    assert (done.returncode, done.stderr) == (0, "")
    assert workplace.strand().bye is not None


def test_logging_from_a_destructor_and_from_a_signal_handler_neither_hangs_nor_raises(workplace) -> None:
    done = workplace.run("""
        import dettui_probe as probe, gc, signal, time
        run = probe.init()
        class Dies:
            def __init__(self): self.me = self
            def __del__(self): run.log(1, died=1.0); run.event("exception", "from __del__")
        signal.signal(signal.SIGALRM, lambda *_: run.event("nonfinite", "from a handler"))
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        gc.set_threshold(5)
        end = time.monotonic() + 1
        while time.monotonic() < end:
            Dies(); run.event("exception", "plain"); run.log(2, loss=1.0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        run.finish()
    """)
    assert (done.returncode, done.stderr) == (0, "")
    assert workplace.strand().bye.reason == "finished"


def test_logging_while_the_interpreter_shuts_down_is_quiet(workplace) -> None:
    done = workplace.run("""
        import dettui_probe as probe
        run = probe.init()
        class Last:
            def __del__(self): run.log(1, loss=1.0); run.event("note", "late")
        keep = Last()
    """)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_run_says_which_group_it_belongs_to(workplace) -> None:
    named = "import dettui_probe as probe; probe.init(group='sweep-3')"
    silent = "import dettui_probe as probe; probe.init()"
    for source, env in (
        (named, {}),
        (named, {"DETTUI_GROUP": "other"}),
        (silent, {"DETTUI_GROUP": "other"}),
        (silent, {}),
    ):
        workplace.run(source, **env)
    told = sorted((strand.hello.started, strand.hello.group) for strand in workplace.strands())
    assert [group for _, group in told] == ["sweep-3", "sweep-3", "other", ""]


def test_a_run_goes_on_from_the_step_of_its_checkpoint(workplace) -> None:
    for said in ("start_step=500", "start_step='x'", "start_step=-3", ""):
        workplace.run(f"import dettui_probe as probe; run = probe.init({said}); run.log(loss=1.0); run.event('a', 'b')")
    strands = sorted(workplace.strands(), key=lambda strand: strand.hello.started)
    assert [strand.hello.start_step for strand in strands] == [500, 0, 0, 0]
    for strand in strands:
        assert strand.rows() == [(strand.hello.start_step, {"loss": 1.0})]
        assert strand.bye.step == strand.hello.start_step


def test_a_second_start_returns_the_same_run(workplace) -> None:
    done = workplace.run("""
        import dettui_probe as probe
        first = probe.init("one"); second = probe.init("two")
        assert first is second
        first.finish()
        third = probe.init("three")
        assert third is not first and third.active
        third.log(1, loss=1.0)
    """)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(strand.hello.name for strand in workplace.strands()) == ["one", "three"]


@pytest.mark.parametrize(
    "call",
    [
        "run.log('x', loss=1.0)",
        "run.log(1, loss='high')",
        "run.log(1, {'loss': None})",
        "run.log(1, 'loss')",
        "run.log('loss')",
        "run.log(1, [0.5])",
        "run.log(1, **{'a' * 999: 1.0})",
    ],
)
def test_what_cannot_be_recorded_is_told_once_and_dropped(workplace, call) -> None:
    done = workplace.run(f"""
        import dettui_probe as probe, time
        run = probe.init()
        for _ in range(3):
            {call}
            time.sleep(0.1)
        run.log(7, fine=1.0)
        run.finish()
    """)
    assert (done.returncode, done.stderr) == (0, "")
    assert workplace.strand().rows() == [(7, {"fine": 1.0})]
    assert len(workplace.strand().events("refused")) == 1


def test_every_order_of_arguments_comes_to_the_same(workplace) -> None:
    done = workplace.run("""
        from types import MappingProxyType
        import torch
        torch.set_num_threads(1)
        import dettui_probe as probe
        run = probe.init()
        row, tensors = {"loss": 1.0, "lr": 2}, {"loss": torch.tensor(1.0), "lr": 2}
        run.log(5, loss=1.0, lr=2)
        run.log(5, row)
        run.log(5, {"loss": 1.0}, lr=2)
        run.log(5, MappingProxyType(row))
        run.log(step=5, loss=1.0, lr=2)
        run.log(row, step=5)
        run.log(row, 5)
        run.log(tensors, step=5)
        probe.log(row, step=5)
        run.recorder.step = 5
        run.log(loss=1.0, lr=2)
        run.log(row)
        run.log(None, tensors)
        run.finish()
    """)
    assert (done.returncode, done.stderr) == (0, "")
    assert workplace.strand().rows() == 12 * [(5, {"loss": 1.0, "lr": 2.0})]


def test_a_dictionary_may_be_used_again(workplace) -> None:
    done = workplace.run("""
        import dettui_probe as probe
        run = probe.init()
        values = {"loss": 1.0, 7: 0.5}
        for step in range(3):
            run.log(step, values)
            values["loss"] += 1
        run.finish()
    """)
    assert (done.returncode, done.stderr) == (0, "")
    assert workplace.strand().rows() == [(step, {"loss": 1.0 + step, "7": 0.5}) for step in range(3)]


def test_tensors_are_read_as_they_were_when_logged(workplace) -> None:
    done = workplace.run("""
        import torch
        torch.set_num_threads(1)
        import dettui_probe as probe
        run = probe.init()
        total = torch.tensor(1.0, requires_grad=True)
        loss = total * 2
        average = torch.tensor(1.0)
        for step in range(5):
            run.log(step, loss=loss, average=average, half=torch.tensor(0.5, dtype=torch.float16))
            average.add_(1.0)
        run.log(9, many=torch.zeros(3))
        run.finish()
    """)
    assert (done.returncode, done.stderr) == (0, "")
    expected = [(step, {"loss": 2.0, "average": 1.0 + step, "half": 0.5}) for step in range(5)]
    assert workplace.strand().rows() == expected


def test_a_value_that_raises_when_looked_at_costs_itself_only(workplace) -> None:
    done = workplace.run("""
        import dettui_probe as probe
        class Bad:
            def tolist(self): raise RuntimeError("device-side assert")
        class Worse:
            def detach(self): raise RuntimeError("freed")
        run = probe.init()
        for step in range(100):
            run.log(step, loss=1.0, bad=Bad())
        run.log(100, loss=1.0, worse=Worse())
        run.finish()
    """)
    assert (done.returncode, done.stderr) == (0, "")
    assert [step for step, _ in workplace.strand().rows()] == list(range(100))
    assert len(workplace.strand().events("probe_fault")) >= 1
