"""Logs of every released version are read for ever."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import msgspec

from dettui_probe import framing, wire

GOLDEN = Path(__file__).parent / "golden"


def messages_of(name: str) -> list[wire.AnyMessage | None]:
    found = list(framing.Scanner().feed((GOLDEN / name).read_bytes()))
    assert [frame.seq for frame in found if isinstance(frame, framing.Frame)] == list(range(len(found)))
    return [wire.decode(frame.payload) for frame in found if isinstance(frame, framing.Frame)]


def test_a_log_of_version_1_0_is_read_whole() -> None:
    hello, tags, batch, counts, event, model, beat, bye = messages_of("v1.0.dlog")
    assert isinstance(hello, wire.Hello)
    assert (hello.version, hello.run, hello.boot, hello.rank, hello.world) == (
        (1, 0),
        "golden-1a2b",
        "00112233445566ff",
        1,
        2,
    )
    assert (hello.pid, hello.pid_start, hello.argv) == (42, 4242, ["train.py", "--lr", "0.1"])
    assert hello.config == {"lr": 0.1, "seed": 7, "amp": False, "sizes": [1, 2]}
    assert (hello.class_names, hello.total_steps, hello.steps_per_epoch) == (["background", "cat"], 100, 10)
    assert tags == wire.Tags(0, ["loss/total", "lr/pg0"])
    assert counts == wire.Counts(2, 1.5e9, "targets", [1], [17])
    assert event == wire.Event(2, 1.5e9, "nonfinite", "loss/total became NaN", {"tag": "loss/total"})
    assert isinstance(model, wire.Model)
    assert (model.family, model.missing, model.strangers, model.optimizer) == (
        "torchvision.FasterRCNN",
        ["head.weight"],
        3,
        "SGD",
    )
    assert beat == wire.Beat(1.5e9, 2, "backward", 0.004, 5, {"layers": 8})
    assert bye == wire.Bye(1.5e9, 2, "exception", 1, "ValueError: no")
    assert isinstance(batch, wire.Batch)


def test_nan_and_infinity_come_through_the_golden_log() -> None:
    batch = messages_of("v1.0.dlog")[2]
    assert isinstance(batch, wire.Batch)
    loss_1, lr_1, loss_2, lr_2 = struct.unpack("<4d", batch.blocks[0].values)
    assert (loss_1, lr_1, lr_2) == (0.5, 0.1, math.inf)
    assert math.isnan(loss_2)


def test_an_old_reader_reads_a_message_with_a_new_field() -> None:
    tag, *fields = msgspec.msgpack.decode(wire.encode(wire.Counts(2, 1.0, "targets", [1], [17])))
    longer = msgspec.msgpack.encode([tag, *fields, "a field of the future"])
    assert wire.decode(longer) == wire.Counts(2, 1.0, "targets", [1], [17])


def test_a_new_reader_fills_in_the_fields_that_an_old_writer_lacks() -> None:
    shorter = msgspec.msgpack.encode(["ev", 3, 1.0, "epoch", "epoch 2"])
    assert wire.decode(shorter) == wire.Event(3, 1.0, "epoch", "epoch 2", {})


def test_pictures_come_back_as_they_were_sent() -> None:
    picture = wire.Picture(1, 2, 1, b"abcdef", [0.0, 0.5, 1.5, 1.0], [3], 1, 4, 2, -2.0, 2.5, True)
    sent = wire.Pictures(7, 1.5e9, [picture])
    assert wire.decode(wire.encode(sent)) == sent


def test_a_message_of_an_unknown_tag_is_none_and_no_error() -> None:
    assert wire.decode(msgspec.msgpack.encode(["hologram", 1, 2])) is None


def test_bytes_that_are_no_message_are_none_and_no_error() -> None:
    deep = b"\x91" * 100_000
    assert [wire.decode(payload) for payload in (b"", b"\xff", b"\x81\x01", deep)] == [None, None, None, None]
