"""A run may be anybody's: nothing that it says, in whatever field, moves a cursor, rings a bell or stops a reader."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import unicodedata

import msgspec
import pytest
from bench import fuzz
from bench.hostile import ESCAPES, hostile_message, text

from dettui.app import render_once
from dettui.cli.export import points_of
from dettui.diagnose.report import exit_code, to_json, to_text
from dettui.domain.run import Liveness, RunState
from dettui.engine import Engine
from dettui.feed.agent.extract import Extract
from dettui.feed.base import Arrival
from dettui.feed.reading import safe
from dettui.feed.scripted import ScriptedFeed
from dettui.store.text import clean
from dettui_probe import wire
from dettui_probe.framing import Frame, Scanner

SEEDS = range(int(os.environ.get("DETTUI_TEST_HOSTILE_RUNS", "12")))


def commands_in(shown: str) -> list[str]:
    """Characters that a terminal would obey, or that hide or turn round what stands beside them."""
    return [
        f"{c!r} in {shown!r}"[:200] for c in shown if c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co"}
    ]


def hostile_arrivals(seed: int) -> list[Arrival]:
    """Two runs that say whatever they like, after one honest word each."""
    chance = random.Random(seed)
    arrivals = []
    for _ in range(60):
        messages = tuple(decoded(hostile_message(chance)) for _ in range(chance.randint(0, 4)))
        life = Liveness(chance.choice(list(RunState)), text(chance)) if chance.random() < 0.2 else None
        arrivals.append(
            Arrival(
                clean(f"run{chance.randint(0, 1)}"),
                "b",
                0,
                messages,
                safe(life) if life else None,
                notice=clean(text(chance), 300),
            )
        )
    return arrivals


def decoded(message: wire.AnyMessage) -> wire.AnyMessage:
    """*message* as it comes off the wire."""
    found = wire.decode(wire.encode(message))
    assert found is not None
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_printed_of_a_hostile_run_holds_nothing_that_a_terminal_obeys(seed: int) -> None:
    engine = Engine(ScriptedFeed(hostile_arrivals(seed)), clock=lambda: 1.7e9)
    while engine.pump():
        pass
    frame = engine.frame()
    for size in ((80, 24), (140, 45)):
        assert commands_in(render_once(frame, *size, colour=False)) == []
    for run in frame.runs:
        assert commands_in(to_text(run, 100, colour=False)) == []
        shown = json.loads(json.dumps(to_json(run), allow_nan=False, ensure_ascii=False))
        assert commands_in(json.dumps(shown, ensure_ascii=False)) == []
        assert exit_code(run.diagnosis) in {0, 1, 2}


@pytest.mark.parametrize("seed", range(5))
def test_what_is_exported_of_a_hostile_run_holds_nothing_that_a_terminal_obeys(seed: int) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(points_of(ScriptedFeed(hostile_arrivals(seed))))
    assert commands_in(out.getvalue()) == []


@pytest.mark.parametrize("escape", ESCAPES)
def test_an_escape_sequence_is_taken_out_of_every_string(escape: str) -> None:
    assert commands_in(clean(f"a{escape}b{escape}")) == []


@pytest.mark.parametrize("target", fuzz.targets(), ids=lambda target: target.name)
def test_no_decoder_raises_on_broken_input(target: fuzz.Target) -> None:
    fuzz.run_chunk(target, seed=0, chunk=0, size=1_000)


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63)])
def test_sums_beyond_64_bits_do_not_stop_the_agent(number: int) -> None:
    extract = Extract(-1, 4096)
    for seq in range(3):
        extract.add(Frame(seq, wire.encode(wire.Counts(1, 1.0, "targets", [number], [number]))))
    extract.add(Frame(3, msgspec.msgpack.encode(["b", [[[2**64 - 1], bytes(8), bytes(8), bytes(8)]]])))
    packed, _ = extract.packed()
    assert len(list(Scanner().feed(packed))) == 2


def test_text_that_is_not_utf8_is_an_unknown_message_and_no_error() -> None:
    """msgspec says UnicodeDecodeError, which is none of its own errors."""
    assert wire.decode(b"\x96\xa2ev\x03\xcbA\xd9U\xfc@\x00\x00\x00\xa9exc\xff\xff\xffion\xa0\x80") is None
