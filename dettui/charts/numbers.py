"""How numbers are written on screen and on paper: the one owner of number formats."""

from __future__ import annotations

import math

_SCALES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
MISSING = "–"


def number(value: float | None, digits: int = 3) -> str:
    """*value* with *digits* significant digits, in at most seven characters and a sign: 0.0123, 1.2e-5, 12.3k, –."""
    if value is None:
        return MISSING
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    size = abs(value)
    if size == 0:
        return "0"
    if size < 1e-3 or size >= 1e15:
        return _scientific(value, digits)
    if size < 999.5:
        return _plain(value, digits)
    scale, suffix = next((s for s in _SCALES if size >= s[0] * 0.9995), _SCALES[-1])
    return _plain(value / scale, digits) + suffix


def _plain(value: float, digits: int) -> str:
    whole = math.floor(math.log10(abs(value))) + 1
    text = f"{value:.{max(0, digits - whole)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _scientific(value: float, digits: int) -> str:
    mantissa, _, exponent = f"{value:.{max(0, digits - 2)}e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{int(exponent)}"


def tick(value: float, step: float) -> str:
    """*value* as a label on an axis whose labels are *step* apart: every label of an axis has the same decimals."""
    if value == 0 or abs(value) < step * 1e-6:
        return "0"
    size = max(abs(value), step)
    if size < 1e-3 or size >= 1e15:
        return _scientific(value, 2 + max(0, math.floor(math.log10(size)) - math.floor(math.log10(step) + 1e-9)))
    scale, suffix = next((s for s in _SCALES if abs(value) >= s[0] * 0.9995 and size >= s[0]), (1.0, ""))
    return f"{value / scale:.{_decimals(step / scale)}f}{suffix}"


def _decimals(step: float) -> int:
    """How many decimals multiples of *step* need, six at most."""
    return next((d for d in range(6) if math.isclose(round(step, d), step, rel_tol=1e-6)), 6)


def epochs(value: float) -> str:
    """A number of epochs with the decimals that tell neighbours apart."""
    return f"{value:,.2f}"


def fitting(text: str, value: float, width: int) -> str:
    """*text* if it has at most *width* characters, else *value* with as many digits as there is room for."""
    shorter = (text, number(value), number(value, 2), number(value, 1))
    return next((t for t in shorter if len(t) <= width), "*" * width)


def count(value: int) -> str:
    """A whole number in full, with thousands separated: 12,345."""
    return f"{value:,}"


def percent(share: float | None) -> str:
    """A share as a percentage of at most six characters: 0.4 %, 12 %, <0.1 %, –."""
    if share is None or not math.isfinite(share):
        return MISSING
    scaled = share * 100
    if 0 < scaled < 0.1:
        return "<0.1 %"
    return f"{scaled:.0f} %" if abs(scaled) >= 9.95 or scaled == 0 else f"{scaled:.1f} %"


def duration(seconds: float | None) -> str:
    """A span of time in its two largest units: 12ms, 4.2s, 3m20s, 2h05m, 1d03h."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < 59.5:
        return _short_duration(seconds)
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def _short_duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1e3:.0f}ms"
    return f"{seconds:.1f}s" if seconds < 9.95 else f"{seconds:.0f}s"


def size(n_bytes: float | None) -> str:
    """An amount of memory in binary units: 512 B, 1.5 KiB, 2.3 GiB."""
    if n_bytes is None or not math.isfinite(n_bytes):
        return MISSING
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(n_bytes) < 1023.5:
            return f"{number(n_bytes)} {unit}"
        n_bytes /= 1024
    return f"{number(n_bytes)} TiB"


def with_unit(value: float | None, unit: str) -> str:
    """*value* in the format that its *unit* asks for: seconds as a duration, bytes as memory, shares as percent."""
    if unit == "s":
        return duration(value)
    if unit == "bytes":
        return size(value)
    if unit == "share":
        return percent(value)
    return number(value)
