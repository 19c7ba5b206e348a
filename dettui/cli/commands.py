"""What commands there are, and how each of them is called."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import NoReturn

from dettui.errors import BadUsage


class Parser(argparse.ArgumentParser):
    """Speaks of wrong arguments in one line, as every other error of ours."""

    def error(self, message: str) -> NoReturn:
        """Raise BadUsage instead of printing the usage and leaving."""
        raise BadUsage(f"{message}; see `{self.prog} --help`")


@dataclass(frozen=True)
class Command:
    """One command.  ``dettui.cli.<module>`` holds ``configure(parser)`` and ``run(arguments) -> exit code``."""

    name: str  # "" for the dashboard itself
    module: str
    usage: str
    summary: str

    def call(self, argv: Sequence[str]) -> int:
        """Parse *argv* and run; the exit code."""
        module = import_module(f"dettui.cli.{self.module}")
        parser = Parser(
            prog=f"dettui {self.name}".rstrip(),
            usage=f"dettui {self.usage}",
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module.configure(parser)
        code: int = module.run(parser.parse_args(argv))
        return code


DASHBOARD = Command(
    "", "dashboard", "[HOST | RUN | PATH ...] [--once]", "the dashboard, over local runs, hosts, or one run"
)

COMMANDS = {
    command.name: command
    for command in (
        Command("run", "launch", "run [--name NAME] [--] COMMAND ...", "start a training command and watch it"),
        Command("ls", "listing", "ls [HOST] [--json | --names]", "list the runs of this host, or of another"),
        Command("doctor", "doctor", "doctor [HOST:]RUN [--json] [--at STEP]", "say what is wrong with a run, and why"),
        Command("audit", "audit", "audit DATA [--val DATA] [--browse]", "check a dataset before it costs a run"),
        Command("explain", "explain", "explain [ID]", "explain a finding or a cause"),
        Command("export", "export", "export RUN [--csv | --jsonl]", "print the numbers of a run"),
        Command("demo", "demo", "demo [FAULT] [--steps N]", "train a small detector that has a known fault"),
        Command("prune", "prune", "prune [--older-than AGE] [--yes]", "remove the logs of old runs"),
        Command("listen", "listen", "listen HOST:PORT", "receive runs of other hosts over TCP, encrypted"),
        Command("keys", "keys", "keys [allow | revoke] [KEY] [NAME]", "say whose probes `dettui listen` lets in"),
        Command("completion", "completion", "completion bash | zsh | fish", "print a script for tab completion"),
    )
}
