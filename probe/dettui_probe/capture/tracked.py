"""The parameters under observation, and a fixed sample of the elements of each."""

from __future__ import annotations

from collections.abc import Sequence

from dettui_probe.capture.torchlib import SAMPLE_WIDTH, Tensor, nn, sample_length, strided_view, torch


class Tracked:
    """The trainable parameters of a model at one moment, in the model's order."""

    def __init__(self, model: nn.Module) -> None:
        named = [(name, param) for name, param in model.named_parameters() if param.requires_grad]
        self.names: tuple[str, ...] = tuple(name for name, _ in named)
        self.params: tuple[nn.Parameter, ...] = tuple(param for _, param in named)

    def same_as(self, other: Tracked) -> bool:
        """True where *other* holds the very same parameters."""
        return len(self.params) == len(other.params) and all(
            mine is theirs for mine, theirs in zip(self.params, other.params, strict=True)
        )


class SampleMatrix:
    """Strided samples of many tensors as the rows of one matrix, so that a few calls reduce all of them.

    Shape (rows, SAMPLE_WIDTH), float32, shorter rows filled up with zeros.  Only floating-point, dense parameters of
    the device that holds the first one take part (model-parallel nets: the first device's).
    """

    def __init__(self, tracked: Tracked) -> None:
        self.rows: tuple[int, ...] = dense_rows(tracked.params)
        self.params = [tracked.params[i] for i in self.rows]
        self.names = [tracked.names[i] for i in self.rows]
        self.lengths = [sample_length(param.numel()) for param in self.params]
        self.numels = [param.numel() for param in self.params]

        self._views: list[Tensor] = []
        self._addresses: list[int] = []

    def new_buffer(self, places: int) -> tuple[Tensor, list[list[Tensor]]]:
        """Zeros of shape (rows, places, SAMPLE_WIDTH) and, for each place, its rows cut to the length of their
        samples."""
        device = self.params[0].device if self.params else torch.device("cpu")
        buffer = torch.zeros((len(self.params), places, SAMPLE_WIDTH), dtype=torch.float32, device=device)
        return buffer, [
            [buffer[row, place, :length] for row, length in enumerate(self.lengths)] for place in range(places)
        ]

    def live_views(self) -> list[Tensor]:
        """Strided views of the parameters, made anew where the storage of one was exchanged."""
        addresses = [param.data_ptr() for param in self.params]
        if addresses != self._addresses:
            self._views, self._addresses = [strided_view(param.detach()) for param in self.params], addresses
        return self._views


def dense_rows(params: Sequence[nn.Parameter]) -> tuple[int, ...]:
    """Places of the floating-point parameters that lie densely in the memory of the device that holds the first one."""
    if not params:
        return ()
    device = params[0].device
    return tuple(
        i
        for i, param in enumerate(params)
        if param.device == device and param.is_floating_point() and param.numel() and is_dense_memory(param)
    )


def is_dense_memory(param: Tensor) -> bool:
    """True where the elements fill one gapless stretch of memory, in whatever order (also channels_last)."""
    if param.layout != torch.strided:
        return False
    expected = 1
    for stride, size in sorted(zip(param.stride(), param.shape, strict=True)):
        if size > 1:
            if stride != expected:
                return False
            expected *= size
    return True
