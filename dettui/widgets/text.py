"""Lines of styled text as plain values: made by pure functions, shown by a widget or printed to a pipe."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple, TypeAlias

from rich.cells import cell_len, set_cell_size

Role: TypeAlias = Literal[
    "plain",
    "muted",
    "strong",
    "critical",
    "warning",
    "info",
    "good",
    "accent",
    "key",
    "chosen",
    "rule",
    "line-0",
    "line-1",
    "line-2",
    "line-3",
    "line-4",
    "line-5",
    "line-6",
    "line-7",
]
"""What a span means.  The theme decides how that looks; a word or a sign always says it too."""

ROLES: tuple[Role, ...] = (
    "plain", "muted", "strong", "critical", "warning", "info", "good", "accent", "key", "chosen", "rule",
    "line-0", "line-1", "line-2", "line-3", "line-4", "line-5", "line-6", "line-7",
)  # fmt: skip

LINE_ROLES: tuple[Role, ...] = ROLES[-8:]
"""Of the colour classes of curves: a run has the same colour in a text as in the chart beside it."""


class Span(NamedTuple):
    """A stretch of text with one meaning."""

    text: str
    role: Role = "plain"


Line: TypeAlias = tuple[Span, ...]

BLANK: Line = ()
ELLIPSIS = "…"


def harmless(text: str) -> str:
    """*text* on one line, without anything that a terminal would obey or that would shift the columns after it."""
    return "".join(_harmless_character(c) for c in text)


def _harmless_character(character: str) -> str:
    if character in "\t\n\r":
        return " "
    # Cc and Cf hold escape and the bidirectional overrides; Mn and Me would need a cell that they do not have.
    return "·" if unicodedata.category(character) in {"Cc", "Cf", "Co", "Cs", "Mn", "Me"} else character


def shorten(text: str, width: int) -> str:
    """*text* in at most *width* cells; an ellipsis stands for what was cut."""
    if cell_len(text) <= width:
        return text
    if width <= 0:
        return ""
    return set_cell_size(text, width - 1).rstrip() + ELLIPSIS


def left(text: str, width: int) -> str:
    """*text* in exactly *width* cells, flush left."""
    short = shorten(text, width)
    return short + " " * (width - cell_len(short))


def right(text: str, width: int) -> str:
    """*text* in exactly *width* cells, flush right: for numbers."""
    short = shorten(text, width)
    return " " * (width - cell_len(short)) + short


def width_of(line: Line) -> int:
    """Cells that *line* takes."""
    return sum(cell_len(span.text) for span in line)


def text_of(line: Line) -> str:
    """The text of *line* without its roles."""
    return "".join(span.text for span in line)


def crop(line: Line, width: int) -> Line:
    """*line* in at most *width* cells."""
    if width_of(line) <= width:
        return line
    kept: list[Span] = []
    room = width
    for span in line:
        if cell_len(span.text) >= room:
            return (*kept, Span(_cut(span.text, room), span.role))
        kept.append(span)
        room -= cell_len(span.text)
    return tuple(kept)


def _cut(text: str, room: int) -> str:
    if room <= 0:
        return ""
    return set_cell_size(text, room - 1) + ELLIPSIS


def spread(first: Line, last: Line, width: int) -> Line:
    """*first* flush left and *last* flush right in *width* cells; *first* is shortened to make room for *last*."""
    if not last:
        return crop(first, width)
    end = crop(last, width)
    start = crop(first, max(0, width - width_of(end) - 1))
    return (*start, Span(" " * (width - width_of(start) - width_of(end))), *end)


def wrap(text: str, width: int) -> tuple[str, ...]:
    """*text* broken at blanks into lines of at most *width* cells; longer words are cut."""
    return tuple(_wrapped(text.split(), max(width, 1)))


def _wrapped(words: Iterable[str], width: int) -> Iterator[str]:
    current = ""
    for word in words:
        joined = f"{current} {word}" if current else word
        if cell_len(joined) <= width:
            current = joined
            continue
        if current:
            yield current
        *full, current = _pieces(word, width)
        yield from full
    if current:
        yield current


def _pieces(word: str, width: int) -> list[str]:
    """*word* in pieces of at most *width* cells."""
    pieces = [""]
    for character in word:
        if cell_len(pieces[-1] + character) > width:
            pieces.append("")
        pieces[-1] += character
    return pieces


LABEL_WIDTH = 10
"""Cells of the column that names what follows."""


def labelled(label: str, text: str, width: int) -> tuple[Line, ...]:
    """*text* as a paragraph beside its label."""
    return paragraph(text, width, (Span(f"    {label:<{LABEL_WIDTH}}", "muted"),))


def paragraph(text: str, width: int, lead: Line = (), role: Role = "plain") -> tuple[Line, ...]:
    """*text* wrapped to *width*, its first line after *lead*, the others indented as far as *lead* reaches."""
    indent = width_of(lead)
    rows = wrap(harmless(text), width - indent) or ("",)
    first: Line = (*lead, Span(rows[0], role))
    return (first, *((Span(" " * indent), Span(row, role)) for row in rows[1:]))
