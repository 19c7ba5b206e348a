"""Gradient norms: one fused read of every gradient, in total and by parameter."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dettui_probe import tags
from dettui_probe.capture.record import Reading, Sheet
from dettui_probe.capture.torchlib import Tensor, torch
from dettui_probe.capture.tracked import Tracked


class GradientNorms:
    """L2 norms before clipping.  A NaN or an infinity anywhere in a gradient shows in its norm: no second pass."""

    def read(self, tracked: Tracked, amp_scale: Tensor | None) -> Reading | None:
        """The norms of the gradients as they are now; *amp_scale* is the factor still on them."""
        present = [i for i, param in enumerate(tracked.params) if _is_dense(param.grad)]
        if not present:
            return None
        names = [tracked.names[i] for i in present]
        missing = sum(param.grad is None for param in tracked.params)
        grads = [tracked.params[i].grad for i in present]
        norms = torch.stack(torch._foreach_norm(grads, 2, dtype=torch.float32))  # type: ignore[arg-type]

        def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
            scale = float(arrived[1]) if len(arrived) > 1 else 1.0
            _write(sheet, names, [norm / scale for norm in arrived[0].tolist()], missing)

        return Reading([norms] if amp_scale is None else [norms, amp_scale], decode)


def _is_dense(grad: Tensor | None) -> bool:
    return grad is not None and not grad.is_sparse


def _write(sheet: Sheet, names: Sequence[str], norms: Sequence[float], missing: int) -> None:
    sheet.values[tags.GRAD_NORM] = math.sqrt(sum(norm * norm for norm in norms))
    sheet.values[tags.GRAD_NONFINITE] = sum(not math.isfinite(norm) for norm in norms)
    sheet.values[tags.GRAD_NONE] = missing
    if sheet.detailed:
        sheet.values.update({tags.LAYER_GRAD_NORM + name: norm for name, norm in zip(names, norms, strict=True)})
