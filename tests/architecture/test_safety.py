"""Words that must not occur in what ships."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*(ROOT / "dettui").rglob("*.py"), *(ROOT / "probe").rglob("*.py")])
FORBIDDEN_CALLS = {"eval", "exec", "recv_pyobj", "send_pyobj"}
LAUNCHER = "__main__.py"  # of the probe: runs the user's own script, as python itself does
ALLOWED_TO_BIND = {"dettui/feed/agent/post.py", "dettui/feed/listen/door.py", "dettui/feed/ssh/desk.py"}
FORBIDDEN_MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "code", "codeop", "pty"}


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
    offences = [str(path) for path in SOURCES if re.search(r"tcp://(\*|0\.0\.0\.0|\[?::\]?:)", path.read_text())]
    assert offences == []


def calls_of(path: Path) -> list[tuple[str, int]]:
    """Names of the methods and functions that *path* calls, with their lines."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return [(getattr(call.func, "attr", getattr(call.func, "id", "")), call.lineno) for call in calls]


def test_the_probe_binds_nothing_and_nobody_can_call_it() -> None:
    waits_for_calls = {"bind", "bind_to_random_port", "accept", "listen_on", "create_server", "start_server"}
    probe = sorted((ROOT / "probe").rglob("*.py"))
    assert [(path.name, *call) for path in probe for call in calls_of(path) if call[0] in waits_for_calls] == []


def test_the_probe_hears_nothing_but_a_handshake() -> None:
    """Nothing that a viewer sends reaches the training: one place reads from a socket, and throws it away."""
    hears = {"recv", "recv_multipart", "recv_string", "recv_json", "recv_into", "recvfrom", "recvmsg"}
    hearing = {path.name for path in (ROOT / "probe").rglob("*.py") for name, _ in calls_of(path) if name in hears}
    assert hearing == {"zmtp.py"}


def test_libzmq_is_in_the_training_process_only_for_those_who_ask_for_tcp() -> None:
    """It ends a process that has no descriptor or thread left, or closes what it did not open."""
    users = {
        path.name
        for path in (ROOT / "probe").rglob("*.py")
        if re.search(r"^\s*(import|from) zmq", path.read_text(), re.M)
    }
    assert users == {"tcp.py", "keys.py"}


def test_a_socket_that_others_reach_is_bound_in_three_places() -> None:
    """The agent's and the desk's for ssh's questions, in the private directory; the listener's, guarded by keys."""
    binding = {str(path.relative_to(ROOT)) for path in SOURCES for name, _ in calls_of(path) if name == "bind"}
    assert binding <= ALLOWED_TO_BIND, binding


def test_no_shell_runs_a_string_and_no_temporary_name_can_be_guessed() -> None:
    offences = [
        f"{path.name}:{line} {name}"
        for path in SOURCES
        for name, line in calls_of(path)
        if name in {"system", "popen", "mktemp", "getoutput", "getstatusoutput"}
    ]
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.keyword)
                and node.arg == "shell"
                and getattr(node.value, "value", None) is not False
            ):
                offences.append(f"{path.name}:{node.value.lineno} shell=")
    assert offences == []


def test_every_message_that_is_decoded_has_a_bound() -> None:
    """A socket of libzmq that reads has MAXMSGSIZE; files of others are read up to a size."""
    for name in ("dettui/feed/agent/post.py", "dettui/feed/listen/door.py"):
        assert "MAXMSGSIZE" in (ROOT / name).read_text()


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
