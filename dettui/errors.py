"""Everything that can go wrong in a way the user can mend, as a tree:

DettuiError                one line that says what to do; exit code 2
|- RunNotFound             no run of that name or path
|- NotARun                 the path exists and holds no run log
|- AgentUnavailable        the local agent could not be started or reached
|- HostUnreachable         a host cannot be reached, or not without asking the user
|- NoTerminal              a screen was asked for and there is no terminal
|- NotADataset             the path or name leads to no dataset that can be read
|- MissingExtra            a package is needed that an extra of ours brings
`- BadUsage                arguments that make no sense together
"""

from __future__ import annotations


class DettuiError(Exception):
    """An error whose text is one line for the user and says what to do."""

    exit_code = 2


class RunNotFound(DettuiError):
    """No run of that name or path."""


class NotARun(DettuiError):
    """The path exists and holds no run log."""


class AgentUnavailable(DettuiError):
    """The local agent could not be started or reached."""


class HostUnreachable(DettuiError):
    """A host cannot be reached, or not without asking the user."""


class NoTerminal(DettuiError):
    """A screen was asked for and there is no terminal."""


class NotADataset(DettuiError):
    """The path or name leads to no dataset that can be read."""


class MissingExtra(DettuiError):
    """A package is needed that an extra of ours brings."""


class BadUsage(DettuiError):
    """Arguments that make no sense together."""
