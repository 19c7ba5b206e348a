"""Print a script that completes commands, runs, faults and options on tab.

examples:
  source <(dettui completion bash)                          in ~/.bashrc
  source <(dettui completion zsh)                           in ~/.zshrc, below compinit
  dettui completion fish > ~/.config/fish/completions/dettui.fish
"""

from __future__ import annotations

import argparse

from dettui.cli.commands import COMMANDS
from dettui.cli.demo import faults

SHELLS = ("bash", "zsh", "fish")

LOOK = "--ascii --light --dark"
WORDS = {
    "": f"--once --width --height --jump --ssh {LOOK} --version local",
    "run": f"--name {LOOK}",
    "ls": "--json --names --jump --ssh",
    "doctor": "--json --at --jump --ssh $(dettui ls --names 2>/dev/null)",
    "audit": f"--images --val --limit --json --browse {LOOK}",
    "explain": "$(dettui explain 2>/dev/null)",
    "export": "--csv --jsonl $(dettui ls --names 2>/dev/null)",
    "demo": f"--steps --seed --list {LOOK} {' '.join(faults())}",
    "prune": "--older-than --keep --max-size --yes",
    "listen": "",
    "keys": "show allow revoke",
    "completion": " ".join(SHELLS),
}
"""What may follow each command, in the words of a POSIX shell; "" is the dashboard."""

BASH = """\
_dettui() {{
    local typed="${{COMP_WORDS[COMP_CWORD]}}" choices
    if [ "$COMP_CWORD" -eq 1 ]; then
        choices="{commands} {top} $(dettui ls --names 2>/dev/null)"
    else
        case "${{COMP_WORDS[1]}}" in
{cases}
            *) choices="{top}" ;;
        esac
    fi
    COMPREPLY=($(compgen -W "$choices --help" -- "$typed"))
    if [ "${{#COMPREPLY[@]}}" -eq 0 ]; then
        COMPREPLY=($(compgen -f -- "$typed"))
    fi
}}
complete -o filenames -F _dettui dettui
"""

FISH = """\
complete -c dettui -n __fish_use_subcommand -a "{top} (dettui ls --names 2>/dev/null)"
{lines}
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("shell", choices=SHELLS)


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    scripts = {"bash": bash, "zsh": zsh, "fish": fish}
    print(scripts[arguments.shell](), end="")
    return 0


def bash() -> str:
    """The script for bash."""
    cases = "\n".join(f'            {name}) choices="{WORDS[name]}" ;;' for name in COMMANDS)
    return BASH.format(commands=" ".join(COMMANDS), top=WORDS[""], cases=cases)


def zsh() -> str:
    """The script for zsh, which reads bash's by way of bashcompinit."""
    return "autoload -Uz bashcompinit && bashcompinit\n" + bash()


def fish() -> str:
    """The script for fish."""
    summaries = [
        f"complete -c dettui -n __fish_use_subcommand -a {command.name} -d '{command.summary}'"
        for command in COMMANDS.values()
    ]
    words = [
        f'complete -c dettui -n "__fish_seen_subcommand_from {name}" -a "{WORDS[name].replace("$(", "(")} --help"'
        for name in COMMANDS
    ]
    return FISH.format(top=WORDS[""], lines="\n".join([*summaries, *words]))
