"""The few conditions in which the catalogue is written.

A condition answers True, False, or None where the stream does not carry the signal: absent is not zero.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from dettui.diagnose.reading import Reading
from dettui.domain.finding import Finding


class Condition(Protocol):
    """A question about a reading."""

    def __call__(self, reading: Reading) -> bool | None:
        """True, False, or None where the reading lacks the signal."""
        ...


@dataclass(frozen=True)
class Compare:
    """A signal against a limit."""

    signal: str
    relation: Callable[[float, float], bool]
    limit: float

    def __call__(self, reading: Reading) -> bool | None:
        value = reading.numbers.get(self.signal)
        return None if value is None else self.relation(value, self.limit)


@dataclass(frozen=True)
class AllOf:
    """Every part holds (Kleene: one False decides, else one None leaves it open)."""

    parts: tuple[Condition, ...]

    def __call__(self, reading: Reading) -> bool | None:
        answers = [part(reading) for part in self.parts]
        if False in answers:
            return False
        return None if None in answers else True


@dataclass(frozen=True)
class AnyOf:
    """Some part holds (Kleene: one True decides, else one None leaves it open)."""

    parts: tuple[Condition, ...]

    def __call__(self, reading: Reading) -> bool | None:
        answers = [part(reading) for part in self.parts]
        if True in answers:
            return True
        return None if None in answers else False


@dataclass(frozen=True)
class Unless:
    """False only where the part is known to hold: an exception that needs its own proof."""

    part: Condition

    def __call__(self, reading: Reading) -> bool | None:
        return self.part(reading) is not True


@dataclass(frozen=True)
class Seen:
    """A symptom of this kind is there, in a series whose name begins with *tag*."""

    kind: str
    tag: str = ""

    def __call__(self, reading: Reading) -> bool | None:
        return any(not self.tag or _shows_in(finding, self.tag) for finding in reading.findings.get(self.kind, ()))


@dataclass(frozen=True)
class SeenBefore:
    """A symptom of this kind that began before *step*."""

    kind: str
    step: int

    def __call__(self, reading: Reading) -> bool | None:
        return any(finding.first_step < self.step for finding in reading.findings.get(self.kind, ()))


def _shows_in(finding: Finding, prefix: str) -> bool:
    return any(tag.startswith(prefix) for tag in finding.tags)


@dataclass(frozen=True)
class Says:
    """A word of the model's description is one of *values*."""

    word: str
    values: tuple[str, ...]

    def __call__(self, reading: Reading) -> bool | None:
        said = reading.words.get(self.word)
        return None if not said else said in self.values


@dataclass(frozen=True)
class Family:
    """The model is of a known family, whose contract for targets and inputs is therefore known."""

    prefix: str

    def __call__(self, reading: Reading) -> bool | None:
        family = reading.words.get("family", "unknown")
        return None if family == "unknown" else family.startswith(self.prefix)


def over(signal: str, limit: float) -> Compare:
    """``signal > limit``."""
    return Compare(signal, operator.gt, limit)


def under(signal: str, limit: float) -> Compare:
    """``signal < limit``."""
    return Compare(signal, operator.lt, limit)


def at_least(signal: str, limit: float) -> Compare:
    """``signal >= limit``."""
    return Compare(signal, operator.ge, limit)


def at_most(signal: str, limit: float) -> Compare:
    """``signal <= limit``."""
    return Compare(signal, operator.le, limit)


def between(signal: str, low: float, high: float) -> AllOf:
    """``low <= signal <= high``."""
    return AllOf((at_least(signal, low), at_most(signal, high)))


def both(*parts: Condition) -> AllOf:
    """All of *parts*."""
    return AllOf(parts)


def either(*parts: Condition) -> AnyOf:
    """Any of *parts*."""
    return AnyOf(parts)
