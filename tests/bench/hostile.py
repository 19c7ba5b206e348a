"""Messages of the right types that no probe would send: huge, negative, contradictory, and full of escape sequences."""

from __future__ import annotations

import random
import typing
from types import UnionType
from typing import Any

import msgspec

from dettui_probe import framing, tags, wire

ESCAPES = (
    "\x1b[2J\x1b[H", "\x1b]0;owned\x07", "\x1b]52;c;cm0gLXJm\x1b\\", "\x9b31m", "\x1bc", "a\rb", "a\nb", "\x00",
    "\x08" * 4,    "\u202eevil", "\u200b", "\x1b[201~", "\x1b_G\x1b\\", "\U0001f600",
    "\x85", "\u2028", "[red]x[/red]", "[@click=app.quit]x[/]", "\x1bP+q544e\x1b\\", "\x7f",
)  # fmt: skip
_NAMES = ("loss/total", "lr/pg0", "eval/mAP", *sorted(tag.name for tag in tags.VOCABULARY)[:20])
_KINDS = ("lr", "epoch", "evaluation", "checkpoint", "warning", "nonfinite", "bad_target", "preflight", "dropped",
          "thinned", "watch", "exception", "targets", "predictions", "finished", "data")  # fmt: skip
_INTEGERS = (0, 1, -1, 2, 7, 255, 4096, 2**31, 2**32, 2**63 - 1, -(2**63), 10**12)
_FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-300, 1e308, -1e308, float("nan"), float("inf"), float("-inf"), 1.7e9, 1e18)
_KEYS = ("check", "verdict", "severity", "evidence", "cause", "remedy", "seconds", "box", "label", "image", "rows",
         "file", "width", "height", "tags", "part", "epoch", "old", "new", "group", "path")  # fmt: skip


def text(chance: random.Random) -> str:
    """A name, a kind, an escape sequence, or all of it."""
    parts = [chance.choice((*_NAMES, *_KINDS, *ESCAPES)) for _ in range(chance.choice((1, 1, 1, 2, 3)))]
    whole = "".join(parts)
    return whole * chance.choice((1, 1, 1, 1, 40))


def hostile_message(chance: random.Random) -> wire.AnyMessage:
    """Any message, its fields filled by their types."""
    kind = chance.choice(typing.get_args(wire.AnyMessage))
    if kind is wire.Batch and chance.random() < 0.7:
        return wire.Batch([_sound_block(chance) for _ in range(chance.randint(0, 3))])
    message: wire.AnyMessage = _filled(kind, chance)
    return message


def _sound_block(chance: random.Random) -> wire.Block:
    """Sizes that agree, whatever the numbers."""
    import struct

    columns = [chance.choice((0, 1, 2, 3, 500, 65_535, 2**40, -5)) for _ in range(chance.randint(0, 4))]
    rows = chance.choice((0, 1, 3, 20))
    steps = sorted(chance.choice(_INTEGERS) for _ in range(rows)) if chance.random() < 0.5 else list(range(rows))
    times = [chance.choice(_FLOATS) for _ in range(rows)]
    values = [chance.choice(_FLOATS) for _ in range(rows * len(columns))]
    return wire.Block(
        columns,
        struct.pack(f"<{rows}q", *steps),
        struct.pack(f"<{rows}d", *times),
        struct.pack(f"<{len(values)}d", *values),
    )


def _filled(kind: type[Any], chance: random.Random) -> Any:
    hints = typing.get_type_hints(kind)
    return kind(**{name: _value(hints[name], chance, 0) for name in kind.__struct_fields__})


def _value(hint: Any, chance: random.Random, depth: int) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return _filled(hint, chance)
    if origin in (UnionType, typing.Union):
        return _value(chance.choice(args), chance, depth)
    if origin is list:
        return [_value(args[0], chance, depth + 1) for _ in range(chance.choice((0, 1, 2, 4, 16)))]
    if origin is tuple:
        return tuple(_value(arg, chance, depth) for arg in args)
    if origin is dict:
        names = [chance.choice((*_KEYS, text(chance))) for _ in range(chance.choice((0, 1, 4)))]
        return {name: _value(args[1], chance, depth + 1) for name in names}
    return _scalar(hint, chance, depth)


def _scalar(hint: Any, chance: random.Random, depth: int) -> Any:
    if hint is Any:
        inner = chance.choice((int, float, str, bool, type(None), list[Any] if depth < 4 else int))
        return _value(inner, chance, depth + 1)
    if hint is bool:
        return chance.random() < 0.5
    if hint is int:
        return chance.choice(_INTEGERS)
    if hint is float:
        return chance.choice(_FLOATS)
    if hint is bytes:
        return chance.randbytes(chance.choice((0, 1, 8, 16, 27, 64)))
    return None if hint is type(None) else text(chance)


def valid_payloads() -> list[bytes]:
    """Encoded messages of a well-behaved run, of every kind."""
    import numpy as np
    from scenarios.build import Setting, run_messages

    events = [
        wire.Event(3, 1.7e9, kind, f"{kind}: x", {"check": "a", "verdict": "failed", "rows": 3}) for kind in _KINDS
    ]
    pictures = wire.Pictures(
        1, 1.7e9, [wire.Picture(0, 4, 4, bytes(48), [0.0, 0.0, 2.0, 2.0], [1], 1, 64, 64, 0.0, 1.0, False)]
    )
    curve = np.linspace(1.0, 0.1, 60)
    setting = Setting(targets=(1.0, 2.0), events=events, config={"lr": 0.1, "names": ["a", "b"]})
    beats = [wire.Beat(1.7e9 + s, s, "data", 0.01, 0, {"loss": 2}) for s in range(3)]
    messages = [
        *run_messages(60, setting=setting, **{"loss/total": curve, "lr/pg0": 0.1, "eval/mAP": {20: 0.3}}),
        *beats,
    ]
    encoded = [wire.encode(message) for message in (*messages, pictures)]
    assert all(len(payload) <= framing.MAX_PAYLOAD for payload in encoded)
    return encoded
