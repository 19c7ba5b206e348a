"""Explain a finding or a cause: what it means, how to check it, what to change.

examples:
  dettui explain                          every id
  dettui explain boxes_not_transformed
"""

from __future__ import annotations

import argparse
import difflib

from dettui.diagnose import catalogue
from dettui.domain.finding import SYMPTOMS
from dettui.errors import BadUsage


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("id", nargs="?", metavar="ID", help="of a finding or a cause, as doctor names it")


def run(arguments: argparse.Namespace) -> int:
    """Print the explanation, or every id."""
    print("\n".join(known_ids()) if arguments.id is None else explanation(arguments.id))
    return 0


def known_ids() -> tuple[str, ...]:
    """Ids of all findings and causes."""
    return (*SYMPTOMS, *catalogue.CATALOGUE)


def explanation(id: str) -> str:
    """The text on *id*.  Raises BadUsage with the nearest ids where there is none."""
    try:
        return catalogue.explain(id)
    except KeyError:
        near = difflib.get_close_matches(id, known_ids(), cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else "`dettui explain` lists them"
        raise BadUsage(f"nothing is called {id!r}; {hint}") from None
