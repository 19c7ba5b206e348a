"""What may be imported from where, and what importing costs others."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROBE = ROOT / "probe" / "dettui_probe"


def modules_after(statement: str) -> set[str]:
    """Top-level names of the modules that a fresh interpreter holds after *statement*."""
    script = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def imported_names(source: Path) -> set[str]:
    """Top-level packages that *source* imports when it runs, also inside functions."""
    names: set[str] = set()
    tree = ast.parse(source.read_text())
    for_types_only = {id(part) for node in ast.walk(tree) if _is_type_checking(node) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in for_types_only:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.partition(".")[0])
    return names


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"


def test_import_contracts_hold() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports"))], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_importing_the_probe_loads_neither_torch_nor_numpy() -> None:
    assert not {"torch", "numpy", "textual", "dettui"} & modules_after("import dettui_probe")


@pytest.mark.parametrize("module", ["dettui.cli", "dettui.engine", "dettui.app"])
def test_the_viewer_never_loads_torch_or_scipy(module: str) -> None:
    assert not {"torch", "scipy", "torchvision"} & modules_after(f"import {module}")


def test_one_file_of_the_probe_imports_torch() -> None:
    holders = [path.name for path in PROBE.rglob("*.py") if "torch" in imported_names(path)]
    assert len(holders) == 1, holders


def test_the_probe_needs_pyzmq_and_msgspec_and_the_standard_library_only() -> None:
    allowed = set(sys.stdlib_module_names) | {"zmq", "msgspec", "torch", "dettui_probe"}
    foreign = {path.name: imported_names(path) - allowed for path in PROBE.rglob("*.py")}
    assert {name: extra for name, extra in foreign.items() if extra} == {}
