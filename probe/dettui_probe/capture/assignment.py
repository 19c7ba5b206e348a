"""How many anchors and proposals of a torchvision detector are matched to an object (catalogue rows R1, R2, R6).

What is wrapped are methods of torchvision's classes, told apart by instance: nothing is put into the model, so that
its copies and pickles carry nothing of ours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from dettui_probe import tags
from dettui_probe.capture.patches import Patch
from dettui_probe.capture.record import Reading, Sheet
from dettui_probe.capture.targets import Batch
from dettui_probe.capture.torchlib import Tensor, fresh_vector, nn, torch


class Site(NamedTuple):
    """A method that is called with the matches of every image, once in each forward pass."""

    owner: Any  # the object on which it is called
    method: str
    argument: int  # where the matches stand, counted without self
    least: int  # matches from here up are positives
    tag: str


class Listener(Protocol):
    """What is told of the calls.  Does not raise."""

    def assigned(self, site: Site, matches: Sequence[Tensor]) -> None: ...


_SAMPLERS: Final[Mapping[str, str]] = {
    "RegionProposalNetwork": tags.ASSIGN_RPN,
    "RoIHeads": tags.ASSIGN_ROI,
}
"""Modules whose ``fg_bg_sampler`` is given class ids (RPN: 1), 0 for background and -1 for neither."""

_LOSSES: Final = frozenset({"RetinaNetHead", "FCOSHead", "SSD"})
"""Modules whose ``compute_loss`` is given, as its fourth argument, the index of the matched object or a negative."""


def sites_of(model: nn.Module) -> Iterator[Site]:
    """Where *model* assigns objects; nothing for a model that is not torchvision's."""
    for module in model.modules():
        kinds = {kind.__name__ for kind in type(module).__mro__}
        tag = next((tag for kind, tag in _SAMPLERS.items() if kind in kinds), None)
        sampler = getattr(module, "fg_bg_sampler", None)
        if tag is not None and callable(sampler):
            yield Site(sampler, "__call__", 0, 1, tag)
        elif kinds & _LOSSES and callable(getattr(module, "compute_loss", None)):
            yield Site(module, "compute_loss", 3, 0, tags.ASSIGN_POSITIVES)


def assignment_patches(model: nn.Module, listener: Listener) -> list[Patch]:
    """One patch for each class that has a site of *model*."""
    by_method: dict[tuple[type, str], dict[int, Site]] = defaultdict(dict)
    for site in sites_of(model):
        by_method[_definer(site), site.method][id(site.owner)] = site
    return [Patch(owner, method, _told_to(listener, sites)) for (owner, method), sites in by_method.items()]


def _definer(site: Site) -> type:
    return next(kind for kind in type(site.owner).__mro__ if site.method in vars(kind))


def _told_to(listener: Listener, sites: Mapping[int, Site]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            site = sites.get(id(self))
            if site is not None and len(args) > site.argument and not torch.compiler.is_compiling():
                listener.assigned(site, args[site.argument])
            return original(self, *args, **kwargs)

        return call

    return wrap


class Assignment:
    """Adds up the positives of a step; the sums stay on the device until the row is read."""

    def __init__(self) -> None:
        self._sums: dict[str, list[Tensor]] = {}
        self._objects = 0
        self._candidates = 0

    def begin(self, batch: Batch | None) -> None:
        """A forward pass begins on *batch*."""
        if batch is not None:
            self._objects += sum(len(target["boxes"]) for target in batch.targets)

    def take(self, site: Site, matches: Sequence[Tensor]) -> None:
        """Count the positives among *matches*, one tensor for each image."""
        self._sums.setdefault(site.tag, []).extend((found >= site.least).sum() for found in matches)
        if site.tag == tags.ASSIGN_ROI:
            self._candidates += sum(found.numel() for found in matches)

    def close_step(self) -> Reading | None:
        """The counts since the last step."""
        sums, objects, candidates = self._sums, self._objects, self._candidates
        self._sums, self._objects, self._candidates = {}, 0, 0
        if not sums:
            return None
        names = [tag for tag, counts in sums.items() for _ in counts]

        def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
            sheet.values[tags.ASSIGN_OBJECTS] = objects
            if candidates:
                sheet.values[tags.ASSIGN_ROI_CANDIDATES] = candidates
            for tag, count in zip(names, arrived[0].tolist(), strict=True):
                sheet.values[tag] = sheet.values.get(tag, 0.0) + count

        return Reading([fresh_vector([count for counts in sums.values() for count in counts])], decode)
