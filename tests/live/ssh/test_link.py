"""Runs of another host over a real ssh: they come whole, and whatever breaks on the way is mended or told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from live.patience import until
from live.ssh.place import OtherHost, Watcher, is_up, kill, needs_sshd

from dettui.domain.link import LinkState
from dettui.feed.ssh.feed import LinkPolicy

pytestmark = needs_sshd

Watch = Callable[..., Watcher]


def test_a_run_of_another_host_comes_whole(host: OtherHost, watch: Watch) -> None:
    host.start()
    host.train(steps=300)
    watcher = watch(host)
    watcher.until(Watcher.is_finished)
    assert watcher.steps() == list(range(1, 301))
    assert {arrival.host for arrival in watcher.arrivals} == {"gpu01"}
    assert watcher.link.state is LinkState.UP
    assert sum(arrival.left_out for arrival in watcher.arrivals) == 0


def test_a_long_history_comes_whole_over_a_fast_link(host: OtherHost, watch: Watch) -> None:
    host.start()
    host.train(steps=20_000, pause=0.0).wait()
    watcher = watch(host)
    watcher.until(Watcher.is_finished)
    assert watcher.steps() == list(range(1, 20_001))
    assert sum(arrival.left_out for arrival in watcher.arrivals) == 0


def test_runs_that_were_not_asked_for_do_not_come_and_a_name_will_do(host: OtherHost, watch: Watch) -> None:
    host.start()
    for name in ("wanted-1", "other-1"):
        host.train(name, steps=5).wait()
    watcher = watch(host, ["wanted*"])
    watcher.until(Watcher.is_finished)
    assert {arrival.run for arrival in watcher.arrivals if arrival.run} == {"wanted-1"}


def test_nothing_is_left_behind_when_the_viewer_goes(host: OtherHost, watch: Watch) -> None:
    host.start()
    host.train(waits=True)
    watcher = watch(host)
    watcher.until(lambda watcher: len(watcher.steps()) == 100)
    assert len(host.agents()) == 1
    watcher.feed.close()
    until(lambda: not host.agents() and not host.connections())


def test_nothing_is_left_behind_when_the_viewer_is_killed(host: OtherHost, tmp_path: Path) -> None:
    host.start()
    host.train(waits=True)
    viewer = subprocess.Popen(
        [sys.executable, "-c", VIEWER, *host.way.ssh],
        stdout=subprocess.PIPE,
        env={**os.environ, "DETTUI_HOME": "/tmp/x"},
    )
    assert viewer.stdout is not None and viewer.stdout.readline() == b"up\n"
    assert len(host.agents()) == 1
    viewer.kill()
    viewer.communicate()
    until(lambda: not host.agents() and not host.connections())


VIEWER = """
import sys
from dettui.domain.link import LinkState
from dettui.feed.ssh.feed import SshFeed
from dettui.feed.ssh.target import Way, host_target
feed = SshFeed(host_target("gpu01"), Way(tuple(sys.argv[1:])))
while feed.link.state is not LinkState.UP:
    feed.poll(0.1)
print("up", flush=True)
while True:
    feed.poll(0.1)
