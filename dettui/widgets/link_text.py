"""Links to other hosts in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dettui.charts.numbers import duration
from dettui.domain.link import Link, LinkState
from dettui.widgets.text import Line, Role, Span, harmless

_WORDS: dict[LinkState, tuple[str, str, Role]] = {
    LinkState.CONNECTING: ("○", "connecting", "info"),
    LinkState.UP: ("●", "up", "good"),
    LinkState.LOST: ("?", "LINK LOST", "critical"),
    LinkState.NEEDS_LOGIN: ("?", "NEEDS LOGIN", "warning"),
    LinkState.FAILED: ("✗", "NO LINK", "critical"),
}


def badge(link: Link, now: float) -> Line:
    """One link in a few cells; its age in whole steps where it is down, its round trip where it is up."""
    glyph, word, role = _WORDS[link.state]
    host = harmless(link.host)
    if link.state is LinkState.UP:
        trip = f" {duration(link.round_trip_s)}" if link.round_trip_s is not None else ""
        return (Span(f"{glyph} ", role), Span(f"{host}{trip}", "muted"))
    return (Span(f"{glyph} {host} {word} {duration(max(0.0, now - link.since))}", role),)


def badges(links: Sequence[Link], now: float) -> Line:
    """All *links*, those that are down first."""
    spans: list[Span] = []
    for link in sorted(links, key=lambda link: not link.state.is_down):
        spans += [*((Span("  "),) if spans else ()), *badge(link, now)]
    return tuple(spans)


def troubles(links: Sequence[Link], now: float) -> Iterator[Line]:
    """One line for each link that is down, or never was up: since when, why, and what comes next."""
    for link in links:
        glyph, word, role = _WORDS[link.state]
        host = harmless(link.host)
        if link.state is LinkState.CONNECTING:
            yield (Span(f"{glyph} {word} to {host}", role),)
        elif link.state is not LinkState.UP:
            told = f"{glyph} {word} {host} for {duration(max(0.0, now - link.since))}"
            why = f": {harmless(link.text)}" if link.text else ""
            yield (Span(told, role), Span(_next_step(link, now)), Span(why))


def _next_step(link: Link, now: float) -> str:
    if link.state is LinkState.NEEDS_LOGIN:
        return ", L logs in"
    if link.state is LinkState.FAILED:
        return ", L tries again"
    if link.retry_at is None:
        return ""
    wait_s = round(link.retry_at - now)
    return f", tried again in {duration(wait_s)}" if wait_s > 0 else ", trying again"
