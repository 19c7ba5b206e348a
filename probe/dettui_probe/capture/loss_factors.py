"""By which plain numbers the terms of a loss are multiplied on their way to the total, as its graph tells.

Most scripts add up their terms themselves and show the sum alone.  A term is what no sum of scalars made.  What it is
divided by is left out, for that is mostly how many objects, images or places it was taken over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from dettui_probe import tags
from dettui_probe.capture.torchlib import Tensor

MOST_NODES: Final = 128
_ADDED: Final = ("AddBackward0", "SubBackward0")
_JOINED: Final = ("StackBackward0", "CatBackward0")
_REDUCED: Final = ("SumBackward0", "SumBackward1", "MeanBackward0", "MeanBackward1")
_PASSED: Final = frozenset(
    f"{name}Backward0" for name in ("Neg", "Div", "ToCopy", "View", "Reshape", "Squeeze", "Unsqueeze", "Alias", "Clone")
)


def weighing(loss: Tensor) -> dict[str, float]:
    """How far apart these factors are; nothing of a loss of one term."""
    factors = factors_of(loss)
    return {tags.GRAPH_APART: max(factors) / min(factors)} if len(factors) > 1 else {}


def factors_of(loss: Tensor) -> Sequence[float]:
    """The size of the factor of each term of *loss*, but for those of 0; empty where not all are plain numbers (what is
    learnt, or would have to be waited for), and where there are too many nodes to look at."""
    waiting: deque[tuple[Any, float]] = deque([(loss.grad_fn, 1.0)] if loss.grad_fn is not None else [])
    found: list[float] = []
    for _ in range(MOST_NODES):
        if not waiting:
            return [factor for factor in found if factor > 0]
        node, factor = waiting.popleft()
        made_of = _made_of(node)
        if node.name() == "MulBackward0":
            number = _number(node, made_of)
            if number is None:
                return ()
            waiting.append((made_of[0], factor * abs(number)))
        elif summands := _summands(node, made_of):
            waiting.extend((summand, factor) for summand in summands)
        else:
            found.append(factor)
    return ()


def _made_of(node: Any) -> list[Any]:
    return [made for made, _ in node.next_functions if made is not None]


def _summands(node: Any, made_of: Sequence[Any]) -> Sequence[Any]:
    """The scalars of which *node*, a scalar, is a sum; empty where it is a term."""
    name = node.name()
    if name in _ADDED or name in _PASSED:
        return made_of if name in _ADDED or len(made_of) == 1 else ()
    if name in _REDUCED and made_of and made_of[0].name() in _JOINED:
        return _made_of(made_of[0])
    return ()


def _number(node: Any, made_of: Sequence[Any]) -> float | None:
    """What *node* multiplies the one scalar by that it is made of."""
    factor = node._saved_other if node._saved_other is not None else node._saved_self
    if len(made_of) != 1 or not isinstance(factor, Tensor) or factor.device.type != "cpu" or factor.numel() != 1:
        return None
    return float(factor)
