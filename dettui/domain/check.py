"""What a probe proved of the data before a step was made, and the targets that it pointed at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Verdict: TypeAlias = Literal["passed", "failed", "abstained"]
Weight: TypeAlias = Literal["certain", "warning", "info"]


@dataclass(frozen=True)
class Check:
    """One question of a pre-flight and its answer."""

    name: str
    verdict: Verdict
    evidence: str = ""  # with the numbers; of an abstention: what is missing
    weight: Weight = "info"  # of a failed check: "certain" needs no statistics
    cause: str = ""  # an id of the catalogue of causes; "" where none applies
    remedy: str = ""
    seconds: float = 0.0
    step: int = 0  # of the run when the check was told


@dataclass(frozen=True)
class BadTarget:
    """One target that cannot be right, so that its file can be opened."""

    step: int
    what: str  # the check that it failed, as in the tag "targets/<what>"
    text: str
    image: int = 0  # index within its batch
    file: str = ""  # name or id of the image, "" where the target carries none
    box_index: int | None = None  # within its image
    box: tuple[float, ...] = ()  # as the target gave it
    label: int | None = None
    size: tuple[int, int] | None = None  # width and height of the image
