"""A hostile run on every screen: what stands there is text, whatever the run called itself."""

from __future__ import annotations

import random
import unicodedata

import pytest
from bench.hostile import ESCAPES, hostile_message, text
from screens.stage import SIZES, on_stage

from dettui.domain.frame import Frame
from dettui.domain.run import Liveness, RunState
from dettui.engine import Engine
from dettui.feed.base import Arrival
from dettui.feed.reading import safe
from dettui.feed.scripted import ScriptedFeed
from dettui.store.text import clean
from dettui_probe import wire

KEYS = ("enter", "question_mark", "escape", "c", "escape", "i", "escape", "f", "escape", "tab", "enter", "escape")


def hostile_frame(seed: int) -> Frame:
    chance = random.Random(seed)
    everything = "".join(ESCAPES)
    hello = wire.Hello(
        (1, 1), "r", "b" * 16, 0, 1, everything, everything, "", 1, 1, 1.7e9, [everything], everything, "", ""
    )
    model = wire.Model(0, 1.7e9, everything, 4, 0, 9, 9, 9, [everything], 0, everything)
    data = {"file": everything, "what": everything, "check": everything, "verdict": "failed"}
    kinds = ("bad_target", "preflight", "warning", "lr", everything)
    events = [wire.Event(step, 1.7e9, kind, everything, data) for step, kind in enumerate(kinds)]
    arrivals = [Arrival("r", "b" * 16, 0, (hello, wire.Tags(0, [everything, "loss/total"]), model, *events))]
    for _ in range(80):
        message = wire.decode(wire.encode(hostile_message(chance)))
        assert message is not None
        arrivals.append(
            Arrival(
                "r", "b" * 16, 0, (message,), safe(Liveness(RunState.CRASHED, text(chance))), notice=clean(everything)
            )
        )
    engine = Engine(ScriptedFeed(arrivals), clock=lambda: 1.7e9)
    while engine.pump():
        pass
    return engine.frame()


@pytest.mark.parametrize(("seed", "size"), list(enumerate(SIZES[:2])))
async def test_no_screen_shows_a_character_that_a_terminal_obeys(seed: int, size: tuple[int, int]) -> None:
    async with on_stage(hostile_frame(seed), size) as stage:
        for key in ("", *KEYS):
            if key:
                await stage.press(key)
            obeyed = {c for c in stage.text if c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co"}}
            assert obeyed == set(), (key, obeyed)
