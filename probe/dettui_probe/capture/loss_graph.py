"""What the graph of the loss shows before backward frees it: a softmax too many, a sum, a minus sign.

Nothing has to be patched, however the script imported its loss: every loss ends in a node of autograd that names it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from dettui_probe import tags
from dettui_probe.capture.cadence import Cadence
from dettui_probe.capture.torchlib import Tensor

CADENCE: Final = Cadence(full=2, every=64)
_NODES_SEARCHED: Final = 48
_PRODUCTS: Final = frozenset(f"{name}Backward0" for name in ("Mm", "Addmm", "Bmm", "Baddbmm", "Linear"))
_SCORES: Final = frozenset((*_PRODUCTS, "ConvolutionBackward0"))
_TO_A_NORM: Final = 4  # nodes from a division to the norm that it divides by
_CROSS_ENTROPY: Final = ("NllLossBackward0", "NllLoss2DBackward0")
_LOGISTIC: Final = ("BinaryCrossEntropyWithLogitsBackward0",)
OF_NUMBERS: Final = (
    *_LOGISTIC,
    "MseLossBackward0",
    "SmoothL1LossBackward0",
    "HuberLossBackward0",
    "BinaryCrossEntropyBackward0",
)
"""Losses of one number against another."""
_ALIGNMENT: Final = ("CtcLossBackward0", "CudnnCtcLossBackward0")
_HEADS: Final = (*_CROSS_ENTROPY, *OF_NUMBERS, *_ALIGNMENT)
_NONE: Final = 0  # at::Reduction
_SUM: Final = 2
_RESHAPES: Final = frozenset(
    f"{name}Backward0"
    for name in ("View", "UnsafeView", "Reshape", "ReshapeAlias", "Transpose", "Permute", "Clone", "Squeeze",
                 "Unsqueeze", "Slice", "Select", "ToCopy", "T", "Alias", "Contiguous", "Index")
)  # fmt: skip


_OF_SIZE: Final = frozenset(f"{name}Backward0" for name in ("Abs", "Pow", "Norm", "LinalgVectorNorm", "Square"))
_COMBINING: Final = frozenset(
    f"{name}Backward{version}"
    for name in ("Add", "Mul", "Div", "Sum", "Mean", "Sqrt", "Stack", "Cat", "Unsqueeze", "View", "Reshape", "ToCopy")
    for version in (0, 1)
)


class Head(NamedTuple):
    """A loss function in the graph, and how it enters the total."""

    node: Any
    sign: int  # -1 where the total falls as it rises
    is_scaled: bool  # divided, multiplied or averaged on its way to the total
    is_added_up: bool  # over its elements, on its way to the total

    @property
    def name(self) -> str:
        return str(self.node.name())

    @property
    def is_sum(self) -> bool:
        """Summed over the batch, and divided by nothing."""
        reduction = getattr(self.node, "_saved_reduction", None)
        return not self.is_scaled and (reduction == _SUM or (reduction == _NONE and self.is_added_up))


def heads_of(loss: Tensor) -> list[Head]:
    """The loss functions behind *loss*, nearest first."""
    waiting: deque[Head] = deque([Head(loss.grad_fn, 1, False, False)] if loss.grad_fn is not None else [])
    found: list[Head] = []
    for _ in range(_NODES_SEARCHED):
        if not waiting:
            break
        head = waiting.popleft()
        if head.name in _HEADS:
            found.append(head)
        else:
            waiting.extend(_following(head))
    return found


def _following(head: Head) -> Iterator[Head]:
    """The nodes before *head*, with the sign and the scale that it adds."""
    name, sign, scaled = head.name, head.sign, head.is_scaled
    added_up = head.is_added_up or name in ("SumBackward0", "SumBackward1")
    if name in ("NegBackward0", "RsubBackward1"):
        sign = -sign
    elif name in ("MulBackward0", "DivBackward0"):
        scaled = True
        sign *= _sign_of_factor(head.node)
    elif name in ("MeanBackward0", "MeanBackward1"):
        scaled = True
    for place, (node, _) in enumerate(head.node.next_functions):
        if node is not None:
            yield Head(node, -sign if name == "SubBackward0" and place == 1 else sign, scaled, added_up)


def _sign_of_factor(node: Any) -> int:
    """-1 where *node* multiplies by, or divides by, a negative plain number."""
    factor = getattr(node, "_saved_other", None) if node.next_functions[-1][0] is None else None
    if not isinstance(factor, Tensor) or factor.device.type != "cpu" or factor.dim() != 0:
        return 1
    return -1 if float(factor) < 0 else 1


def anatomy(loss: Tensor) -> dict[str, float]:
    """What the graph of *loss* shows, by tag; nothing where it ends in no loss function that is known."""
    heads = heads_of(loss)
    if not heads:
        return {}
    return {
        tags.GRAPH_SOFTMAX_TWICE: float(any(_is_given_probabilities(head) for head in heads)),
        tags.GRAPH_SUMMED: float(any(head.is_sum for head in heads)),
        tags.GRAPH_NEGATED: float(all(head.sign < 0 for head in heads)),
        tags.GRAPH_PENALTY: float(has_penalty(loss)),
        tags.GRAPH_COSINES: float(are_of_cosines(heads)),
        tags.GRAPH_RAW_SCORES: float(any(_is_given_raw_scores(head) for head in heads)),
    }


def has_penalty(loss: Tensor) -> bool:
    """True where a norm, or another measure of size, of a parameter is added to *loss*."""
    waiting: deque[Any] = deque([loss.grad_fn])
    for _ in range(_NODES_SEARCHED):
        node = waiting.popleft() if waiting else None
        if node is None:
            return False
        name = str(node.name())
        made_of = [made for made, _ in node.next_functions if made is not None]
        leaves = sum(made.name() == "torch::autograd::AccumulateGrad" for made in made_of)
        if (name in _OF_SIZE and leaves) or (name == "MulBackward0" and leaves == 2):  # as in (w * w).sum()
            return True
        if name in _COMBINING or name in _OF_SIZE:
            waiting.extend(made_of)
    return False


def are_of_cosines(heads: Sequence[Head]) -> bool:
    """True where a cross-entropy is given cosines of vectors of unit length, scaled up: faces, voices, pictures beside
    texts.  Most such losses put a margin between the own class and the others (ArcFace, CosFace, AM-softmax), so that
    in training the answers cost more than a guess and name other classes, though the network knows better."""
    return any(head.name in _CROSS_ENTROPY and _is_of_cosines(head.node) for head in heads)


def _is_of_cosines(node: Any) -> bool:
    waiting: deque[Any] = deque([node])
    for _ in range(_NODES_SEARCHED):
        found = waiting.popleft() if waiting else None
        if found is None:
            return False
        made_of = [made for made, _ in found.next_functions if made is not None]
        if found.name() not in _PRODUCTS:
            waiting.extend(made_of)
        elif made_of and all(_is_of_unit_length(made) for made in made_of):
            return True
    return False


def _is_of_unit_length(node: Any) -> bool:
    """Whether *node* divides by a norm, scaled up by a number or not."""
    made = _through_reshapes(node)
    if made is not None and made.name() == "MulBackward0" and made.next_functions[-1][0] is None:
        made = _through_reshapes(made.next_functions[0][0])
    if made is None or made.name() != "DivBackward0":
        return False
    divisor = made.next_functions[-1][0]
    for _ in range(_TO_A_NORM):
        if divisor is None or "Norm" in divisor.name():
            return divisor is not None
        divisor = divisor.next_functions[0][0] if divisor.next_functions else None
    return False


def _is_given_probabilities(head: Head) -> bool:
    """True where a loss that applies softmax, or sigmoid, itself is given what already went through one."""
    if head.name in _LOGISTIC:
        return _maker(head.node) == "SigmoidBackward0"
    if head.name not in _CROSS_ENTROPY:
        return False
    node = _through_reshapes(head.node.next_functions[0][0])
    if node is None:
        return False
    if node.name() == "SoftmaxBackward0":  # nll_loss wants logarithms
        return True
    return node.name() == "LogSoftmaxBackward0" and _maker(node) in ("SoftmaxBackward0", "SigmoidBackward0")


def _is_given_raw_scores(head: Head) -> bool:
    """True where a loss that wants logarithms of probabilities is given what a layer made of its weights."""
    return head.name in (*_CROSS_ENTROPY, *_ALIGNMENT) and _maker(head.node) in _SCORES


def _maker(node: Any) -> str:
    """Name of the function whose result *node* was given."""
    made = _through_reshapes(node.next_functions[0][0])
    return "" if made is None else str(made.name())


def _through_reshapes(node: Any) -> Any:
    for _ in range(8):
        if node is None or node.name() not in _RESHAPES:
            return node
        node = node.next_functions[0][0] if node.next_functions else None
    return node
