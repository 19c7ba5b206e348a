"""Another user of the same machine: sees nothing, sends nothing, and cannot lay a trap where ours will be put."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from live.agents import end_agent
from live.patience import PATIENCE_S

from dettui.errors import AgentUnavailable
from dettui.feed.opening import open_local
from dettui_probe.registry import announced_agent, ensure_private, runtime_dir

NOBODY = 65534
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs to be root, to become somebody else")


def as_nobody(source: str) -> str:
    """What *source* prints as another user, with zmq and socket at hand."""
    script = "import os, socket, zmq, errno\nos.setgroups([]); os.setgid(65534); os.setuid(65534)\n" + textwrap.dedent(
        source
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def home(workplace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime directory in a place that everybody may enter, as /tmp is."""
    workplace.home.parent.chmod(0o1777)
    for name in ("DETTUI_HOME", "DETTUI_RUNS"):
        monkeypatch.setenv(name, workplace.env[name])
    yield workplace.home
    end_agent()


def test_sockets_logs_and_registry_are_out_of_reach(workplace, home) -> None:
    old = os.umask(0)  # the worst that a user can set
    try:
        workplace.run("import dettui_probe as probe; run = probe.init('x'); run.log(1, loss=1.0)")
        feed = open_local()
    finally:
        os.umask(old)
    agent = announced_agent()
    assert agent is not None
    told = as_nobody(f"""
        for path in ({agent.inlet[6:]!r}, {agent.query[6:]!r}):
            try:
                with socket.socket(socket.AF_UNIX) as s: s.connect(path)
                print("connected")
            except PermissionError: print("refused")
        for path in ("{home}", "{home}/reg", "{home}/agent.json", "{home}/a.lock"):
            try:
                os.listdir(path) if os.path.isdir(path) else open(path).read()
                print("read")
            except (PermissionError, FileNotFoundError): print("refused")
            try:
                open(path + "/x", "w") if os.path.isdir(path) else open(path, "a")
                print("written")
            except (PermissionError, NotADirectoryError, FileNotFoundError): print("refused")
    """)
    feed.close()
    assert set(told.split()) == {"refused"}


def test_a_directory_that_somebody_else_made_first_is_not_used(workplace, home) -> None:
    as_nobody(f"os.mkdir('{home}'); os.mkdir('{home}/reg'); os.chmod('{home}', 0o777); os.chmod('{home}/reg', 0o777)")
    done = workplace.run(
        "import dettui_probe as probe; run = probe.init('x'); run.log(1, loss=1.0); run.finish(); print('trained')"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "trained\n", "")
    assert [path for path in home.rglob("*") if path.is_file() and "runs" not in path.parts] == []
    with pytest.raises(AgentUnavailable, match="not a directory of our own"):
        open_local()


def test_a_symlink_that_somebody_else_laid_is_not_followed(workplace, home) -> None:
    target = home.parent / "target"
    target.mkdir()
    as_nobody(f"os.symlink('{target}', '{home}')")
    workplace.run("import dettui_probe as probe; run = probe.init('x'); run.log(1, loss=1.0); run.finish()")
    assert list(target.iterdir()) == []
    with pytest.raises(AgentUnavailable):
        open_local()


def test_an_agent_that_somebody_else_announces_is_never_spoken_to(workplace, home) -> None:
    """They cannot write agent.json; and where it names a socket that is not there, nothing happens."""
    ensure_private(runtime_dir())
    (home / "agent.json").write_text(
        '{"in": "ipc:///proc/1/root/x", "query": "tcp://10.0.0.1:1", "pid": 1, "version": [1, 2]}'
    )
    done = workplace.run(
        "import dettui_probe as probe, time; run = probe.init('x'); run.log(1, loss=1.0); time.sleep(0.3)"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert workplace.strand().rows() == [(1, {"loss": 1.0})]


def test_a_log_of_somebody_else_can_be_read_and_changes_nothing_of_ours(workplace, home) -> None:
    """`dettui PATH` on a colleague's recording: it names paths, pids and hosts as it likes."""
    import shutil

    from dettui.feed.opening import open_recording

    workplace.run("import dettui_probe as probe; run = probe.init('x'); run.log(1, loss=1.0); run.finish()")
    (log,) = workplace.runs.glob("*/*.dlog")
    theirs = home.parent / "theirs.dlog"
    shutil.copy(log, theirs)
    os.chown(theirs, NOBODY, NOBODY)
    theirs.chmod(0o444)
    feed = open_recording(theirs)
    arrivals = [arrival for _ in range(10) for arrival in feed.poll(0.0)]
    assert any(arrival.messages for arrival in arrivals)
    assert theirs.stat().st_uid == NOBODY


@pytest.mark.parametrize("trap", ["socket", "file", "fifo", "symlink"])
def test_what_lies_where_a_socket_of_an_agent_will_be_is_no_trap(workplace, home, trap) -> None:
    """Names are random; leftovers that are sockets go, anything else stays as it is."""
    import socket

    ensure_private(runtime_dir())
    left = home / "a-deadbeef.in"
    precious = home.parent / "precious"
    precious.write_text("precious")
    if trap == "socket":
        with socket.socket(socket.AF_UNIX) as old:
            old.bind(str(left))
    elif trap == "file":
        left.write_text("precious")
    elif trap == "fifo":
        os.mkfifo(left)
    else:
        left.symlink_to(precious)
    open_local().close()
    assert announced_agent() is not None
    assert precious.read_text() == "precious"
    assert left.exists() == (trap != "socket")
