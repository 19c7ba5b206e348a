"""Window: the newest frames, bounded."""

from __future__ import annotations

from collections.abc import Callable

from dettui.feed.agent.window import Window
from dettui_probe import wire
from dettui_probe.framing import HEAD_BYTES, Frame, pack


def filled(count: int, **options: object) -> Window:
    window = Window(**options)  # type: ignore[arg-type]
    for seq in range(count):
        window.append(Frame(seq, b"x" * (100 - HEAD_BYTES)))
    return window


def test_an_empty_window_has_neither_first_nor_last() -> None:
    assert (Window().first, Window().last, Window().after(-1, 100)) == (None, None, ([], -1))


def test_frames_behind_a_number_come_in_order_within_the_budget() -> None:
    frames, last = filled(10).after(2, budget=350)
    assert (len(frames), last) == (3, 5)
    assert frames[0] == pack(3, b"x" * (100 - HEAD_BYTES))


def test_a_frame_above_the_budget_comes_alone() -> None:
    frames, last = filled(3).after(-1, budget=1)
    assert (len(frames), last) == (1, 0)


def test_the_oldest_go_when_there_is_too_much() -> None:
    window = filled(100, max_bytes=1_000)
    assert window.last == 99
    assert window.first is not None
    assert window.first >= 89


def test_greetings_stay_where_no_log_keeps_them(hello: Callable[..., wire.Hello]) -> None:
    window = Window(1_000, keep_greetings=True)
    greetings = [wire.encode(hello()), wire.encode(wire.Tags(0, ["x"]))]
    for seq, payload in enumerate([*greetings, *[b"x" * 80] * 100]):
        window.append(Frame(seq, payload))
    frames, _ = window.after(-1, 1 << 20)
    assert frames[:2] == [pack(0, greetings[0]), pack(1, greetings[1])]
    assert len(frames) < 20
