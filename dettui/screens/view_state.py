"""How the reader looks at a run: which steps, which scale, which pane.  Frozen; every key makes a new one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dettui.screens.layout import PaneName

SMOOTHINGS: tuple[float, ...] = (0.6, 0.9, 0.0)
"""TensorBoard's weights, in the order in which the key goes round: its default, heavy, none."""


@dataclass(frozen=True)
class ViewState:
    """What the keys of the run screen change."""

    x_range: tuple[int, int] | None = None  # first and last step; None follows the run
    cursor: int | None = None  # a step
    smoothing: float = SMOOTHINGS[0]
    y_log: frozenset[PaneName] = frozenset({"grad", "update"})
    term: int = 0  # 0: the total with all terms, 1: the total, 2...: one term alone
    focused: PaneName = "loss"
    is_maximised: bool = False
    has_raw: bool = True  # the unsmoothed curve under a smoothed one


WITHOUT_COLOUR = ViewState(term=1, has_raw=False)
"""To begin with where no colour tells curves apart: the total alone, and nothing under it."""


def smoothed_next(state: ViewState) -> ViewState:
    """The next weight of smoothing."""
    index = SMOOTHINGS.index(state.smoothing) + 1
    return replace(state, smoothing=SMOOTHINGS[index % len(SMOOTHINGS)])


def log_toggled(state: ViewState) -> ViewState:
    """The focused pane on the other scale."""
    return replace(state, y_log=state.y_log ^ {state.focused})


def pane_after(state: ViewState, by: int, panes: Sequence[PaneName]) -> ViewState:
    """The focus moved on by *by* of *panes*, those that the run has."""
    index = panes.index(state.focused) + by
    return replace(state, focused=panes[index % len(panes)])


def gone_back(state: ViewState) -> ViewState | None:
    """*state* with its innermost change taken back, None where there is nothing left to take back."""
    if state.cursor is not None:
        return replace(state, cursor=None)
    if state.x_range is not None:
        return replace(state, x_range=None)
    if state.is_maximised:
        return replace(state, is_maximised=False)
    return None
