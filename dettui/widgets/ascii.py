"""Terminals without Unicode: every sign the dashboard draws has a plain one of the same width."""

from __future__ import annotations

from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_SIGNS = {
    "…": "~", "–": "-", "−": "-", "·": ".", "•": "*", "←": "<", "→": ">", "↑": "^", "↓": "v",
    "▸": ">", "►": ">", "▲": "!", "△": "^", "▼": "v", "■": "X", "●": "*", "○": "o", "‖": "=", "✓": "v", "✗": "X",
    "─": "-", "━": "=", "│": "|", "┃": "|", "┊": ":", "┆": ":", "╎": ":", "╌": "-", "┄": "-",
    "└": "+", "┘": "+", "┌": "+", "┐": "+", "├": "+", "┤": "+", "┬": "+", "┴": "+", "┼": "+", "╵": "'", "╷": ",",
    "▁": "_", "▂": ".", "▃": "-", "▄": "=", "▅": "+", "▆": "*", "▇": "%", "█": "#",
    "▏": "|", "▎": "|", "▍": "|", "▌": "#", "▋": "#", "▊": "#", "▉": "#", "▐": "#", "▀": "'",
    "░": ".", "▒": ":", "▓": "#",
    "×": "x", "±": "~", "≤": "<", "≥": ">",
}  # fmt: skip
_BRAILLE_FIRST, _BRAILLE_LAST = 0x2800, 0x28FF
_UPPER_DOTS, _LOWER_DOTS = 0b00011011, 0b11100100


def plain_character(character: str) -> str:
    """*character* in ASCII, as many cells wide as it was."""
    code = ord(character)
    if code < 0x80:
        return character
    if _BRAILLE_FIRST <= code <= _BRAILLE_LAST:
        return _plain_braille(code - _BRAILLE_FIRST)
    return _SIGNS.get(character) or "?" * cell_len(character)


def _plain_braille(dots: int) -> str:
    """Braille dots by the half of the cell they lie in."""
    if not dots:
        return " "
    if not dots & _LOWER_DOTS:
        return "'"
    return ":" if dots & _UPPER_DOTS else "."


@lru_cache(4096)
def for_ascii(text: str) -> str:
    """*text* in ASCII, cell for cell."""
    return "".join(plain_character(c) for c in text)


class AsciiOnly(LineFilter):
    """The last thing that every line passes before it goes to the terminal."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same segments in ASCII."""
        return [Segment(for_ascii(text), style, control) for text, style, control in segments]
