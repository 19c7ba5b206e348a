"""Messages on a stream of bytes that may carry noise: banners, the output of a login script, ``set -x``.

A message is cut into pieces, each a frame of ``dettui_probe.framing`` whose number says how many pieces there are, and
how many follow.  Their marker is no text, so noise before, between and behind them is passed over; their checksums find
what noise damaged.
"""

from __future__ import annotations

from collections.abc import Iterator

from dettui_probe.framing import SYNC, Frame, Scanner, pack

PIECE_BYTES = 256 << 10
_MARKED = SYNC[:3]
_ESCAPED = _MARKED + b"\0"
"""A message carries frames itself.  One that came whole within a piece that is still coming would be taken for proof
that the piece is broken, so the marker never stands in a piece but at its start."""


def cut(message: bytes) -> bytes:
    """*message* as it goes on the stream."""
    text = message.replace(_MARKED, _ESCAPED)
    pieces = [text[start : start + PIECE_BYTES] for start in range(0, max(len(text), 1), PIECE_BYTES)]
    # Slurm passes on whole lines: the last byte, noise to the reader, makes it let go of what came before.
    return b"".join(pack(_number(len(pieces), place), piece) for place, piece in enumerate(pieces)) + b"\n"


def _number(pieces: int, place: int) -> int:
    return pieces << 32 | pieces - 1 - place


class Assembler:
    """Puts messages together again."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._scanner = Scanner()
        self._pieces: list[bytes] = []
        self._awaited = 0  # number of its next piece, where a message has begun

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The messages that *data* completed.  One that lost a piece, or is too long, never comes.  Never raises."""
        for item in self._scanner.feed(data):
            if isinstance(item, Frame):
                yield from self._take(item)

    def _take(self, piece: Frame) -> Iterator[bytes]:
        is_first = piece.seq & 0xFFFFFFFF == (piece.seq >> 32) - 1
        if is_first:
            self._pieces.clear()
        elif not self._pieces or piece.seq != self._awaited:
            self._pieces.clear()
            return
        self._pieces.append(piece.payload)
        self._awaited = piece.seq - 1
        if sum(map(len, self._pieces)) > self._max_bytes:
            self._pieces.clear()
        elif piece.seq & 0xFFFFFFFF == 0:
            yield b"".join(self._pieces).replace(_ESCAPED, _MARKED)
            self._pieces.clear()
