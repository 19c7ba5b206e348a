"""Frames reach an agent that listens, whenever it comes, and nothing happens where it goes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq
from live.patience import PATIENCE_S, until

from dettui_probe import framing, wire
from dettui_probe.writer import CLOSE_S

TRAINS = """
    import dettui_probe as probe, sys, threading
    run = probe.init()
    done = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), done.set()), daemon=True).start()
    step = 0
    while not done.wait(0.005):
        run.log(step, loss=step * 0.5)
        step += 1
    run.finish()
    print(step)
"""


class Agent:
    """A plain PULL socket that is announced as the agent's."""

    def __init__(self, home: Path, name: str) -> None:
        home.mkdir(mode=0o700, exist_ok=True)
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.PULL)
        endpoint = f"ipc://{home}/{name}"
        self.socket.bind(endpoint)
        draft = home / "agent.new"
        draft.write_text(json.dumps({"in": endpoint, "query": "ipc:///q", "pid": os.getpid(), "version": [1, 0]}))
        draft.replace(home / "agent.json")

    def receive(self, enough: Callable[[list[list[bytes]]], bool]) -> list[list[bytes]]:
        """Messages as they come, until they are *enough*."""
        messages: list[list[bytes]] = []

        def are_enough() -> bool:
            while self.socket.poll(0):
                messages.append(self.socket.recv_multipart())
            return enough(messages)

        until(are_enough)
        return messages

    def leave(self) -> None:
        self.socket.close(0)
        self.context.term()


@pytest.fixture
def agent(workplace) -> Iterator[Callable[[str], Agent]]:
    agents: list[Agent] = []

    def appear(name: str = "a-1.in") -> Agent:
        agents.append(Agent(workplace.home, name))
        return agents[-1]

    yield appear
    for one in agents:
        one.leave()


def frames_of(messages: list[list[bytes]]) -> dict[int, wire.AnyMessage | None]:
    frames = [frame for message in messages for frame in framing.Scanner().feed(message[3])]
    return {frame.seq: wire.decode(frame.payload) for frame in frames if isinstance(frame, framing.Frame)}


def has_rows(messages: list[list[bytes]]) -> bool:
    return any(isinstance(message, wire.Batch) for message in frames_of(messages).values())


def test_an_agent_that_comes_late_gets_the_frames_of_the_log_after_a_hello(workplace, agent) -> None:
    process = workplace.start(TRAINS)
    until(lambda: bool(workplace.strands()) and len(workplace.strand().rows()) > 10)
    messages = agent("a-1.in").receive(has_rows)
    process.communicate("\n", timeout=PATIENCE_S)
    strand = workplace.strand()
    assert {(m[0], m[1], m[2]) for m in messages} == {(strand.hello.run.encode(), strand.hello.boot.encode(), b"0")}
    assert isinstance(frames_of(messages[:1])[0], wire.Hello)
    assert isinstance(frames_of(messages[1:2]).popitem()[1], wire.Tags)
    in_log = dict(zip(strand.seqs, strand.messages, strict=True))
    assert all(in_log[seq] == message for seq, message in frames_of(messages).items())


def test_an_agent_that_dies_and_one_that_takes_its_place_leave_no_gap_in_the_log(workplace, agent) -> None:
    first = agent("a-1.in")
    process = workplace.start(TRAINS)
    first.receive(has_rows)
    first.leave()
    again = agent("a-2.in").receive(has_rows)
    out, err = process.communicate("\n", timeout=PATIENCE_S)
    assert isinstance(frames_of(again[:1])[0], wire.Hello)
    assert err == ""
    assert [step for step, _ in workplace.strand().rows()] == list(range(int(out)))


def test_an_agent_that_never_reads_costs_no_row_and_delays_no_exit(workplace, agent) -> None:
    agent("a-1.in")
    done = workplace.run("""
        import dettui_probe as probe, time
        run = probe.init()
        for step in range(400):
            run.log(step, **{f"v{i}": 0.5 for i in range(500)})
            time.sleep(0.002)
        began = time.monotonic()
        run.finish()
        print(time.monotonic() - began)
    """)
    assert (done.returncode, done.stderr) == (0, "")
    assert float(done.stdout) < CLOSE_S / 2
    assert [step for step, _ in workplace.strand().rows()] == list(range(400))


def test_without_an_agent_zmq_is_not_even_imported(workplace) -> None:
    done = workplace.run("""
        import dettui_probe as probe, sys, time
        run = probe.init(); run.log(1, loss=1.0); run.finish()
        print("zmq" in sys.modules)
    """)
    assert done.stdout == "False\n"


def test_with_few_descriptors_left_no_context_is_made_and_the_log_goes_on(workplace, agent) -> None:
    agent("a-1.in")
    done = workplace.run("""
        import dettui_probe as probe, os, resource, sys, time
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        taken = [os.open("/dev/null", os.O_RDONLY) for _ in range(64 - len(os.listdir("/dev/fd")) - 20)]
        run = probe.init(); run.log(1, loss=1.0); time.sleep(0.3); run.finish()
        print("zmq" in sys.modules)
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "False\n", "")
    assert workplace.strand().rows() == [(1, {"loss": 1.0})]


def test_descriptors_that_run_out_while_an_agent_comes_and_goes_do_not_abort(workplace, agent) -> None:
    first = agent("a-1.in")
    process = workplace.start("""
        import dettui_probe as probe, os, resource, sys
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
        run = probe.init(); run.log(1, loss=1.0)
        sys.stdin.readline()
        taken = []
        try:
            while True: taken.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            os.write(1, b"full\\n")
        sys.stdin.readline()
        for fd in taken: os.close(fd)
        run.log(2, loss=1.0)
    """)
    first.receive(bool)
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "full\n"
    first.leave()
    agent("a-1.in").receive(bool)  # the probe reconnects although nothing is free
    process.communicate("\n", timeout=PATIENCE_S)
    assert process.returncode == 0
    assert [step for step, _ in workplace.strand().rows()] == [1, 2]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"in": 3}', '{"in": "tcp://127.0.0.1:9", "query": "", "pid": 1, "version": [1, 0]}'],
)
def test_an_announcement_that_makes_no_sense_is_ignored(workplace, text) -> None:
    workplace.home.mkdir(mode=0o700)
    (workplace.home / "agent.json").write_text(text)
    done = workplace.run("""
        import dettui_probe as probe, sys
        run = probe.init(); run.log(1, loss=1.0); run.finish()
        print("zmq" in sys.modules)
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "False\n", "")
    assert workplace.strand().events("probe_fault") == []