"""


# --- what breaks ----------------------------------------------------------------------------------------------


def test_a_connection_that_is_cut_is_made_again_and_nothing_is_lost_or_repeated(host: OtherHost, watch: Watch) -> None:
    host.start()
    host.train(steps=600)
    watcher = watch(host)
    for reached in (100, 300):
        watcher.until(lambda watcher, reached=reached: len(watcher.steps()) > reached)  # type: ignore[misc]
        for pid in host.connections():
            kill(pid)
        watcher.until(lambda watcher: watcher.feed.link.state is LinkState.LOST)
        watcher.until(is_up)
    watcher.until(Watcher.is_finished)
    assert watcher.steps() == list(range(1, 601))
    assert [arrival.notice for arrival in watcher.arrivals if arrival.notice] == []


@pytest.mark.long
def test_an_agent_that_is_killed_is_sent_again(host: OtherHost, watch: Watch) -> None:
    host.start()
    host.train(steps=300)
    watcher = watch(host)
    watcher.until(lambda watcher: len(watcher.steps()) > 50)
    for pid in host.agents():
        kill(pid)
    watcher.until(Watcher.is_finished)
    assert watcher.steps() == list(range(1, 301))


def test_a_link_that_says_nothing_is_lost_within_five_seconds_and_found_again(host: OtherHost, watch: Watch) -> None:
    """Or, where all is slow, five times as long as it took to connect."""
    host.start()
    began = time.monotonic()
    watcher = watch(host)
    watcher.until(is_up)
    connecting_s = time.monotonic() - began
    host.train(steps=200, waits=True)
    watcher.until(lambda watcher: len(watcher.steps()) == 200)
    frozen = host.connections()
    began = time.monotonic()
    for pid in frozen:
        kill(pid, signal.SIGSTOP)
    watcher.until(lambda watcher: watcher.feed.link.state is LinkState.LOST)
    took_s = time.monotonic() - began
    assert took_s < 1.0 + 5 * max(1.0, connecting_s)
    assert time.time() - watcher.feed.link.since > 3.0  # lost since its last word, not since we noticed
    for pid in frozen:
        kill(pid, signal.SIGCONT)
    watcher.until(is_up)


@pytest.mark.long
def test_a_viewer_that_was_busy_blames_no_link(host: OtherHost, watch: Watch) -> None:
    host.start()
    host.train(steps=2_000, pause=0.001, waits=True)
    watcher = watch(host, policy=LinkPolicy(lost_s=0.5, hang_up_s=1.0))
    watcher.until(is_up)
    for _ in range(4):
        time.sleep(1.5)  # as an engine that judges for long, or a dashboard that was suspended
        watcher.look()
        assert watcher.feed.link.state is LinkState.UP
    assert watcher.feed.link.bytes_per_s is None  # and it was never slow


@pytest.mark.long
def test_a_link_that_stays_silent_is_given_up_and_called_again(host: OtherHost, watch: Watch) -> None:
    host.start()
    host.train(steps=200, waits=True)
    watcher = watch(host, policy=LinkPolicy(lost_s=0.5, hang_up_s=2.0))
    watcher.until(lambda watcher: len(watcher.steps()) == 200)
    frozen = host.connections()
    for pid in frozen:
        kill(pid, signal.SIGSTOP)
    watcher.until(lambda watcher: watcher.feed.link.state is LinkState.LOST)
    watcher.until(is_up)  # over another connection
    assert set(host.connections()) - set(frozen)
    for pid in frozen:
        kill(pid, signal.SIGCONT)


def test_a_run_that_starts_anew_while_the_link_is_down_is_told_in_order(host: OtherHost, watch: Watch) -> None:
    host.start()
    first = host.train("same", steps=50)
    watcher = watch(host)
    watcher.until(Watcher.is_finished)
    first.wait()
    host.stop()
    watcher.until(lambda watcher: watcher.feed.link.state is LinkState.LOST)
    host.train("same", steps=70).wait()
    host.start()
    watcher.until(lambda watcher: len(watcher.steps()) >= 120)
    watcher.until(Watcher.is_finished)
    assert watcher.steps() == [*range(1, 51), *range(1, 71)]


@pytest.mark.long
def test_a_host_that_is_down_is_called_less_and_less_often(host: OtherHost, watch: Watch) -> None:
    watcher = watch(host)
    waits: list[float] = []
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline:
        watcher.look(0.2)
        link = watcher.feed.link
        if link.retry_at is not None and link.retry_at not in waits:
            waits.append(link.retry_at)
    gaps = [later - earlier for earlier, later in pairwise(waits)]
    assert link.state is LinkState.LOST
    assert "refuses connections" in link.text
    assert len(gaps) >= 2 and all(later > 1.2 * earlier for earlier, later in pairwise(gaps))


@pytest.mark.long
def test_a_host_that_comes_up_later_is_found(host: OtherHost, watch: Watch) -> None:
    watcher = watch(host)
    watcher.until(lambda watcher: watcher.feed.link.state is LinkState.LOST)
    host.start()
    host.train(steps=20)
    watcher.until(Watcher.is_finished)
    assert watcher.steps() == list(range(1, 21))
