"""Limits, closed descriptors, agents that die and viewers that stop: the training's business goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from live.patience import PATIENCE_S, until

from dettui_probe.registry import announced_agent
from dettui_probe.writer import CLOSE_S

AGENT = [sys.executable, "-m", "dettui.feed.agent", "600"]
STOPPED_S = float(os.environ.get("DETTUI_TEST_STOPPED_S", "20"))

# Logs a row each millisecond; on a line from stdin says its step and its memory; ends when stdin closes.
TRAINS = """
    import sys, threading, time
    import dettui_probe as probe
    run = probe.init("surroundings")
    step = 0
    def memory():
        return int(open("/proc/self/statm").read().split()[1]) * 4096
    def answer():
        while sys.stdin.readline():
            print(step, memory(), flush=True)
        global done
        done = True
    done = False
    threading.Thread(target=answer, daemon=True).start()
    while not done:
        run.log(step, loss=step * 0.5, lr=0.1)
        step += 1
        time.sleep(0.001)
    began = time.perf_counter()
    run.finish()
    print(step, time.perf_counter() - began, flush=True)
"""


def ask(process: subprocess.Popen[str]) -> tuple[int, int]:
    """Its step and its memory in bytes, now."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    step, memory = process.stdout.readline().split()
    return int(step), int(memory)


def end(process: subprocess.Popen[str]) -> tuple[int, float]:
    """Its last step, and how long the end took."""
    out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err) == (0, "")
    step, took = out.split()
    return int(step), float(took)


