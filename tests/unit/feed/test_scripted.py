"""ScriptedFeed: what it was given, piece by piece."""

from __future__ import annotations

from dettui.feed.base import Arrival, Feed
from dettui.feed.scripted import ScriptedFeed

ARRIVALS = (Arrival("r", "b", 0), Arrival("s", "b", 0))


def test_each_poll_brings_one_arrival_and_then_it_is_exhausted() -> None:
    feed: Feed = ScriptedFeed(ARRIVALS)
    assert not feed.exhausted()
    assert [tuple(feed.poll(0.0)) for _ in range(3)] == [ARRIVALS[:1], ARRIVALS[1:], ()]
    assert feed.exhausted()


def test_an_empty_script_is_exhausted_at_once() -> None:
    assert ScriptedFeed(()).exhausted()


def test_closing_ends_it() -> None:
    feed = ScriptedFeed(ARRIVALS)
    feed.close()
    assert (feed.poll(0.0), feed.exhausted()) == ((), True)
