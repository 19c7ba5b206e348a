"""A question that only the user can answer: a password, a one-time code, whether a host is the right one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

QuestionKind: TypeAlias = Literal["secret", "yes_no", "confirm", "notice"]
"""Typed in the dark; "yes", "no" or a fingerprint; agreed to; or told only (touch the key), until it is withdrawn."""


@dataclass(frozen=True)
class Question:
    """One question, in the words of whoever asks.  Strings are fit for a terminal."""

    id: int
    host: str  # that is being connected to, as the user typed it
    text: str  # may have several lines
    kind: QuestionKind
    is_repeated: bool = False  # the same was asked just before: the answer was not accepted
