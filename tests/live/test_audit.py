"""`dettui audit` as a process of its own: exit codes, what goes where, and what happens without the extra."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from live.patience import PATIENCE_S
from unit.audit.sets import scenes, write_coco, write_image

ENTRY = "import sys; from dettui.cli import main; sys.exit(main())"
IMAGES = scenes(images=8, size=(160, 120))


def dettui(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `dettui audit` without a terminal."""
    return subprocess.run(
        [sys.executable, "-c", ENTRY, "audit", *arguments],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "80", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A healthy set with its images."""
    for index, scene in enumerate(IMAGES):
        write_image(tmp_path / "images" / scene.file, scene.size, seed=index)
    (tmp_path / "far.yaml").write_text(f"train: {'x' * 5000}\nnames: [a]\n")  # beyond what a file system takes
    return write_coco(tmp_path, IMAGES)


def spoil(path: Path) -> None:
    """Give the first box no width."""
    document = json.loads(path.read_text())
    document["annotations"][0]["bbox"][2] = 0
    path.write_text(json.dumps(document))


def test_healthy_data_give_0_a_report_and_no_word_on_stderr(data: Path) -> None:
    done = dettui(data.name, cwd=data.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert "nothing found" in done.stdout and "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_findings_give_1_and_json_is_all_there_is_on_stdout(data: Path) -> None:
    spoil(data)
    done = dettui(data.name, "--json", cwd=data.parent)
    assert (done.returncode, done.stderr) == (1, "")
    document = json.loads(done.stdout)
    assert [finding["id"] for finding in document["findings"] if finding["severity"] != "info"] == ["degenerate_box"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["nowhere.json"], [], ["instances.json", "--limit", "-1"], ["instances.json", "--images", "nowhere"],
        ["instances.json", "--val", "nowhere.json"], ["instances.json", "--json", "--browse"], ["no_module:x"],
        ["instances.json", "--browse"], ["far.yaml"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_cannot_be_done_gives_2_and_one_line(data: Path, arguments: list[str]) -> None:
    done = dettui(*arguments, cwd=data.parent)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("dettui: ") and done.stderr.count("\n") == 1


@pytest.fixture
def without_extra(tmp_path: Path) -> str:
    """A path for PYTHONPATH on which Pillow and PyYAML are as good as not installed."""
    for package in ("PIL", "yaml"):
        (tmp_path / "bare" / package).mkdir(parents=True)
        (tmp_path / "bare" / package / "__init__.py").write_text("raise ImportError('not installed')\n")
    return str(tmp_path / "bare")


def test_without_pillow_the_annotations_are_checked_and_the_report_says_what_is_not(
    data: Path, without_extra: str
) -> None:
    spoil(data)
    done = dettui(data.name, cwd=data.parent, PYTHONPATH=without_extra)
    assert (done.returncode, done.stderr) == (1, "")
    assert "degenerate" in done.stdout or "no area" in done.stdout
    assert "pip install 'dettui[audit]'" in done.stdout


def test_without_pyyaml_a_data_yaml_is_one_line_that_names_the_extra(data: Path, without_extra: str) -> None:
    (data.parent / "data.yaml").write_text("train: images\nnames: [a]\n")
    done = dettui("data.yaml", cwd=data.parent, PYTHONPATH=without_extra)
    assert done.returncode == 2
    assert "dettui[audit]" in done.stderr and done.stderr.count("\n") == 1


def test_importing_the_audit_loads_no_image_library_and_no_torch() -> None:
    script = "import dettui.audit.audit, dettui.screens.audit, sys; print(*{n.partition('.')[0] for n in sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"PIL", "yaml", "torch", "textual_image", "pycocotools"} & set(done.stdout.split())


def test_the_browser_opens_on_a_terminal_and_leaves_with_the_audits_exit_code(data: Path) -> None:
    spoil(data)
    ours, theirs = pty.openpty()
    browser = subprocess.Popen(
        [sys.executable, "-c", ENTRY, "audit", data.name, "--browse"],
        cwd=data.parent,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24", "COLORTERM": "truecolor"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    written = read_until(ours, "▀".encode())
    assert b"images read" in written  # progress, since this is a terminal
    os.write(ours, b"q")
    read_until_end(ours)
    os.close(ours)
    assert browser.wait(PATIENCE_S) == 1


def read_until(terminal: int, wanted: bytes) -> bytes:
    """What the process writes until it has written *wanted*."""
    written, deadline = b"", time.monotonic() + PATIENCE_S
    while wanted not in written:
        assert time.monotonic() < deadline, written[-2000:]
        if select.select([terminal], [], [], 1.0)[0]:
            written += os.read(terminal, 65_536)
    return written


def read_until_end(terminal: int) -> None:
    """Take what is written until the other side closes."""
    try:
        while os.read(terminal, 65_536):
            pass
    except OSError:  # Linux says so when the last writer is gone
        return
