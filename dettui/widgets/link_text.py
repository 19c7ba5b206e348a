"""The links to other hosts in words: what is down, since when, why, and what happens next."""

from __future__ import annotations

from collections.abc import Iterator

from dettui.charts.numbers import duration
from dettui.domain.frame import Frame
from dettui.domain.link import Link, LinkState
from dettui.widgets.text import Line, Role, Span, harmless

STATES: dict[LinkState, tuple[str, str, Role]] = {
    LinkState.CONNECTING: ("…", "connecting", "muted"),
    LinkState.UP: ("►", "up", "good"),
    LinkState.LOST: ("?", "LINK LOST", "critical"),
    LinkState.NEEDS_LOGIN: ("?", "NEEDS LOGIN", "critical"),
    LinkState.FAILED: ("✗", "NO LINK", "critical"),
}
"""Sign, word and role of each state."""


def link_lines(frame: Frame) -> Iterator[Line]:
    """One line for each host that is not simply there."""
    for link in frame.links:
        if link.state is not LinkState.UP:
            yield link_line(link, frame.made_at)


def link_line(link: Link, now: float) -> Line:
    """How *link* is as of *now*."""
    glyph, word, role = STATES[link.state]
    name = harmless(link.host)
    if link.state is LinkState.CONNECTING:
        return (Span(f"{glyph} {word} to {name}", role),)
    age = duration(round(max(now - link.since, 0)))
    text = harmless(link.text)
    named = text if name in text else f"{name}: {text}"
    return (Span(f"{glyph} {word} {age}: ", role), Span(named), Span(_next(link, now), "muted"))


def _next(link: Link, now: float) -> str:
    if link.state is LinkState.NEEDS_LOGIN:
        return "; L logs in"
    if link.state is LinkState.FAILED:
        return "; L tries again"
    if link.retry_at is None:
        return ""
    wait_s = round(link.retry_at - now)
    return f"; next call in {duration(wait_s)}" if wait_s > 0 else "; calling again"
