"""`dettui HOST` as a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from live.patience import until
from live.ssh.machine import Place, Terminal
from live.ssh.place import OtherHost, make_key, needs_sshd

pytestmark = needs_sshd


def test_what_a_host_knows_is_listed_drawn_and_diagnosed(host: OtherHost, place: Place) -> None:
    host.start()
    for name in ("shapes-1", "cars-1"):
        host.train(name, steps=150, pause=0.0).wait()
    listed = place.dettui("ls", "gpu01", "--json")
    assert {(run["id"], run["state"], run["step"]) for run in json.loads(listed.stdout)} == {
        ("shapes-1", "finished", 150),
        ("cars-1", "finished", 150),
    }
    drawn = place.dettui("--once", "gpu01:shapes")
    assert drawn.returncode == 0, drawn.stderr
    assert "shapes-1" in drawn.stdout and "cars" not in drawn.stdout and "150" in drawn.stdout
    told = place.dettui("doctor", "gpu01:cars-1", "--json", "--at", "100")
    assert json.loads(told.stdout)["run"]["id"] == "cars-1"
    assert json.loads(told.stdout)["run"]["steps"] == 100
    nobody = place.dettui("doctor", "gpu01:nobody")
    assert (nobody.returncode, nobody.stderr) == (
        2,
        "dettui: no run nobody there: `dettui ls gpu01` shows them\n",
    )
    assert host.agents() == []


def test_a_host_that_cannot_be_reached_is_one_line(host: OtherHost, place: Place) -> None:
    done = place.dettui("--once", "gpu01")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("dettui: gpu01 refuses connections") and done.stderr.count("\n") == 1


def test_without_a_terminal_nothing_is_asked(host: OtherHost, place: Place) -> None:
    make_key(host.place / "locked", "open sesame")
    host.key = "locked"
    (host.place / "authorized").write_text((host.place / "locked.pub").read_text())
    host.start()
    done = Place(host, place.cwd).dettui("--once", "gpu01")
    assert done.returncode == 2
    assert "did not let us in" in done.stderr and done.stderr.count("\n") == 1


def test_the_dashboard_asks_for_the_passphrase_and_then_shows_the_run(host: OtherHost, place: Place) -> None:
    make_key(host.place / "locked", "open sesame")
    host.key = "locked"
    (host.place / "authorized").write_text((host.place / "locked.pub").read_text())
    host.start()
    host.train("behind-a-lock", steps=50, pause=0.0, waits=True)
    terminal = Terminal(Place(host, place.cwd), "gpu01")
    terminal.read_until(b"Enter passphrase for key")
    terminal.press(b"open sesame\r")
    terminal.read_until(b"behind-a-lock")
    terminal.press(b"q")
    assert terminal.exit_code() == 0
    assert b"sesame" not in terminal.written
    until(lambda: not host.agents())


@pytest.mark.long
def test_runs_of_this_machine_and_of_a_host_stand_side_by_side(host: OtherHost, place: Place) -> None:
    host.start()
    host.train("there", steps=50, pause=0.0).wait()
    script = "import dettui_probe as p\nwith p.init('here') as run:\n  for s in range(50): run.log(s, x=s)\n"
    environment = {**place.environment, "DETTUI_RUN": "here"}
    subprocess.run([sys.executable, "-c", script], env=environment, cwd=place.cwd, check=True)
    done = place.dettui("--once", "local", "gpu01")
    assert done.returncode == 0, done.stderr
    assert "here" in done.stdout and "there" in done.stdout
