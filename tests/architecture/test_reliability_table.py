"""docs/reliability.md names fifty faults, and for each the test that shows what holds: those tests are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d+) \| (.+) \| (.+) \| (.+) \| (.+) \|$", TEXT, re.MULTILINE)


def test_all_fifty_faults_are_there_in_order() -> None:
    assert [int(row[0]) for row in ROWS] == list(range(1, 51))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_tests_that_are_named_exist(row: tuple[str, ...]) -> None:
    named = re.findall(r"`(tests/[^`]+)`", row[3])
    assert named, "a row without a test"
    missing = [name for name in named if not _exists(*name.partition("::")[::2])]
    assert missing == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_fault_has_a_result(row: tuple[str, ...]) -> None:
    assert "RESULT" not in row[4]


def _exists(path: str, name: str) -> bool:
    file = ROOT / path
    if not file.is_file():
        return False
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = {
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    names |= {
        getattr(target, "id", "") for node in ast.walk(tree) if isinstance(node, ast.Assign) for target in node.targets
    }
    return not name or name in names