@pytest.fixture
def agent(workplace, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Starts agents in the runtime directory of the workplace; ends them."""
    monkeypatch.setenv("DETTUI_HOME", workplace.env["DETTUI_HOME"])
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(AGENT, env=workplace.env))
        until(lambda: (found := announced_agent()) is not None and found.pid == started[-1].pid)
        return started[-1]

    yield start
    for one in started:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGCONT)
        one.kill()
        one.wait()


def test_a_run_outlives_agents_that_are_killed(workplace, agent) -> None:
    outlives_agents(workplace, agent, times=2)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_run_outlives_a_hundred_agents_that_are_killed(workplace, agent) -> None:
    outlives_agents(workplace, agent, times=100)


def outlives_agents(workplace, agent, times: int) -> None:
    process = workplace.start(TRAINS)
    until(lambda: ask(process)[0] > 0)
    before = 0
    for number in range(times):
        one = agent()
        time.sleep(0.3 if times > 10 else 2.2)  # long enough for the probe to connect, now and then
        one.kill()
        one.wait()
        if number == min(times, 2) - 1:
            before = ask(process)[1]  # zmq is loaded now
    grown = ask(process)[1] - before
    steps, took = end(process)
    assert took < CLOSE_S / 2
    assert grown < 8 << 20
    assert [step for step, _ in workplace.strand().rows()] == list(range(steps))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_an_agent_that_stops_costs_a_run_no_memory_and_delays_no_end(workplace, agent) -> None:
    one = agent()
    process = workplace.start(TRAINS)
    until(lambda: ask(process)[0] > 3000)
    os.kill(one.pid, signal.SIGSTOP)
    time.sleep(5.0)
    before = ask(process)[1]
    time.sleep(STOPPED_S)
    grown = ask(process)[1] - before
    steps, took = end(process)
    assert took < CLOSE_S / 2
    assert grown <= 2 << 20
    assert [step for step, _ in workplace.strand().rows()] == list(range(steps))


def test_a_viewer_that_stops_holds_up_neither_the_run_nor_the_viewers_beside_it(workplace, agent) -> None:
    agent()
    process = workplace.start(TRAINS)
    looking = """
        import sys, time
        from dettui.feed.local import LocalFeed
        from dettui_probe import wire
        feed, rows = LocalFeed(), 0
        while rows < int(sys.argv[1]):
            for arrival in feed.poll(0.5):
                rows += sum(len(b.steps) // 8 for m in arrival.messages if isinstance(m, wire.Batch) for b in m.blocks)
            print(rows, flush=True)
        feed.close()
    """
    import textwrap

    command = [sys.executable, "-c", textwrap.dedent(looking)]
    viewers = [subprocess.Popen([*command, "1000000"], env=workplace.env, stdout=subprocess.PIPE) for _ in range(3)]
    for viewer in viewers:
        viewer.stdout.readline()
    os.kill(viewers[0].pid, signal.SIGSTOP)
    begun = ask(process)[0]
    quiet = {"env": workplace.env, "stdout": subprocess.DEVNULL, "timeout": PATIENCE_S}
    subprocess.run([*command, str(begun + 1000)], check=True, **quiet)
    assert all(viewer.stdout.readline() for viewer in viewers[1:])
    for viewer in viewers:
        viewer.kill()
        viewer.communicate()
    steps, took = end(process)
    assert took < CLOSE_S / 2
    assert [step for step, _ in workplace.strand().rows()] == list(range(steps))


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("keep", [3, 0])
def test_a_script_that_closes_every_descriptor_trains_on(workplace, agent, keep, watched) -> None:
    """As daemons do: `os.closerange(3, ...)`; with 0 even stdout.  The log's own descriptor goes as well."""
    if watched:
        agent()
    process = workplace.start(f"""
        import dettui_probe as probe, os, sys, time
        run = probe.init()
        for step in range(100): run.log(step, loss=1.0)
        sys.stdin.readline()
        os.closerange({keep}, 4096)
        for step in range(100, 200): run.log(step, loss=1.0)
        time.sleep(0.5)
        run.finish()
        os._exit(7)
    """)
    until(lambda: bool(workplace.strands()) and len(workplace.strand().rows()) == 100)
    process.communicate("\n", timeout=PATIENCE_S)
    assert process.returncode == 7
    assert [step for step, _ in workplace.strand().rows()][:100] == list(range(100))


def test_a_descriptor_of_the_log_that_was_given_to_another_file_does_not_write_there(workplace) -> None:
    """The worst of closing what is not one's own: the number of the log's descriptor now means the user's file."""
    done = workplace.run("""
        import dettui_probe as probe, os, time
        run = probe.init()
        run.log(1, loss=1.0); time.sleep(0.3)
        os.closerange(3, 4096)
        taken = [os.open(os.environ["DETTUI_HOME"] + f"/weights{n}", os.O_RDWR | os.O_CREAT) for n in range(20)]
        for step in range(2, 200): run.log(step, loss=1.0)
        time.sleep(0.5)
        print(sum(os.fstat(fd).st_size for fd in taken))
        run.finish()
    """)
    assert (done.returncode, done.stdout) == (0, "0\n")


@contextlib.contextmanager
def few_processes(most: int) -> Iterator[Path]:
    """A control group in which no more than *most* threads may exist."""
    group = Path("/sys/fs/cgroup/pids") / f"dettui-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / "pids.max").write_text(str(most))
    except OSError:
        pytest.skip("needs a pids control group of its own")
    try:
        yield group
    finally:
        with contextlib.suppress(OSError):
            group.rmdir()


@pytest.mark.parametrize("most", [1, 2, 3])
def test_where_no_thread_can_be_started_the_training_goes_on(workplace, agent, most) -> None:
    """With 1 not even the writer's; with 2 and 3 no context of libzmq, which would abort the process."""
    agent()
    with few_processes(most) as group:
        done = workplace.run(f"""
            import os
            open("{group}/cgroup.procs", "w").write(str(os.getpid()))
            import dettui_probe as probe, time
            run = probe.init()
            for step in range(300):
                run.log(step, loss=1.0); time.sleep(0.005)
            run.finish()
            print("trained")
        """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "trained\n", "")
    if most > 1:
        assert [step for step, _ in workplace.strand().rows()] == list(range(300))


def test_a_directory_that_was_closed_to_us_keeps_the_log_that_is_open(workplace) -> None:
    """As root nothing is closed, so the script gives its rights up."""
    if os.geteuid() != 0:
        pytest.skip("needs to be root, to become somebody else")
    workplace.home.parent.chmod(0o755)
    place = workplace.home.parent / "theirs"
    place.mkdir()
    os.chown(place, 65534, 65534)
    done = workplace.run(
        """
        import dettui_probe as probe, glob, os, time
        import encodings.ascii, traceback  # the standard library may be closed to them
        os.setgid(65534); os.setuid(65534)
        from dettui_probe.runlog import RunLog
        RunLog.__init__.__kwdefaults__["segment_bytes"] = 4096
        run = probe.init()
        run.log(0, loss=1.0); time.sleep(0.3)
        (directory,) = glob.glob(os.environ["DETTUI_RUNS"] + "/*")
        os.chmod(directory, 0); os.chmod(os.environ["DETTUI_RUNS"], 0)
        for step in range(1, 600):
            run.log(step, loss=1.0); time.sleep(0.001)
        run.finish()
        os.chmod(os.environ["DETTUI_RUNS"], 0o755); os.chmod(directory, 0o755)
    """,
        DETTUI_HOME=str(place / "home"),
        DETTUI_RUNS=str(place / "runs"),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [step for step, _ in workplace.strand().rows()] == list(range(600))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_thirty_million_calls_leave_memory_descriptors_and_threads_as_they_were(workplace) -> None:
    done = workplace.run(
        """
        import dettui_probe as probe, os, threading
        run = probe.init()
        def now():
            memory = int(open("/proc/self/statm").read().split()[1]) * 4096
            return memory, len(os.listdir("/proc/self/fd")), threading.active_count()
        for step in range(3_000_000): run.log(step, loss=0.5)
        before = now()
        for step in range(3_000_000, 30_000_000): run.log(step, loss=0.5)
        after = now()
        print(*(b - a for a, b in zip(before, after)))
    """,
        timeout_s=800,
    )
    assert (done.returncode, done.stderr) == (0, "")
    memory, descriptors, threads = map(int, done.stdout.split())
    assert memory < 4 << 20
    assert (descriptors, threads) == (0, 0)
