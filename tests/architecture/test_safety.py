"""Words that must not occur in what ships."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*(ROOT / "dettui").rglob("*.py"), *(ROOT / "probe").rglob("*.py")])
FORBIDDEN_CALLS = {"eval", "exec", "recv_pyobj", "send_pyobj"}
LAUNCHER = "__main__.py"  # of the probe: runs the user's own script, as python itself does
FORBIDDEN_MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle"}


def test_nothing_unpickles_or_evaluates() -> None:
    offences = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                bare_builtin = isinstance(node.func, ast.Name) or name.endswith("pyobj")
                launches = name == "exec" and path.parent.name == "dettui_probe" and path.name == LAUNCHER
                if name in FORBIDDEN_CALLS and bare_builtin and not launches:
                    offences.append(f"{path.name}:{node.lineno} calls {name}")
            if isinstance(node, ast.Import | ast.ImportFrom):
                modules = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
                offences += [f"{path.name}:{node.lineno} imports {m}" for m in modules if m in FORBIDDEN_MODULES]
    assert offences == []


def test_nobody_listens_on_every_interface() -> None:
    offences = [str(path) for path in SOURCES if re.search(r"tcp://(\*|0\.0\.0\.0)", path.read_text())]
    assert offences == []


def test_one_broad_except_exists_and_it_is_the_fence_of_the_probe() -> None:
    broad = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler) and _is_broad(node.type):
                broad.append(path.name)
    assert set(broad) == {"fence.py"}, broad


def _is_broad(kind: ast.expr | None) -> bool:
    names = [kind] if not isinstance(kind, ast.Tuple) else list(kind.elts)
    return any(name is None or getattr(name, "id", "") in {"Exception", "BaseException"} for name in names)
