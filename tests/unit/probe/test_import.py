"""What importing the probe costs a training script."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {"torch", "numpy", "zmq", "asyncio", "textual", "dettui", "multiprocessing"}


def modules_after(source: str) -> set[str]:
    script = f"{source}\nimport sys\nprint(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


BESIDE_MSGSPEC = {"atexit", "pathlib", "queue", "resource", "signal", "struct", "threading", "zlib"}
"""All that the probe may ask the standard library for when it is imported: 80 ms above bare Python, of which msgspec
and what it loads are three quarters.  dataclasses, textwrap, logging, json and zmq come late or never."""


def test_importing_the_probe_loads_nothing_heavy() -> None:
    assert "msgspec" in modules_after("import dettui_probe")
    assert modules_after("import dettui_probe") & HEAVY == set()


def test_importing_the_probe_loads_msgspec_and_few_modules_besides() -> None:
    beside = modules_after(f"import msgspec, {', '.join(BESIDE_MSGSPEC)}")
    foreign = {name for name in modules_after("import dettui_probe") - beside if not name.startswith("dettui_probe")}
    assert foreign == set()


def test_importing_the_probe_leaves_capture_and_prechecks_for_later() -> None:
    ours = {name for name in modules_after("import dettui_probe") if name.startswith("dettui_probe.")}
    assert not {name for name in ours if name.split(".")[1] in ("capture", "prechecks", "contract")}


def test_the_function_preflight_survives_the_modules_behind_it() -> None:
    source = "import dettui_probe as p; p.Check, p.Contract; assert callable(p.preflight), p.preflight"
    modules_after(source)


def test_starting_a_run_loads_nothing_heavy_either(tmp_path) -> None:
    places = f"import os; os.environ.update(DETTUI_HOME={str(tmp_path / 'h')!r}, DETTUI_RUNS={str(tmp_path / 'r')!r})"
    assert modules_after(f"{places}\nimport dettui_probe\ndettui_probe.init().finish()") & HEAVY == set()


def test_the_public_door_is_what_it_says() -> None:
    import dettui_probe

    assert sorted(dettui_probe.__all__) == [
        "Check",
        "Contract",
        "PreflightFailed",
        "PreflightReport",
        "Run",
        "__version__",
        "event",
        "finish",
        "init",
        "log",
        "preflight",
        "watch",
    ]
    assert all(hasattr(dettui_probe, name) for name in dettui_probe.__all__)


def test_the_conveniences_do_nothing_before_a_run() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import dettui_probe as p; p.log(1, a=1.0); p.event('a', 'b'); p.finish()"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")
