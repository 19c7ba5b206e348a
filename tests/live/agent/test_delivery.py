"""What a probe logs reaches every viewer exactly once and in order, whatever dies on the way."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dettui.domain.run import RunState
from dettui.store.run_store import RunStore
from dettui_probe.registry import announced_agent

Spawn = Callable[..., Any]
Watch = Callable[..., Any]

TRAINING = """
run = probe.init("shapes")
for step in range({steps}):
    run.log(step, x=step)
    time.sleep(0.005)
run.finish()
"""


def is_finished(viewer: Any) -> bool:
    return viewer.state is RunState.FINISHED


def holds_more_than(count: int) -> Callable[[Any], bool]:
    return lambda viewer: len(viewer.values()) > count


def test_a_viewer_gets_every_value_once_and_in_order(spawn: Spawn, watch: Watch) -> None:
    viewer = watch()
    spawn(TRAINING.format(steps=300))
    viewer.until(is_finished)
    assert viewer.values() == list(range(300))
    assert viewer.notices == []


def test_a_late_viewer_gets_the_whole_history(spawn: Spawn, watch: Watch) -> None:
    assert spawn(TRAINING.format(steps=50)).wait() == 0
    viewer = watch()
    viewer.until(is_finished)
    assert viewer.values() == list(range(50))


def test_a_history_longer_than_the_agent_remembers_is_read_from_the_log(spawn: Spawn, watch: Watch) -> None:
    wide = """
run = probe.init("wide")
names = [f"w{i}" for i in range(400)]
for step in range(1500):
    run.log(step, x=step, **dict.fromkeys(names, 0.5))
    if step % 20 == 0:
        time.sleep(0.01)
wait()
run.finish()
"""
    viewer = watch()
    training = spawn(wide)
    viewer.until(holds_more_than(1499))
    training.stdin.write("finish\n")
    training.stdin.flush()
    viewer.until(is_finished)
    late = watch()
    late.until(is_finished)
    assert viewer.values() == late.values() == list(range(1500))


def test_an_agent_that_is_killed_is_replaced_and_nothing_is_lost_or_repeated(
    spawn: Spawn, watch: Watch, kill_agent: Callable[[], None]
) -> None:
    viewer = watch()
    spawn(TRAINING.format(steps=1000))
    pids = set()
    for reached in (100, 400, 700):
        viewer.until(holds_more_than(reached))
        agent = announced_agent()
        assert agent is not None
        pids.add(agent.pid)
        kill_agent()
    viewer.until(is_finished)
    assert viewer.values() == list(range(1000))
    assert len(pids) >= 2
    assert viewer.notices == []


def test_two_viewers_get_the_same(spawn: Spawn, watch: Watch) -> None:
    viewers = watch(), watch()
    spawn(TRAINING.format(steps=200))
    for viewer in viewers:
        viewer.until(is_finished)
    assert viewers[0].values() == viewers[1].values() == list(range(200))


def test_a_viewer_that_is_stopped_hurts_nobody(spawn: Spawn, watch: Watch) -> None:
    stopped = spawn("""
from dettui.feed.local import LocalFeed
feed = LocalFeed()
while not feed.poll(0.1):
    pass
tell("watching")
while True:
    feed.poll(0.1)
""")
    training = spawn("run = probe.init('first'); wait()\n" + TRAINING.format(steps=300))
    assert stopped.stdout.readline() == "watching\n"
    os.kill(stopped.pid, signal.SIGSTOP)
    training.stdin.write("go\n")
    training.stdin.flush()
    viewer = watch()
    viewer.until(is_finished)
    assert viewer.values() == list(range(300))


def test_a_viewer_watches_only_the_runs_that_it_asked_for(spawn: Spawn, watch: Watch) -> None:
    viewer = watch("wanted")
    spawn(TRAINING.format(steps=20), DETTUI_RUN="unwanted").wait()
    spawn(TRAINING.format(steps=20), DETTUI_RUN="wanted")
    viewer.until(is_finished)
    assert {arrival.run for arrival in viewer.arrivals} == {"wanted"}


def test_the_log_alone_is_enough(spawn: Spawn, watch: Watch) -> None:
    viewer = watch()
    spawn("sys.modules['zmq'] = None\n" + TRAINING.format(steps=200))
    viewer.until(is_finished)
    assert viewer.values() == list(range(200))


def test_the_live_stream_alone_is_enough(spawn: Spawn, watch: Watch, home: Path) -> None:
    watcher = watch()
    watcher.until(lambda _: announced_agent() is not None)
    home.mkdir(exist_ok=True)
    (home / "runs").write_text("a file where a directory is wanted")
    spawn("run = probe.init('early'); time.sleep(0.5)\n" + TRAINING.format(steps=300), DETTUI_RUNS="/dev/null/nowhere")
    watcher.until(is_finished)
    late = watch()
    late.until(is_finished)
    assert watcher.values()[-200:] == list(range(100, 300))
    assert late.values() == watcher.values()


def test_a_run_directory_that_is_deleted_stops_nothing(spawn: Spawn, watch: Watch, home: Path) -> None:
    viewer = watch()
    spawn(TRAINING.format(steps=600))
    viewer.until(holds_more_than(50))
    shutil.rmtree(home.parent / "r")
    viewer.until(is_finished)
    assert viewer.values() == list(range(600))


def test_a_restarted_run_is_a_second_strand_after_the_first(spawn: Spawn, watch: Watch) -> None:
    for _ in range(2):
        spawn(TRAINING.format(steps=30), DETTUI_RUN="again").wait()
    viewer = watch()
    viewer.until(lambda viewer: len(viewer.values()) == 60)
    store = RunStore()
    for arrival in viewer.arrivals:
        for message in arrival.messages:
            store.apply(message)
    newest = store.strand_series("x")
    assert newest is not None
    assert newest.values.tolist() == list(range(30))
    assert len(store.boots) == 2
