"""The agent: one at a time, gone when nobody asks, unimpressed by garbage."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import zmq
from live.patience import PATIENCE_S, until

from dettui.domain.run import RunState
from dettui.feed.agent import protocol
from dettui.feed.local import LocalFeed
from dettui.feed.opening import open_local
from dettui_probe.places import ensure_private
from dettui_probe.registry import Announcement, announced_agent

AGENT = [sys.executable, "-m", "dettui.feed.agent"]
TRAINING = """
run = probe.init("shapes")
for step in range(100):
    run.log(step, x=step)
    time.sleep(0.005)
run.finish()
"""


def test_of_many_agents_that_start_at_once_one_stays(home: Path) -> None:
    agents = [subprocess.Popen([*AGENT, "20"]) for _ in range(4)]
    until(lambda: sum(agent.poll() is None for agent in agents) == 1 and announced_agent() is not None)
    (survivor,) = [agent for agent in agents if agent.poll() is None]
    announced = announced_agent()
    assert announced is not None
    assert announced.pid == survivor.pid
    assert [agent.returncode for agent in agents if agent is not survivor] == [0, 0, 0]
    survivor.terminate()
    assert survivor.wait(PATIENCE_S) == 0


def test_an_agent_that_nobody_asks_goes_and_leaves_nothing_behind(home: Path) -> None:
    assert subprocess.run([*AGENT, "0.2"], timeout=PATIENCE_S, check=False).returncode == 0
    assert sorted(path.name for path in home.iterdir()) == ["a.lock"]


def test_an_agent_whose_files_were_taken_away_goes(home: Path) -> None:
    agent = subprocess.Popen([*AGENT, "60"])
    until(announced_agent)
    (home / "agent.json").unlink()
    assert agent.wait(PATIENCE_S) == 0


def test_opening_starts_an_agent_and_finds_it_again(home: Path) -> None:
    first, second = open_local(), open_local()
    assert announced_agent() is not None
    first.close()
    second.close()


def test_garbage_on_its_sockets_and_in_its_registry_is_ignored(
    home: Path, spawn: Callable[..., Any], watch: Callable[..., Any]
) -> None:
    open_local().close()
    agent = announced_agent()
    assert agent is not None
    registry = home / "reg"
    registry.mkdir(exist_ok=True)
    for name, content in (("a.json", b"\xff\x00"), ("b.json", b"[" * 50_000), ("c.json", b'{"run": 3}')):
        (registry / name).write_bytes(content)
    with zmq.Context() as context, context.socket(zmq.PUSH) as inlet, context.socket(zmq.DEALER) as query:
        inlet.connect(agent.inlet)
        query.connect(agent.query)
        for parts in ([b""], [b"x"] * 4, [b"\xff", b"\xff", b"-1", b""], [b"run", b"boot", b"0", os.urandom(500)]):
            inlet.send_multipart(parts)
            query.send_multipart(parts)
        viewer = watch()
        spawn(TRAINING)
        viewer.until(lambda viewer: viewer.state is RunState.FINISHED)
    assert viewer.values() == list(range(100))
    assert announced_agent() == agent


def test_an_agent_of_another_version_is_refused_by_name(home: Path) -> None:
    open_local().close()
    agent = announced_agent()
    assert agent is not None
    with zmq.Context() as context, context.socket(zmq.DEALER) as viewer:
        viewer.connect(agent.query)
        viewer.send(protocol.encode(protocol.Open(protocol.VERSION + 1)))
        assert viewer.poll(1000 * PATIENCE_S)
        reply = protocol.reply_of(viewer.recv())
    assert isinstance(reply, protocol.Refused)
    assert str(agent.pid) in reply.text


def test_a_refusal_becomes_one_line_for_the_user(home: Path, spawn: Callable[..., Any]) -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as agent:
        ensure_private(home)
        agent.bind(f"ipc://{home}/other.q")
        (home / "agent.json").write_bytes(
            msgspec.json.encode(
                Announcement(
                    f"ipc://{home}/other.in", f"ipc://{home}/other.q", spawn("wait()").pid, (1, protocol.VERSION)
                )
            )
        )
        feed = LocalFeed()
        feed.poll(0.0)
        assert agent.poll(1000 * PATIENCE_S)
        who, _ = agent.recv_multipart()
        agent.send_multipart([who, protocol.encode(protocol.Refused("end \x1b[2Jpid 7 first"))])

        def is_refused() -> str:
            feed.poll(0.05)
            return feed.refusal

        until(is_refused)
        feed.close()
    assert feed.refusal == "end pid 7 first"


def test_an_agent_of_another_version_is_told_before_it_is_asked(home: Path, spawn: Callable[..., Any]) -> None:
    ensure_private(home)
    older = Announcement(f"ipc://{home}/a.in", f"ipc://{home}/a.q", spawn("wait()").pid, (1, protocol.VERSION - 1))
    (home / "agent.json").write_bytes(msgspec.json.encode(older))
    feed = LocalFeed()
    feed.poll(0.0)
    feed.close()
    assert str(older.pid) in feed.refusal and "another version" in feed.refusal


def test_an_agent_that_was_stopped_serves_again_when_it_continues(
    home: Path, spawn: Callable[..., Any], watch: Callable[..., Any]
) -> None:
    viewer = watch()
    viewer.feed.connect(1.0)
    open_local().close()
    agent = announced_agent()
    assert agent is not None
    os.kill(agent.pid, signal.SIGSTOP)
    spawn(TRAINING).wait()
    viewer.look(4.0)
    os.kill(agent.pid, signal.SIGCONT)
    viewer.until(lambda viewer: viewer.state is RunState.FINISHED)
    assert viewer.values() == list(range(100))
