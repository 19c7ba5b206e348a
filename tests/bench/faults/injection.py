"""What an injection is: one mistake, its true cause, where it applies, and how strong it can be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from bench.faults.plan import Plan

Harm: TypeAlias = Literal["score", "gap", "time", "memory"]
Severity: TypeAlias = Literal["mild", "medium", "severe"]
SEVERITIES: Final[tuple[Severity, ...]] = ("mild", "medium", "severe")

LATER: Final = ("gru", "mobile", "mixer", "depth", "fcos")  # the programs of the second measurement
LATER_PLAIN: Final = LATER[:-1]  # without the detector
THIRD: Final = ("convnext", "unet", "tcn", "ssd", "centre")  # and of the third
THIRD_PLAIN: Final = THIRD[:-2]  # without the detectors
FOURTH: Final = ("yolo", "detr", "mask", "densenet", "tagger")  # and of the fourth
FOURTH_PLAIN: Final = FOURTH[-2:]
FIFTH: Final = ("effdet", "retina", "grid", "seq2seq", "tabular")  # and of the fifth
FIFTH_PLAIN: Final = FIFTH[-2:]
SIXTH: Final = ("darknet", "corner", "keypoints", "spectra", "points")  # and of the sixth
SIXTH_PLAIN: Final = SIXTH[-2:]
SEVENTH: Final = ("dfl", "textlines", "pyramid", "llama", "arcface")  # and of the seventh
SEVENTH_PLAIN: Final = SEVENTH[-2:]
NEWEST: Final = (*FOURTH, *FIFTH, *SIXTH, *SEVENTH)
NEWEST_PLAIN: Final = (*FOURTH_PLAIN, *FIFTH_PLAIN, *SIXTH_PLAIN, *SEVENTH_PLAIN)
NEWER: Final = (*LATER, *THIRD, *NEWEST)
NEWER_PLAIN: Final = (*LATER_PLAIN, *THIRD_PLAIN, *NEWEST_PLAIN)
PIXELS: Final = tuple(name for name in FOURTH if name != "tagger")  # what of the fourth looks at pictures
WORDS: Final = ("seq2seq", "llama")  # what of the later ones is given words
NUMERIC: Final = (*PIXELS, *(name for name in (*FIFTH, *SIXTH, *SEVENTH) if name not in WORDS))  # and what is not
EVERY: Final = (
    "mlp", "cnn_bn", "chars", "two_stage", "segmentation", "cnn", "resnet", "vit", "one_stage", "regressor", *NEWER,
)  # fmt: skip


def all_but(*programs: str) -> tuple[str, ...]:
    """Every program without *programs*."""
    return tuple(name for name in EVERY if name not in programs)


IMAGES: Final = ("cnn_bn", "cnn", "resnet", "mobile", "mixer", "convnext", "densenet")
WITH_LAYERNORM: Final = (
    "chars",
    "vit",
    "mixer",
    "convnext",
    "detr",
    "seq2seq",
    "spectra",
    "llama",
)  # transformers, and what is trained like them
DETECTORS: Final = (
    "two_stage",
    "one_stage",
    "fcos",
    "ssd",
    "centre",
    *FOURTH[:3],
    *FIFTH[:3],
    *SIXTH[:3],
    *SEVENTH[:3],
)
PERCEPTRONS: Final = ("mlp", "regressor")
WITH_BATCHNORM: Final = (
    "cnn_bn",
    "segmentation",
    "resnet",
    "mobile",
    "fcos",
    "ssd",
    "yolo",
    "densenet",
    "effdet",
    "darknet",
    "dfl",
    "pyramid",
)
WITH_SGD: Final = (
    "cnn_bn", "two_stage", "cnn", "resnet", "mobile", "fcos", "tcn", "ssd", "yolo", "mask", "densenet", "retina",
    "darknet", "keypoints", "dfl", "arcface",
)  # fmt: skip
CLASSIFIERS: Final = (
    "mlp", "cnn_bn", "cnn", "resnet", "vit", "gru", "mobile", "mixer", "convnext", "tcn", *FOURTH_PLAIN,
    "tabular", "points", "arcface",
)  # fmt: skip


@dataclass(frozen=True)
class Injection:
    """A mistake that can be made in several programs, in three strengths."""

    name: str
    cause: str
    accepted: tuple[str, ...]  # causes that say the same of this mistake, or that it brings about by itself
    programs: tuple[str, ...]
    levels: tuple[Any, Any, Any]  # mild, medium, severe
    apply: Callable[[Plan, Any], None]
    harm: Harm = "score"  # what it has to worsen to be effective
    from_onset: bool = False  # it begins at the plan's onset

    def inject(self, plan: Plan, severity: Severity) -> Plan:
        """*plan* with the mistake in it."""
        self.apply(plan, self.levels[SEVERITIES.index(severity)])
        return plan

    @property
    def family(self) -> str:
        """The module that it stands in: learning_rate, optimizer, ..."""
        return self.apply.__module__.rpartition(".")[2]


REGISTER: Final[dict[str, Injection]] = {}
"""All injections, by name."""


def injection(
    cause: str,
    *,
    on: tuple[str, ...],
    levels: tuple[Any, Any, Any],
    also: tuple[str, ...] = (),
    harm: Harm = "score",
    from_onset: bool = False,
) -> Callable[[Callable[[Plan, Any], None]], Callable[[Plan, Any], None]]:
    """Registers the decorated function under its own name."""

    def register(apply: Callable[[Plan, Any], None]) -> Callable[[Plan, Any], None]:
        name = apply.__name__
        REGISTER[name] = Injection(name, cause, also, on, levels, apply, harm, from_onset)
        return apply

    return register
