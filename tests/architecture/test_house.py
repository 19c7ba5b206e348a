"""The house in order: formatting, lint, types, and the papers at its door."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command", [["ruff", "format", "--check", "."], ["ruff", "check", "."], ["mypy"]], ids=lambda c: " ".join(c[:2])
)
def test_checks_pass(command: list[str]) -> None:
    done = subprocess.run([str(BIN / command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_continuous_integration_runs_the_command_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    block = re.search(r"<!-- the tests -->\n+```\w*\n(.+?)\n```", readme, re.DOTALL)
    assert block and "pytest" in block[1]
    assert "README.md" in (ROOT / ".ci" / "run").read_text()


def test_every_file_under_demos_and_both_packages_says_what_it_is() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for folder in ("dettui", "probe", "demos")
        for path in (ROOT / folder).rglob("*.py")
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []
