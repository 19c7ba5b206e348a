"""From the device to the writer thread without a wait.

CPU tensors are handed over as they are (instruments make fresh ones).  CUDA tensors are joined into one vector,
copied into a pinned slot behind an event, and read by the writer thread once the event has passed.  A slot that is
still under way is never waited for: the parcel is dropped and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from dettui_probe.capture.torchlib import Tensor, torch

SLOTS: Final = 8
_SPARE: Final = 2  # a slot is made this many times larger than asked, so that it grows only a few times in a run


class Event(Protocol):
    """What is used of ``torch.cuda.Event``."""

    def record(self) -> None: ...

    def query(self) -> bool: ...


class Parcel(Protocol):
    """Tensors on their way to the writer thread."""

    def ready(self) -> bool:
        """True where ``open`` does not wait."""
        ...

    def open(self) -> list[Tensor]:
        """The tensors, on the CPU, in the order in which they were sent."""
        ...


class LocalParcel:
    """Tensors that are on the CPU already."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self._tensors = list(tensors)

    def ready(self) -> bool:
        return True

    def open(self) -> list[Tensor]:
        return self._tensors


class Slot:
    """One pinned buffer, free or under way."""

    def __init__(self, event: Event) -> None:
        self.event = event
        self.buffer: Tensor | None = None
        self.free = True


class SlotParcel:
    """A vector in a pinned slot.  The slot is free again once it was opened, or forgotten unopened."""

    def __init__(self, slot: Slot, shapes: Sequence[torch.Size]) -> None:
        self._slot = slot
        self._shapes = shapes

    def __del__(self) -> None:
        self._slot.free = True

    def ready(self) -> bool:
        return self._slot.event.query()

    def open(self) -> list[Tensor]:
        buffer = self._slot.buffer
        assert buffer is not None
        sizes = [shape.numel() for shape in self._shapes]
        parts = torch.split(buffer[: sum(sizes)].clone(), sizes)
        return [part.view(shape) for part, shape in zip(parts, self._shapes, strict=True)]


class SlotRing:
    """The pinned slots of one device."""

    def __init__(self, allocate: Callable[[int], Tensor], new_event: Callable[[], Event], slots: int = SLOTS) -> None:
        self._allocate = allocate
        self._slots = [Slot(new_event()) for _ in range(slots)]

    def ship(self, tensors: Sequence[Tensor]) -> SlotParcel | None:
        """Starts the copy of *tensors* (one device); None where every slot is under way."""
        slot = next((slot for slot in self._slots if slot.free), None)
        if slot is None:
            return None
        flat = torch.cat([tensor.reshape(-1).float() for tensor in tensors])
        slot.free = False
        parcel = SlotParcel(slot, [tensor.shape for tensor in tensors])
        self._room_for(flat.numel(), slot)[: flat.numel()].copy_(flat, non_blocking=True)
        slot.event.record()
        return parcel

    def _room_for(self, numel: int, slot: Slot) -> Tensor:
        if slot.buffer is None or slot.buffer.numel() < numel:
            slot.buffer = self._allocate(numel * _SPARE)
        return slot.buffer


def _pinned(numel: int) -> Tensor:
    return torch.empty(numel, dtype=torch.float32, device="cpu", pin_memory=True)


def _cuda_event() -> Event:
    event: Event = torch.cuda.Event()  # type: ignore[no-untyped-call]
    return event


class MixedParcel:
    """Parcels from several devices, opened in the order in which their tensors were given."""

    def __init__(self, parcels: Sequence[Parcel], places: Sequence[Sequence[int]]) -> None:
        self._parcels = parcels
        self._places = places

    def ready(self) -> bool:
        return all(parcel.ready() for parcel in self._parcels)

    def open(self) -> list[Tensor]:
        placed = {
            place: tensor
            for parcel, places in zip(self._parcels, self._places, strict=True)
            for place, tensor in zip(places, parcel.open(), strict=True)
        }
        return [placed[place] for place in sorted(placed)]


class Courier:
    """Sends tensors to the writer thread."""

    def __init__(self) -> None:
        self.dropped = 0
        self._rings: dict[torch.device, SlotRing] = {}

    def send(self, tensors: Sequence[Tensor]) -> Parcel | None:
        """A parcel of *tensors*; None, and counted, where a device has no free slot or is of an unknown kind."""
        if all(tensor.device.type == "cpu" for tensor in tensors):
            return LocalParcel(tensors)
        places: dict[torch.device, list[int]] = {}
        for place, tensor in enumerate(tensors):
            places.setdefault(tensor.device, []).append(place)
        parcels = [self._from_device(device, [tensors[i] for i in where]) for device, where in places.items()]
        sent = [parcel for parcel in parcels if parcel is not None]
        if len(sent) < len(parcels):
            self.dropped += 1
            return None
        return MixedParcel(sent, list(places.values()))

    def _from_device(self, device: torch.device, tensors: Sequence[Tensor]) -> Parcel | None:
        if device.type == "cpu":
            return LocalParcel(tensors)
        if device.type != "cuda":  # without events a copy would have to wait
            return None
        with torch.cuda.device(device):
            if device not in self._rings:
                self._rings[device] = SlotRing(_pinned, _cuda_event)
            return self._rings[device].ship(tensors)
