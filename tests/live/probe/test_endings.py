"""However a script ends, the probe neither changes how, nor delays it, nor loses what it had."""

from __future__ import annotations

import signal

import pytest
from live.patience import PATIENCE_S, until

from dettui_probe.writer import CLOSE_S

LOGS_1000 = """
    import dettui_probe as probe, sys, os
    run = probe.init()
    for step in range(1000):
        run.log(step, loss=1.0 / (step + 1), lr=0.1)
"""
ALL = [(step, {"loss": 1.0 / (step + 1), "lr": 0.1}) for step in range(1000)]


@pytest.mark.parametrize(
    ("ending", "exit_code", "reason", "code_told"),
    [
        ("", 0, "exit", None),
        ("run.finish()", 0, "finished", 0),
        ("sys.exit(3)", 3, "exit", 3),
        ("sys.exit('no data')", 1, "exit", 1),
        ("sys.exit()", 0, "exit", 0),
        ("raise ValueError('no such class')", 1, "exception", 1),
        ("raise KeyboardInterrupt", -signal.SIGINT, "exit", 130),
    ],
)
def test_an_orderly_end_flushes_all_and_says_why(workplace, ending, exit_code, reason, code_told) -> None:
    done = workplace.run(LOGS_1000 + "    " + ending)
    strand = workplace.strand()
    assert done.returncode == exit_code
    assert strand.rows() == ALL
    assert (strand.bye.reason, strand.bye.exit_code) == (reason, code_told)


def test_the_traceback_of_an_exception_is_in_the_goodbye_and_on_stderr_as_ever(workplace) -> None:
    done = workplace.run(LOGS_1000 + "    raise ValueError('no such class')")
    assert "ValueError: no such class" in done.stderr
    assert workplace.strand().bye.text.rstrip().endswith("ValueError: no such class")


def test_a_context_manager_tells_its_exception_and_lets_it_pass(workplace) -> None:
    done = workplace.run("""
        import dettui_probe as probe
        try:
            with probe.init() as run:
                run.log(1, loss=2.0)
                raise RuntimeError("inside")
        except RuntimeError:
            print("passed on")
    """)
    assert done.stdout == "passed on\n"
    assert workplace.strand().bye.reason == "exception"
    assert "RuntimeError: inside" in workplace.strand().bye.text


def test_an_exception_that_ends_a_thread_is_an_event(workplace) -> None:
    done = workplace.run("""
        import dettui_probe as probe, threading
        run = probe.init()
        def work(): raise KeyError("cat")
        thread = threading.Thread(target=work); thread.start(); thread.join()
    """)
    assert "KeyError" in done.stderr
    (event,) = workplace.strand().events("exception")
    assert "KeyError: 'cat'" in event.text


@pytest.mark.parametrize("ending", ["os._exit(0)", "os.kill(os.getpid(), 15)", "os.kill(os.getpid(), 9)"])
def test_an_abrupt_end_loses_nothing_that_is_older_than_a_round(workplace, ending) -> None:
    process = workplace.start(LOGS_1000 + "    print('logged', flush=True); sys.stdin.readline(); " + ending)
    process.stdout.readline()
    until(lambda: len(workplace.strands()) == 1 and len(workplace.strand().rows()) == 1000)
    process.communicate("\n", timeout=PATIENCE_S)
    strand = workplace.strand()
    assert strand.rows() == ALL
    assert strand.bye is None
    assert process.returncode == {"os._exit(0)": 0}.get(ending, -15 if "15" in ending else -9)


def test_ctrl_c_ends_the_script_as_it_would_without_the_probe(workplace) -> None:
    process = workplace.start(LOGS_1000 + "    print('logged', flush=True); sys.stdin.readline()")
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == -signal.SIGINT
    assert workplace.strand().rows() == ALL
    assert workplace.strand().bye.exit_code == 130


def test_the_hooks_of_others_are_called_and_given_back(workplace) -> None:
    done = workplace.run("""
        import sys, threading
        mine = lambda *args: print("mine")
        sys.excepthook = mine
        before = sys.excepthook, threading.excepthook, sys.exit
        import dettui_probe as probe
        probe.init().finish()
        assert before == (sys.excepthook, threading.excepthook, sys.exit)
        probe.init()
        raise ValueError
    """)
    assert done.stdout == "mine\n"


# Logs faster than its rows can be written: five milliseconds for each of them, portion by portion.
LOGS_FASTER_THAN_IT_WRITES = """
    import dettui_probe as probe, time
    from dettui_probe.encode import Encoder
    def slowly(self, row, add_row=Encoder.add_row):
        time.sleep(0.005)
        add_row(self, row)
    Encoder.add_row = slowly
    from dettui_probe import writer
    writer.PORTION = 16
    run = probe.init()
    for step in range(300):
        run.log(step, loss=0.5)
"""


def test_what_was_logged_right_before_the_end_is_written_though_it_takes_longer_than_a_second(workplace) -> None:
    workplace.run(LOGS_FASTER_THAN_IT_WRITES)
    strand = workplace.strand()
    assert [step for step, _ in strand.rows()] == list(range(300))
    assert strand.bye.reason == "exit"


def test_rows_that_the_end_has_no_time_for_are_counted(workplace) -> None:
    workplace.run(LOGS_FASTER_THAN_IT_WRITES + "    writer.CLOSE_S = 1.2")
    strand = workplace.strand()
    told = sum(event.data["rows"] for event in strand.events("dropped"))
    assert told == 300 - len(strand.rows()) > 0
    assert strand.bye.reason == "exit"


def test_a_value_that_never_arrives_delays_the_end_by_a_part_of_what_it_may_take(workplace) -> None:
    done = workplace.run("""
        import dettui_probe as probe, time
        class Never:
            def ready(self): return False
            def resolve(self): raise AssertionError
        run = probe.init()
        run.log(1, loss=1.0)
        run.recorder.put(Never())
        run.log(2, loss=1.0)
        began = time.monotonic()
        run.finish()
        print(time.monotonic() - began)
    """)
    assert float(done.stdout) < CLOSE_S / 2
    assert workplace.strand().rows() == [(1, {"loss": 1.0}), (2, {"loss": 1.0})]  # what came behind it was ready
    assert sum(event.data["rows"] for event in workplace.strand().events("dropped")) == 1
    assert workplace.strand().bye.reason == "finished"


def test_logging_after_the_end_does_nothing(workplace) -> None:
    done = workplace.run("""
        import dettui_probe as probe
        run = probe.init()
        run.log(1, loss=1.0)
        run.finish(); run.finish()
        run.log(2, loss=1.0); run.event("note", "late")
    """)
    assert (done.returncode, done.stderr) == (0, "")
    assert workplace.strand().rows() == [(1, {"loss": 1.0})]


def test_exit_does_not_hang_on_a_log_that_blocks(workplace) -> None:
    done = workplace.run("""
        import dettui_probe as probe, os, time
        def stuck(fd, data): time.sleep(3600)
        os.write = stuck
        run = probe.init()
        for step in range(100): run.log(step, loss=1.0)
        run.finish()
    """)
    assert (done.returncode, done.stderr) == (0, "")
