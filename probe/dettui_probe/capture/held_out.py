"""The held-out loss of a script that evaluates by hand, and tells nobody::

    with torch.no_grad():
        for x, y in val_loader:
            total += criterion(model(x), y).item()

The first training steps show which call makes the loss: the scalar that it returns is the very one on which backward
is called, or that one over the number of micro-batches.  The same call on the answer of an evaluation's pass measures
the same on other inputs.  A sum of several terms, a call with other settings, or more than one call after one pass
is no such measure, and nothing is told.  What an evaluation came to is told with the next training step, once
that step has shown again that its loss is still made by that call.

A criterion of the script's own is looked for from the second step on, where neither a function nor the model makes the
loss.  Torch is wrapped, and modules are hooked, only from an answer of the model to whatever follows: in the first
steps, in evaluations, and in the one step after each.  Nothing is seen of a copy of the
model (an EMA) that is evaluated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, Final, NamedTuple, TypeVar

from dettui_probe.capture import rows
from dettui_probe.capture.callers import call_site
from dettui_probe.capture.collector import Collector
from dettui_probe.capture.confusion import Confusion
from dettui_probe.capture.criterion import SEARCHED
from dettui_probe.capture.loss import accumulation, constant_divisor
from dettui_probe.capture.loss_calls import (
    Answer,
    Call,
    Field,
    Kernel,
    Maker,
    Taps,
    field_of,
    is_averaged,
    possible_criteria,
    scalars_of,
)
from dettui_probe.capture.record import Reading, Sheet, Signed
from dettui_probe.capture.torchlib import Tensor, nn, tensors_in, torch

T = TypeVar("T")

EVAL_LOSS: Final = "eval/loss"
ALLOWANCE_S: Final = 0.25
"""Once a run: pays for some thousand passes, however short they are.  Later on an evaluation is heard whose time, with
that of those before it, pays for the listening."""


class Learnt(NamedTuple):
    """How the training loss is made."""

    call: Call
    of_rows: int | None  # inputs of a pass, where the loss grows with their number; None where it is a mean


class _Candidate(NamedTuple):
    """A scalar that may turn out to be the loss."""

    call: Call
    node: Any  # of autograd
    place: int  # among the results of that node


class _Backward(NamedTuple):
    """What backward was called on."""

    learnt: Learnt | None
    over: float  # what the script divided the loss by, after it was made
    divisor: Tensor | None  # that, or another one, as the total loss of the step is undone from it


class _Evaluation:
    """What the passes between two steps came to."""

    def __init__(self) -> None:
        self.total: Tensor | None = None  # sum over inputs, shape (), float64
        self.rows = 0
        self.is_void = False
        self._sites: list[int] = []  # of the script, from which passes were called, in order

    def comes_from(self, site: int) -> bool:
        """A pass is called from *site*: where another loop begins, what an earlier one came to is forgotten.  Returns
        whether one does."""
        if self._sites and self._sites[-1] == site:
            return False
        self.is_void = self.is_void or site in self._sites  # by turns: two passes of one input
        self._sites.append(site)
        self.total, self.rows = None, 0
        return True

    def add(self, loss: Tensor, count: int) -> None:
        """The mean *loss* of a pass on *count* inputs."""
        loss = loss.detach().reshape(())
        if self.total is None:
            total = loss.to(torch.float32 if loss.device.type == "mps" else torch.float64) * count
        else:
            total = torch.add(self.total, loss, alpha=count)
        self.total, self.rows = total, self.rows + count

    def reading(self) -> Reading | None:
        """The mean over all inputs."""
        if self.total is None or self.is_void:
            return None
        count = self.rows

        def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
            sheet.gathered[EVAL_LOSS] = float(arrived[0]) / count

        return Reading([self.total], decode)


class HeldOut:
    """Learns from training how the loss is made, and listens for it in evaluations."""

    def __init__(self, model: nn.Module, collector: Collector, offer: Callable[..., None], share: float) -> None:
        """What torch's functions and hooks tell goes through *offer*, which never raises.  *share* of the time of
        evaluations may go to listening."""
        self._model = model
        self._criteria: Sequence[nn.Module] = ()  # that may make the loss, as long as that is not known
        self._has_looked_further = False  # than at functions, and at the model
        self._share = share
        self._credit_s = ALLOWANCE_S
        self._pass_began: float | None = None  # the newest of the evaluation
        self._given: tuple[Sequence[Any], Mapping[str, Any]] | None = None  # to that pass, until it is answered
        self._collector = collector
        self._instrument = collector.instrument("held_out")
        self._taps = Taps(offer, self._heard)
        self._learnt: Learnt | None = None
        self._evaluation = _Evaluation()
        self._confusion = Confusion()  # of that evaluation
        self._answer: Answer | None = None  # of the newest pass, until something else begins
        self._rows = 0  # inputs of that pass
        self._candidates: list[_Candidate] = []  # scalars of the newest training pass
        self._backwards: list[_Backward] = []  # of the step, where they were looked at
        self._in_evaluation = False
        self._calls = 0  # after the newest pass of an evaluation

    # --- training -----------------------------------------------------------------------------------------------

    def forward_begins(self, step: int, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """A training pass begins, in *step*."""
        self.close()
        if self._in_evaluation and self._evaluation.total is None:
            self._evaluation = _Evaluation()
        self._in_evaluation, self._pass_began = False, None
        if self._wants(step):
            self._rows = self._run(_count, args, kwargs) or 1

    def answered(self, step: int, output: object) -> None:
        """The model returned *output* in training."""
        self.close()
        if self._wants(step):
            self._run(self._look, output)

    def backward_begins(self, step: int, losses: Sequence[Tensor]) -> None:
        """Backward is called on *losses* (unscaled)."""
        if self._wants(step):
            self._run(self._recognise, losses)
        self.close()

    def passes_were_of_training(self) -> None:
        """Backward follows the passes that were taken for an evaluation."""
        self.close()
        self._evaluation, self._confusion = _Evaluation(), Confusion()

    def close_step(self, step: int) -> None:
        """Hand what was heard to the collector."""
        if self._wants(step) and self._backwards:
            self._run(self._conclude, step)
        self._collector.keep(self._instrument, self._confusion.reading())
        self._confusion = Confusion()

    def last_words(self) -> list[Signed]:
        """What the evaluation came to that no step followed."""
        self.close()
        reading = self._evaluation.reading() if self._learnt is not None else None
        return [(self._instrument, told) for told in (reading, self._confusion.reading()) if told is not None]

    # --- evaluation ---------------------------------------------------------------------------------------------

    def evaluation_begins(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """A pass of an evaluation begins."""
        self.close()
        if self._learnt is None:
            return
        now = perf_counter()
        if self._pass_began is None:
            self._in_evaluation = self._credit_s > 0
        else:
            self._credit_s += self._share * (now - self._pass_began)
        self._pass_began = now
        self._given = args, kwargs

    def evaluation_answered(self, output: object) -> None:
        """The model returned *output* in it."""
        if self._in_evaluation:
            self._run(self._listen, output)
        self._given = None

    def close(self) -> None:
        """Stop listening, and leave torch as it was."""
        if self._answer is not None:
            self._taps.close()
            self._answer = None
            self._candidates.clear()

    # --- behind the fence ---------------------------------------------------------------------------------------

    def _run(self, function: Callable[..., T], *args: Any) -> T | None:
        started = perf_counter()
        with torch.no_grad():
            result = self._instrument.fence.run(function, *args)
        if not self._instrument.works:
            self._taps.close()
        if self._in_evaluation:
            self._credit_s -= perf_counter() - started
        return result

    def _wants(self, step: int) -> bool:
        """Whether the loss of *step* has to be looked at."""
        searching = self._learnt is None and step <= SEARCHED
        return (searching or self._evaluation.total is not None) and self._instrument.works

    def _look(self, output: object) -> None:
        self._answer = Answer(output)
        learnt = self._learnt
        for field, value in scalars_of(output):
            self._note(Call(field, True, ()), value)
        self._taps.open(None if learnt is None else learnt.call.maker, self._criteria)

    def _note(self, call: Call, value: Tensor) -> None:
        if value.grad_fn is not None:
            self._candidates.append(_Candidate(call, value.grad_fn, value.output_nr))

    def _recognise(self, losses: Sequence[Tensor]) -> None:
        """Note which of the candidates backward is called on."""
        loss = losses[0] if len(losses) == 1 else None
        if loss is None or loss.grad_fn is None:
            self._backwards.append(_Backward(None, 1.0, None))
            return
        divisor, over = constant_divisor(loss), 1.0
        found = self._candidate_for(loss.grad_fn, loss.output_nr)
        if found is None and divisor is not None:
            found, over = self._candidate_for(*loss.grad_fn.next_functions[0]), float(divisor)
        self._backwards.append(_Backward(None if found is None else self._learnt_from(found), over, divisor))

    def _candidate_for(self, node: Any, place: int) -> _Candidate | None:
        """The function that made what *node* made, where there is one, or else the outermost module."""
        fitting = [one for one in self._candidates if one.node is node and one.place == place]
        kernels = [one for one in fitting if isinstance(one.call.maker, Kernel)]
        return kernels[0] if kernels else fitting[-1] if fitting else None

    def _learnt_from(self, found: _Candidate) -> Learnt:
        return Learnt(found.call, None if is_averaged(found.call.maker, found.node) else self._rows)

    def _conclude(self, step: int) -> None:
        """The step has ended: what made its loss, and is it what the evaluation was measured with?"""
        self._criteria = self._criteria if step < SEARCHED else ()
        backwards, self._backwards = self._backwards, []
        evaluation, self._evaluation = self._evaluation, _Evaluation()
        learnt = self._learnt or backwards[0].learnt
        undone = accumulation([one.divisor for one in backwards], len(backwards))
        if learnt is None or not all(one.over == undone and _is_made_as(one.learnt, learnt) for one in backwards):
            self._learnt = None
            if not self._has_looked_further:
                self._has_looked_further = True
                self._criteria = possible_criteria(self._model)
        else:
            self._learnt, self._criteria = learnt, ()
            self._collector.keep(self._instrument, evaluation.reading())

    def _listen(self, output: object) -> None:
        assert self._learnt is not None
        if self._given is not None:  # and not another part of the model in the same pass
            if self._evaluation.comes_from(call_site()):
                self._confusion = Confusion()
            self._rows, self._calls = _count(*self._given), 0
        maker = self._learnt.call.maker
        self._taps.close()
        self._answer = Answer(output)
        self._taps.open(maker)
        value = field_of(output, maker) if isinstance(maker, Field) else None
        if value is not None:
            self._measure(value)

    def _heard(self, maker: Maker, args: Sequence[object], result: Tensor) -> None:
        """*maker* made *result* of *args*, after the model had answered."""
        self._run(self._take, maker, args, result)

    def _take(self, maker: Maker, args: Sequence[object], result: Tensor) -> None:
        if self._answer is None:
            return
        call = Call(maker, self._answer.is_among(args), _width(args))
        if not self._in_evaluation:
            self._note(call, result)
        elif self._learnt is not None and call.is_as(self._learnt.call):
            self._measure(result)
        if self._in_evaluation and self._learnt is not None and _answers_as(call, self._learnt.call):
            self._confusion.add(maker.name if isinstance(maker, Kernel) else "", args)

    def _measure(self, loss: Tensor) -> None:
        """*loss* is that of the newest pass."""
        self._calls += 1
        if self._calls > 1:
            self._evaluation.is_void = True
        elif self._learnt is not None and self._learnt.of_rows in (None, self._rows):
            self._evaluation.add(loss, self._rows)


def _answers_as(call: Call, learnt: Call) -> bool:
    """Whether *call* is given answers as the *learnt* one is: also those of several passes, joined."""
    return call.is_as(learnt) or (isinstance(call.maker, Kernel) and call.width == learnt.width)


def _is_made_as(found: Learnt | None, learnt: Learnt) -> bool:
    return found is not None and found.call.is_as(learnt.call) and (found.of_rows is None) == (learnt.of_rows is None)


def _count(args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """Inputs of a pass; 1 where they cannot be counted, so that all passes weigh the same."""
    first = next(tensors_in([*args, *kwargs.values()]), None)
    return rows.count(args, kwargs) or (len(first) if first is not None and first.dim() == 1 else 0) or 1


def _width(args: Sequence[object]) -> tuple[int, ...]:
    first = next(tensors_in(args), None)
    return () if first is None else tuple(first.shape[1:])
