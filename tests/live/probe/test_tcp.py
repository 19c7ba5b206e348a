"""TCP, for those who ask: whoever has an allowed key is heard, everybody else is turned away and told why."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq
from live.patience import PATIENCE_S, until
from zmq.utils import z85

from dettui.feed.listen.notes import NoteReader
from dettui_probe import keys

DETTUI = str(Path(sys.executable).with_name("dettui"))
TRAINS = """
    import dettui_probe as probe, sys, threading, time
    run = probe.init("far")
    done = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), done.set()), daemon=True).start()
    step = 0
    while not done.wait(0.005):
        run.log(step, loss=step * 0.5)
        step += 1
    run.finish()
    print(step)
"""


class Listening:
    """A `dettui listen` of its own runtime directory and keys, and what it printed."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.env = {**os.environ, "DETTUI_HOME": str(home / "home"), "DETTUI_KEYS": str(home / "keys")}
        self.process = subprocess.Popen(
            [DETTUI, "listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.env,
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()
        self.address = self.process.stdout.readline().strip().partition("=")[2]

    @property
    def endpoint(self) -> str:
        return re.sub(r"tcp://.*@", "tcp://", self.address)

    def command(self, *words: str) -> str:
        done = subprocess.run([DETTUI, *words], env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def line(self) -> str:
        """The next line that it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def close(self) -> None:
        self.process.terminate()
        assert self.process.wait(PATIENCE_S) == 0
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def listening(workplace) -> Iterator[Listening]:
    here = Listening(workplace.home.parent / "here")
    yield here
    here.close()


@pytest.fixture
def key_of_the_node(workplace) -> str:
    workplace.env["DETTUI_KEYS"] = str(workplace.home.parent / "node-keys")
    done = subprocess.run(
        [sys.executable, "-m", "dettui_probe.keys"], env=workplace.env, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def rows_here(workplace, listening: Listening) -> list[tuple[int, dict[str, float]]]:
    found = [path for path in listening.home.rglob("*.dlog") if path.name.count(".") == 1]
    return workplace.read(found[0]).rows() if found else []


def notices(listening: Listening, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("DETTUI_HOME", listening.env["DETTUI_HOME"])
    return [arrival.notice for arrival in NoteReader().news(time.monotonic())]


def test_an_allowed_probe_is_written_down_here_up_to_its_goodbye(workplace, listening, key_of_the_node) -> None:
    listening.command("keys", "allow", key_of_the_node, "node7")
    process = workplace.start(TRAINS, DETTUI_CONNECT=listening.address)
    assert "rank 0 from" in listening.line()
    until(lambda: len(rows_here(workplace, listening)) > 100)
    out, err = process.communicate("\n", timeout=PATIENCE_S)
    assert err == ""
    assert "goodbye" in listening.line()
    there = workplace.read(next(workplace.runs.glob("*/*.dlog")))
    here = workplace.read(next((listening.home / "home" / "runs").glob("*/*.dlog")))
    missing = len(there.seqs) - len(set(here.seqs))
    assert missing <= 1 + here.seqs.index(max(here.seqs[:2]))  # what was written before the connection stood
    assert here.bye == there.bye
    assert here.rows() == there.rows()[-len(here.rows()) :]
    assert [step for step, _ in there.rows()] == list(range(int(out)))
    listed = listening.command("ls")
    assert re.search(r"far-\w+ +(finished)", listed)


def test_a_listener_that_starts_again_goes_on_in_the_next_segment(workplace, key_of_the_node) -> None:
    first = Listening(workplace.home.parent / "here")
    first.command("keys", "allow", key_of_the_node, "node7")
    process = workplace.start(TRAINS, DETTUI_CONNECT=first.address)
    until(lambda: len(rows_here(workplace, first)) > 20)
    first.close()
    port = first.endpoint.rpartition(":")[2]
    again = subprocess.Popen([DETTUI, "listen", f"127.0.0.1:{port}"], env=first.env, stdout=subprocess.PIPE)
    until(lambda: bool(list(first.home.rglob("*.1.dlog"))))
    until(lambda: len(workplace.read(next(first.home.rglob("*.1.dlog"))).rows()) > 20)
    process.communicate("\n", timeout=PATIENCE_S)
    again.terminate()
    again.communicate(timeout=PATIENCE_S)


def locked_out(workplace) -> list[str]:
    return [event.text for event in workplace.strand().events("locked_out")]


def test_a_key_that_is_not_allowed_brings_nothing_and_both_sides_say_so(
    workplace, listening, key_of_the_node, monkeypatch
) -> None:
    process = workplace.start(TRAINS, DETTUI_CONNECT=listening.address)
    assert f"dettui keys allow {key_of_the_node}" in listening.line()
    until(lambda: any(workplace.strands()) and bool(locked_out(workplace)))
    process.communicate("\n", timeout=PATIENCE_S)
    assert locked_out(workplace)[0].endswith("it does not allow this machine's key")
    assert any(key_of_the_node in notice for notice in notices(listening, monkeypatch))
    assert rows_here(workplace, listening) == []


def test_a_revoked_key_is_out_and_one_that_is_allowed_later_gets_in(workplace, listening, key_of_the_node) -> None:
    listening.command("keys", "allow", key_of_the_node, "node7")
    assert "revoked: node7" in listening.command("keys", "revoke", "node7")
    process = workplace.start(TRAINS, DETTUI_CONNECT=listening.address)
    until(lambda: any(workplace.strands()) and bool(locked_out(workplace)))
    listening.command("keys", "allow", key_of_the_node, "node7")
    until(lambda: rows_here(workplace, listening))  # libzmq does not come back to who said no: the probe has to
    process.communicate("\n", timeout=PATIENCE_S)


def test_a_wrong_key_of_the_listener_is_noticed_on_both_sides(
    workplace, listening, key_of_the_node, monkeypatch
) -> None:
    listening.command("keys", "allow", key_of_the_node, "node7")
    wrong = f"tcp://{key_of_the_node}@{listening.endpoint.removeprefix('tcp://')}"
    process = workplace.start(TRAINS, DETTUI_CONNECT=wrong)
    assert "another key than this listener's" in listening.line()
    until(lambda: any(workplace.strands()) and bool(locked_out(workplace)))
    process.communicate("\n", timeout=PATIENCE_S)
    assert locked_out(workplace)[0].endswith("it has another key than the one given here, or does not encrypt")
    assert any("another key" in notice for notice in notices(listening, monkeypatch))
    assert rows_here(workplace, listening) == []


@pytest.mark.parametrize("address", ["tcp://10.0.0.1:7", "http://x", "tcp://" + "a" * 64 + "@h:0", "tcp://*:7733"])
def test_an_address_that_makes_no_sense_is_told_and_the_training_goes_on(workplace, address) -> None:
    done = workplace.run(
        """
        import dettui_probe as probe, time
        run = probe.init(); run.log(1, loss=1.0); time.sleep(0.2); run.finish()
    """,
        DETTUI_CONNECT=address,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert workplace.strand().rows() == [(1, {"loss": 1.0})]
    assert "tcp://KEY@HOST:PORT" in workplace.strand().events("probe_fault")[0].text


def test_a_probe_never_speaks_to_a_listener_that_does_not_encrypt(workplace, key_of_the_node) -> None:
    with zmq.Context() as context, context.socket(zmq.PULL) as bare:
        port = bare.bind_to_random_port("tcp://127.0.0.1")
        process = workplace.start(TRAINS, DETTUI_CONNECT=f"tcp://{key_of_the_node}@127.0.0.1:{port}")
        until(lambda: any(workplace.strands()) and bool(locked_out(workplace)))
        process.communicate("\n", timeout=PATIENCE_S)
        assert not bare.poll(0)
    assert "does not encrypt" in locked_out(workplace)[0]


def test_a_client_that_speaks_without_encryption_is_turned_away(workplace, listening) -> None:
    with zmq.Context() as context, context.socket(zmq.PUSH) as bare:
        bare.setsockopt(zmq.LINGER, 0)
        bare.connect(listening.endpoint)
        bare.send_multipart([b"run", b"0" * 16, b"0", b"frame"])
        assert "does not speak CURVE" in listening.line()
    assert list(listening.home.rglob("*.dlog")) == []


def test_a_domain_that_is_not_ours_is_refused(workplace, monkeypatch) -> None:
    """Another socket in the same process, guarded for something else, must not be let in by our list."""
    from dettui.feed.listen import door

    public, secret = zmq.curve_keypair()
    own = keys.Pair(z85.decode(public), z85.decode(secret))
    monkeypatch.setattr(door.Door, "_guard", _guard_elsewhere(door.Door._guard))
    listener = door.Door("127.0.0.1", 0, own, lambda: {own.public.hex(): "me"})
    with zmq.Context() as context, context.socket(zmq.PUSH) as client:
        client.setsockopt(zmq.LINGER, 0)
        client.setsockopt(zmq.CURVE_SERVERKEY, public)
        client.setsockopt(zmq.CURVE_PUBLICKEY, public)
        client.setsockopt(zmq.CURVE_SECRETKEY, secret)
        client.connect(listener.endpoint)
        client.send(b"x")
        refused: list[str] = []
        while not refused:
            listener.wait(100)
            refused += listener.turned_away()
        assert list(listener.messages()) == []
    listener.close()


def _guard_elsewhere(guard: Callable[..., None]) -> Callable[..., None]:
    def guarded(self, pair: keys.Pair) -> None:
        guard(self, pair)
        self._inlet.setsockopt(zmq.ZAP_DOMAIN, b"elsewhere")

    return guarded


@pytest.mark.parametrize("host", ["*", "0.0.0.0", "[::]", "::", "no.such.host.invalid", "203.0.113.9"])
def test_nobody_listens_on_every_address_or_on_somebody_elses(workplace, host) -> None:
    done = subprocess.run(
        [DETTUI, "listen", f"{host}:7733"],
        env={**workplace.env, "DETTUI_KEYS": str(workplace.home.parent / "k")},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("dettui: ")
    assert done.stderr.count("\n") == 1


def test_a_listener_that_answers_reaches_nothing_in_the_training(workplace, key_of_the_node) -> None:
    """Whoever listens may send what they like: a PUSH socket has no ears."""
    own = keys_of(workplace)
    with zmq.Context() as context, context.socket(zmq.DEALER) as hostile:
        hostile.setsockopt(zmq.CURVE_SERVER, 1)
        hostile.setsockopt(zmq.CURVE_SECRETKEY, own.secret)
        port = hostile.bind_to_random_port("tcp://127.0.0.1")
        process = workplace.start(TRAINS, DETTUI_CONNECT=f"tcp://{own.public.hex()}@127.0.0.1:{port}")
        until(lambda: any(workplace.strands()) and len(workplace.strand().rows()) > 50)
        for _ in range(100):
            hostile.send_multipart([b"stop", b"\x00" * 1000], zmq.NOBLOCK) if hostile.poll(10, zmq.POLLOUT) else None
        out, err = process.communicate("\n", timeout=PATIENCE_S)
    assert (process.returncode, err) == (0, "")
    assert [step for step, _ in workplace.strand().rows()] == list(range(int(out)))


def keys_of(workplace) -> keys.Pair:
    directory = Path(workplace.env["DETTUI_KEYS"])
    before = os.environ.get("DETTUI_KEYS")
    os.environ["DETTUI_KEYS"] = str(directory)
    try:
        return keys.own_pair()
    finally:
        if before is None:
            del os.environ["DETTUI_KEYS"]
        else:
            os.environ["DETTUI_KEYS"] = before
