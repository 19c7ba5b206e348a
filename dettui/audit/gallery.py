"""The images of an audit in the order in which to look at them: the most suspicious first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dettui.audit.audit import Audit, AuditedSet
from dettui.audit.dataset import Ints
from dettui.audit.finding import AuditFinding, AuditSeverity
from dettui.domain.series import Floats

WEIGHTS: Final[dict[AuditSeverity, float]] = {"certain": 1e6, "warning": 1e3, "info": 1.0}
"""A fault of a higher severity outweighs any number of lesser ones."""


@dataclass(frozen=True, eq=False)
class Exhibit:
    """One image, what was found on it, and which of its boxes are concerned."""

    audited: AuditedSet
    image: int
    findings: tuple[AuditFinding, ...]  # worst first
    boxes: Ints  # indices of all boxes of the image
    flawed: frozenset[int]  # those of them that a finding speaks of

    @property
    def file(self) -> str:
        """As the annotations name it."""
        return self.audited.data.images.files[self.image]


@dataclass(frozen=True, eq=False)
class Gallery:
    """Images in an order, by set and index; exhibits are put together when they are looked at."""

    sets: Sequence[AuditedSet]
    set_of: Ints  # (n,)
    image_of: Ints  # (n,)
    suspicion: Floats  # (n,) 0 for images of which nothing was found

    def __len__(self) -> int:
        return len(self.set_of)

    def exhibit(self, place: int) -> Exhibit:
        """The image at *place*."""
        audited, image = self.sets[int(self.set_of[place])], int(self.image_of[place])
        findings = tuple(finding for finding in audited.findings if image in finding.images)
        boxes = np.flatnonzero(audited.data.boxes.images == image).astype(np.int64)
        flawed = frozenset(
            int(box) for finding in findings for box in np.intersect1d(finding.boxes, boxes, assume_unique=True)
        )
        return Exhibit(audited, image, findings, boxes, flawed)

    def next_suspicious(self, place: int, direction: int) -> int:
        """The next place before (-1) or after (1) *place* that is suspicious, around the end; *place* for none."""
        suspicious = np.flatnonzero(self.suspicion > 0)
        if not len(suspicious):
            return place
        beyond = suspicious[suspicious > place] if direction > 0 else suspicious[suspicious < place][::-1]
        return int(beyond[0] if len(beyond) else suspicious[0 if direction > 0 else -1])

    def only(self, text: str) -> Gallery:
        """The images of which a finding, or whose name, holds *text*, whatever its case."""
        wanted = text.lower()
        kept = [_matching(audited, wanted) for audited in self.sets]
        mask = np.asarray([kept[s][i] for s, i in zip(self.set_of.tolist(), self.image_of.tolist(), strict=True)], bool)
        return Gallery(self.sets, self.set_of[mask], self.image_of[mask], self.suspicion[mask])


def gallery(audit: Audit) -> Gallery:
    """All images of *audit*, the most suspicious first, else in the order of the files."""
    scores = [suspicion(audited) for audited in audit.sets]
    sets = np.concatenate([np.full(len(score), index) for index, score in enumerate(scores)]).astype(np.int64)
    images = np.concatenate([np.arange(len(score)) for score in scores]).astype(np.int64)
    score = np.concatenate(scores)
    order = np.argsort(-score, kind="stable")
    return Gallery(audit.sets, sets[order], images[order], score[order])


def suspicion(audited: AuditedSet) -> Floats:
    """(number of images,) how much speaks for looking at each."""
    score = np.zeros(len(audited.data.images))
    for finding in audited.findings:
        score[finding.images] += WEIGHTS[finding.severity]
    return score


def _matching(audited: AuditedSet, wanted: str) -> list[bool]:
    matches = [wanted in file.lower() for file in audited.data.images.files]
    for finding in audited.findings:
        if wanted in f"{finding.id} {finding.severity} {finding.title}".lower():
            for image in finding.images.tolist():
                matches[image] = True
    return matches
