"""What is sent to another host: the standard library only, and any Python from 3.8 on."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dettui.feed.agent import protocol
from dettui.feed.agent.stream import Assembler, cut
from dettui.feed.ssh import bundle, loader

SENT = {**bundle.sources(), "the loader": Path(loader.__file__).read_text()}
PYTHONS = sorted(
    {str(path) for path in Path("/usr/bin").glob("python3.[0-9]*") if path.name.removeprefix("python3.").isdecimal()}
    | {str(path) for path in Path.home().glob(".pyenv/versions/3.*/bin/python3")}
    | {sys.executable}
)


def version_of(python: str) -> tuple[int, ...]:
    asked = [python, "-c", "import sys; print(*sys.version_info[:2])"]
    return tuple(map(int, subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()))


def imported_when_run(text: str) -> Iterator[str]:
    """Modules that *text* imports, but for types."""
    tree = ast.parse(text)
    for_types = {id(part) for node in ast.walk(tree) if _is_for_types(node) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"


@pytest.mark.parametrize("module", SENT)
def test_it_needs_the_standard_library_only(module: str) -> None:
    foreign = [
        name
        for name in imported_when_run(SENT[module])
        if name.partition(".")[0] not in sys.stdlib_module_names and not name.startswith(bundle.OURS)
    ]
    assert foreign == []


@pytest.mark.parametrize("module", SENT)
def test_it_is_written_for_the_oldest_python_that_is_served(module: str) -> None:
    ast.parse(SENT[module], feature_version=bundle.OLDEST)


def test_every_module_that_is_imported_is_sent() -> None:
    ours = {name for text in SENT.values() for name in imported_when_run(text) if name.startswith(bundle.OURS)}
    packages = {name.rpartition(".")[0] for name in SENT}
    assert ours - set(SENT) <= packages


@pytest.mark.parametrize("module", SENT)
def test_docstrings_stay_at_home_and_lines_in_their_places(module: str) -> None:
    bare = bundle.without_docstrings(SENT[module])
    kept, sent = ast.parse(SENT[module]), ast.parse(bare)
    assert not any(ast.get_docstring(n) for n in ast.walk(sent) if isinstance(n, (ast.Module, ast.FunctionDef)))
    assert _places(sent) == _places(kept)


def _places(tree: ast.AST) -> list[tuple[str, int]]:
    return [(n.name, n.lineno) for n in ast.walk(tree) if isinstance(n, (ast.ClassDef, ast.FunctionDef))]


def test_it_is_small_enough_for_a_slow_link() -> None:
    assert len(bundle.program()) < 25_000  # more than a second at 20 kB/s


def test_the_command_is_one_line_that_no_login_shell_touches() -> None:
    quoted = bundle.RECEIVER.removeprefix("exec sh -c '").removesuffix("'")
    assert not set("'\n!") & set(quoted)


def conversation(command: list[str], home: Path, noise: bytes = b"") -> tuple[list[protocol.Reply], int, str]:
    """Send the program and two questions to *command*; the replies, its exit code, and its complaints."""
    (home.parent / "bare").mkdir(exist_ok=True)
    asked = cut(protocol.encode(protocol.Open(protocol.VERSION))) + cut(protocol.encode(protocol.Next(1 << 16)))
    agent = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=home.parent / "bare",
        env={"DETTUI_HOME": str(home), "PATH": "/usr/bin:/bin"},
    )
    assert agent.stdin and agent.stdout and agent.stderr
    agent.stdin.write(bundle.program() + asked)
    agent.stdin.flush()
    replies: list[protocol.Reply] = []
    assembler = Assembler(protocol.MAX_MESSAGE)
    while len(replies) < 2 and (data := os.read(agent.stdout.fileno(), 1 << 16)):
        found = map(protocol.reply_of, assembler.feed(noise + data))
        replies += [reply for reply in found if reply is not None]
    with agent:
        agent.stdin.close()
        complaints = agent.stderr.read().decode()
    return replies, agent.returncode, complaints


@pytest.mark.parametrize("python", PYTHONS, ids=lambda path: path.replace("/", "|"))
def test_it_runs_without_any_package(python: str, recorded: Path) -> None:
    if version_of(python) < bundle.OLDEST:
        pytest.skip("older than what is served")
    receive = bundle.RECEIVER.partition('exec "$q" -I -S -c "')[2].partition('"')[0]
    replies, code, complaints = conversation([python, "-I", "-S", "-c", receive], recorded)
    opened, news = replies
    assert isinstance(opened, protocol.Opened) and isinstance(news, protocol.News)
    assert [(portion.run, portion.state.state) for portion in news.portions if portion.state] == [("r", "finished")]
    assert (code, complaints) == (0, "")


def test_it_is_run_by_the_interpreter_of_the_newest_run(recorded: Path, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    python = tmp_path / "python of the run"
    python.write_text(f'#!/bin/sh\necho "$1" >> "{witness}"\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    _announce_python(recorded, str(python))
    assert conversation(["sh", "-c", bundle.RECEIVER], recorded)[1] == 0
    assert witness.read_text() == "-I\n-I\n"


@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "zsh", "fish", "tcsh", "mksh", "busybox"])
def test_every_login_shell_passes_the_command_on(shell: str, recorded: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    command = [shell, "sh", "-c"] if shell == "busybox" else [shell, "-c"]
    replies, code, _ = conversation([*command, bundle.RECEIVER], recorded)
    assert (len(replies), code) == (2, 0)


@pytest.mark.parametrize("mode", [0o777, 0o755])
def test_a_directory_that_others_may_write_names_no_interpreter(mode: int, recorded: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    _announce_python(recorded, str(trap))
    recorded.chmod(mode)
    conversation(["sh", "-c", bundle.RECEIVER], recorded)
    assert not (tmp_path / "sprung").exists()


def test_a_host_without_python_says_so(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("sh", "ls", "id", "head", "sed"):
        (tools / tool).symlink_to(shutil.which(tool) or "")
    done = subprocess.run(
        ["/bin/sh", "-c", bundle.RECEIVER.replace("/usr/libexec/platform-python", "")],
        env={"PATH": str(tools), "DETTUI_HOME": str(tmp_path / "empty")},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (127, "dettui: no Python 3.8 or newer\n")


def _announce_python(home: Path, python: str) -> None:
    (entry,) = (home / "reg").glob("*.json")
    text = entry.read_text()
    before = text.partition('"python":"')[2].partition('"')[0]
    entry.write_text(text.replace(before, python))


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime directory with one run that is over."""
    from dettui_probe import wire
    from dettui_probe.framing import MAGIC, pack
    from dettui_probe.registry import Entry, publish

    monkeypatch.setenv("DETTUI_HOME", str(tmp_path / "home"))
    log = tmp_path / "r.dlog"
    log.write_bytes(MAGIC + pack(0, wire.encode(wire.Bye(1.0, 5, "finished", 0))))
    publish(Entry("r", "r", 0, 1, "b" * 16, 1, 1, "h", "k", str(log), "/nowhere/python", 1.0, [], "/"))
    return tmp_path / "home"
