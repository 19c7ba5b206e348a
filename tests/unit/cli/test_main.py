"""The door: what is mistyped gets one line and exit code 2; what asks for help gets examples."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dettui.cli import main
from dettui.cli.commands import COMMANDS


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DETTUI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DETTUI_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "argv",
    [
        ["doctor"],
        ["doctor", "nobody"],
        ["doctor", "/nowhere/at/all"],
        ["doctor", "."],
        ["nobody"],
        ["--once", "nobody"],
        ["--once", "--width", "3", "nobody"],
        ["--no-such-option"],
        ["ls", "--csv"],
        ["run"],
        ["run", "--", "no-such-program-anywhere"],
        ["demo", "no_such_fault"],
        ["explain", "no_such_cause"],
        ["export", "nobody"],
        ["completion", "tcsh"],
        ["demo", "healthy", "--steps", "many"],
        ["demo", "healthy", "--steps", "0"],
    ],
    ids=" ".join,
)
def test_bad_use_is_one_line_on_stderr_and_exit_code_2(argv: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("dettui: ") and err.count("\n") == 1


def test_without_a_terminal_the_dashboard_says_what_works_instead(capfd: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    message = capfd.readouterr().err
    assert "--once" in message and "doctor" in message and message.count("\n") == 1


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_teaches_by_example(command: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main([*command.split(), "--help"])
    assert leaving.value.code == 0
    help_text = capfd.readouterr().out
    assert "examples:" in help_text
    assert f"dettui {command}".rstrip() in help_text


def test_help_says_what_the_height_is_for(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "sizes the chart, half of them" in " ".join(capfd.readouterr().out.split())


def test_help_names_every_command(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    help_text = capfd.readouterr().out
    assert all(command.usage in help_text and command.summary in help_text for command in COMMANDS.values())


@pytest.mark.parametrize(
    "argv",
    [
        ["--help"],
        ["ls"],
        ["run", "--help"],
        ["doctor", "--help"],
        ["demo", "--list"],
        ["ls", "slurm:"],
        ["ls", "slurm:1"],
    ],
)
def test_what_needs_no_picture_loads_neither_textual_nor_numpy(argv: list[str]) -> None:
    script = f"""
import sys
from dettui.cli import main
try:
    main({argv!r})
except SystemExit:
    pass
print(*{{"textual", "numpy", "torch", "plotext"}} & set(sys.modules), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == ""


def test_a_reader_that_stops_reading_is_no_error() -> None:
    script = "import sys; from dettui.cli import main; sys.exit(main(['explain']))"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as dettui:
        assert dettui.stdout is not None and dettui.stderr is not None
        dettui.stdout.close()
        assert dettui.stderr.read() == ""
        assert dettui.wait() == 141
