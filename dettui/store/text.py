"""Strings that came from a run, made fit for a terminal: they may be anybody's, and hostile."""

from __future__ import annotations

import re
from typing import Final

MAX_NAME: Final = 200
MAX_TEXT: Final = 4_000
MAX_TRACEBACK: Final = 16_384

_ESCAPES: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor moves
    r"|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS, SOS, PM, APC: titles, clipboard, links
    r"|\x1b[ -/]*[0-~]?"  # the two- and three-byte ones
)
_BLANKS: Final = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
_INVISIBLE: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
"""Control characters, bidirectional overrides, zero-width characters, lone surrogates."""


def clean(text: str, limit: int = MAX_NAME) -> str:
    """*text* on one line, without escape sequences and invisible characters, at most *limit* characters."""
    bounded = text[: 4 * limit]  # no work on what is cut anyway
    if bounded.isascii() and bounded.isprintable():
        return bounded[:limit]
    return _INVISIBLE.sub("", _BLANKS.sub(" ", _ESCAPES.sub("", bounded)))[:limit]


def clean_lines(text: str, limit: int = MAX_TRACEBACK) -> str:
    """As ``clean``, keeping the line breaks; the end is kept where it is too long: a traceback ends with its error."""
    return "\n".join(clean(line, MAX_TEXT) for line in text[-limit:].splitlines())


def clean_value(value: object, depth: int = 0) -> object:
    """A scalar, or a short list or mapping of them, with every string in it cleaned; anything else as its type name."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return clean(value, MAX_TEXT)
    if isinstance(value, list | tuple) and depth < 2:
        return [clean_value(entry, depth + 1) for entry in value[:1_000]]
    if isinstance(value, dict) and depth < 2:
        return clean_mapping(value, depth + 1)
    return type(value).__name__


def clean_mapping(mapping: dict[str, object], depth: int = 0) -> dict[str, object]:
    """*mapping* with clean keys and values, at most 1,000 entries."""
    return {clean(str(key)): clean_value(value, depth) for key, value in list(mapping.items())[:1_000]}
