"""The state of BatchNorm layers: running statistics that are no numbers, and layers that learn from the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from dettui_probe import tags
from dettui_probe.capture.record import Reading, Sheet
from dettui_probe.capture.torchlib import Tensor, nn, torch

READ_EVERY: Final = 64  # steps
EXTREME: Final = 1e4  # times the median variance of the model [catalogue B1]

_BatchNorm: TypeAlias = nn.modules.batchnorm._BatchNorm


class Norms:
    """Reads every BatchNorm layer of a model before its first step and every READ_EVERY steps."""

    def __init__(self, model: nn.Module) -> None:
        self._named = [(name, layer) for name, layer in model.named_modules() if isinstance(layer, _BatchNorm)]
        self._next = 0
        self._told = False

    def is_time(self, step: int) -> bool:
        """Whether *step* is one in which to read."""
        return bool(self._named) and step >= self._next

    def read(self, step: int) -> Reading | None:
        """The running statistics as they are now."""
        self._next = step + READ_EVERY
        tracking = [(name, layer) for name, layer in self._named if layer.running_var is not None]
        training = sum(_learns_from_the_batch(layer) for _, layer in self._named)
        names = [name for name, _ in tracking]
        variances = [layer.running_var.float() for _, layer in tracking if layer.running_var is not None]
        means = [layer.running_mean.float() for _, layer in tracking if layer.running_mean is not None]

        def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
            sheet.values[tags.NORM_TRAINING] = training
            if arrived:
                self._judge(sheet, arrived[0], arrived[1], names, [len(variance) for variance in variances])

        return Reading([torch.cat(variances), torch.cat(means)] if variances else [], decode)

    def _judge(self, sheet: Sheet, variance: Tensor, mean: Tensor, names: Sequence[str], sizes: Sequence[int]) -> None:
        poisoned = ~torch.isfinite(variance) | ~torch.isfinite(mean) | (variance < 0)
        sheet.values[tags.NORM_POISONED] = float(poisoned.sum())
        sound = variance[~poisoned]
        if len(sound):
            sheet.values[tags.NORM_EXTREME] = float((sound > EXTREME * sound.median()).sum())
        if bool(poisoned.any()) and not self._told:
            self._told = True
            owners = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
            where = names[int(owners[poisoned.nonzero()[0, 0]])]
            sheet.tell("nonfinite", f"the running statistics of BatchNorm layer {where} are no numbers", layer=where)


def _learns_from_the_batch(layer: _BatchNorm) -> bool:
    """True where the layer normalises by its own batch and can learn; SyncBatchNorm joins the batches of all ranks."""
    trainable = layer.weight is None or layer.weight.requires_grad
    return layer.training and trainable and not isinstance(layer, nn.SyncBatchNorm)
