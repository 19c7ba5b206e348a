"""Evaluations that the script makes with libraries we know: put into the run as ``eval/...``, without a line of code.

``sources.py`` knows where each library says what it measured, ``names.py`` what the measures are called here,
``listening.py`` puts the two together.  What the script logs itself goes first: see ``Overheard``.
"""

from dettui_probe.overheard.listening import listen_for_scores

__all__ = ["listen_for_scores"]
