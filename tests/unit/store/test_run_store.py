"""RunStore: messages in, immutable series out."""

from __future__ import annotations

import numpy as np
import pytest

from dettui.store.run_store import RunStore, StorePolicy
from dettui_probe import wire


def hello(boot: str = "a" * 16, **fields: object) -> wire.Hello:
    known: dict[str, object] = {
        "version": (1, 0), "run": "r1", "boot": boot, "rank": 0, "world": 1, "name": "shapes", "host": "here",
        "host_boot": "k", "pid": 1, "pid_start": 2, "started": 5.0, "argv": ["train.py"], "cwd": "/tmp",
        "python": "python", "probe_version": "0.1.0",
    }  # fmt: skip
    return wire.Hello(**{**known, **fields})  # type: ignore[arg-type]


def block(columns: list[int], steps: list[int], values: list[list[float]]) -> wire.Block:
    return wire.Block(
        columns,
        np.array(steps, "<i8").tobytes(),
        (1000.0 + np.array(steps, "<f8")).tobytes(),
        np.array(values, "<f8").tobytes(),
    )


def batch(columns: list[int], steps: list[int], values: list[list[float]]) -> wire.Batch:
    return wire.Batch([block(columns, steps, values)])


@pytest.fixture
def store() -> RunStore:
    store = RunStore()
    store.apply(hello())
    store.apply(wire.Tags(0, ["loss/total", "lr/pg0", "grad/norm"]))
    return store


def values_of(store: RunStore, tag: str) -> list[float]:
    series = store.series(tag)
    assert series is not None
    return series.values.tolist()


def steps_of(store: RunStore, tag: str) -> list[int]:
    series = store.series(tag)
    assert series is not None
    return series.steps.tolist()


def test_a_tag_that_never_came_is_none_not_zero(store: RunStore) -> None:
    assert store.series("eval/mAP") is None
    assert store.counts("targets") is None
    assert store.tags() == ()


def test_rows_become_series_with_steps_times_and_units(store: RunStore) -> None:
    store.apply(batch([0, 1], [1, 2], [[3.0, 0.1], [2.0, 0.1]]))
    store.apply(batch([0, 1], [3], [[1.0, 0.01]]))
    loss = store.series("loss/total")
    assert loss is not None
    assert (loss.steps.tolist(), loss.values.tolist(), loss.times.tolist()) == (
        [1, 2, 3],
        [3.0, 2.0, 1.0],
        [1001.0, 1002.0, 1003.0],
    )
    assert store.tags() == ("loss/total", "lr/pg0")
    assert (store.last_step, store.last_time, store.points) == (3, 1003.0, 6)


def test_nan_and_infinity_arrive_as_they_are(store: RunStore) -> None:
    store.apply(batch([0], [1, 2], [[float("nan")], [float("inf")]]))
    assert np.isnan(values_of(store, "loss/total")[0])
    assert values_of(store, "loss/total")[1] == float("inf")


def test_a_series_does_not_change_when_the_store_grows(store: RunStore) -> None:
    store.apply(batch([0], [1], [[1.0]]))
    before = store.series("loss/total")
    for step in range(2, 1000):
        store.apply(batch([0], [step], [[float(step)]]))
    assert before is not None
    assert before.values.tolist() == [1.0]
    assert len(store.series("loss/total") or ()) == 999


def test_a_series_cannot_be_written(store: RunStore) -> None:
    store.apply(batch([0, 1], [1], [[1.0, 2.0]]))
    series = store.series("lr/pg0")
    assert series is not None
    for array in (series.steps, series.values, series.times):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7


def test_reading_twice_without_news_gives_the_same_object(store: RunStore) -> None:
    store.apply(batch([0, 1], [1], [[1.0, 2.0]]))
    assert store.series("lr/pg0") is store.series("lr/pg0")


def test_the_columns_of_one_block_share_their_steps(store: RunStore) -> None:
    store.apply(batch([0, 1], [1], [[1.0, 2.0]]))
    loss, rate = store.series("loss/total"), store.series("lr/pg0")
    assert loss is not None
    assert rate is not None
    assert np.shares_memory(loss.steps, rate.steps)


def test_a_tag_in_changing_company_stays_in_order(store: RunStore) -> None:
    store.apply(
        wire.Batch(
            [
                block([0, 1], [1, 2, 4, 5], [[1, 0], [2, 0], [4, 0], [5, 0]]),
                block([0, 1, 2], [3, 6], [[3, 0, 33], [6, 0, 66]]),
            ]
        )
    )
    store.apply(batch([2, 0], [7], [[77, 7]]))
    assert steps_of(store, "loss/total") == [1, 2, 3, 4, 5, 6, 7]
    assert values_of(store, "loss/total") == [1, 2, 3, 4, 5, 6, 7]
    assert steps_of(store, "lr/pg0") == [1, 2, 3, 4, 5, 6]
    assert values_of(store, "grad/norm") == [33, 66, 77]


def test_a_batch_can_be_taken_in_up_to_a_step_and_then_the_rest(store: RunStore) -> None:
    whole = batch([0], [1, 2, 3, 4], [[1], [2], [3], [4]])
    store.apply_rows(whole, after=None, upto=2)
    assert steps_of(store, "loss/total") == [1, 2]
    store.apply_rows(whole, after=2, upto=None)
    assert steps_of(store, "loss/total") == [1, 2, 3, 4]


def test_a_split_that_selects_nothing_leaves_the_tag_absent(store: RunStore) -> None:
    store.apply_rows(batch([0], [5], [[1]]), after=5, upto=9)
    assert store.series("loss/total") is None


def test_steps_that_go_back_keep_their_order_of_arrival(store: RunStore) -> None:
    store.apply(batch([0], [10, 11], [[1], [2]]))
    store.apply(batch([0], [5, 6], [[3], [4]]))
    assert steps_of(store, "loss/total") == [10, 11, 5, 6]
    assert store.last_step == 11


@pytest.mark.parametrize("upto", [0, 1, 3, 4, 9])
@pytest.mark.parametrize("points", [1, 2, 100])
def test_the_newest_values_are_those_of_the_series_up_to_the_step(store: RunStore, points: int, upto: int) -> None:
    store.apply(batch([0], [1, 2, 4, 4, 7], [[0.1], [0.2], [0.3], [0.4], [0.5]]))
    series = store.strand_series("loss/total")
    newest = store.newest("loss/total", points, upto)
    assert series is not None and newest is not None
    assert newest.tolist() == series.values[series.steps <= upto][-points:].tolist()


def test_the_newest_values_are_of_the_newest_start_and_none_where_none_ever_came(store: RunStore) -> None:
    store.apply(batch([0], [1, 2], [[0.1], [0.2]]))
    store.apply(hello(boot="b" * 16))
    newest = store.newest("loss/total", 10, 99)
    assert newest is not None and len(newest) == 0
    assert store.newest("never", 10, 99) is None


def test_tags_under_a_prefix_show_those_that_come_later(store: RunStore) -> None:
    store.apply(wire.Tags(0, ["loss/a", "own/b", "loss/c"]))
    store.apply(batch([0, 1], [1], [[1.0, 2.0]]))
    assert store.tags_under("loss/") == ("loss/a",)
    store.apply(batch([0, 1, 2], [2], [[1.0, 2.0, 3.0]]))
    assert store.tags_under("loss/") == ("loss/a", "loss/c")


@pytest.mark.parametrize("at", [0, 3000, 4999])
def test_a_long_block_with_one_number_too_large_for_float32_arrives_whole(store: RunStore, at: int) -> None:
    values = [[0.5 * step] for step in range(5000)]
    values[at] = [1e300]
    store.apply(batch([0], list(range(5000)), values))
    assert steps_of(store, "loss/total") == list(range(5000))
    assert values_of(store, "loss/total") == [value for (value,) in values]


def test_a_group_is_told_without_what_a_terminal_would_obey(store: RunStore) -> None:
    store.apply(hello(group="sweep\x1b[31m-3"))
    assert store.info is not None
    assert "\x1b" not in store.info.group and store.info.group.startswith("sweep")


def test_another_boot_is_a_new_strand_and_keeps_what_was_known(store: RunStore) -> None:
    store.apply(batch([0, 1], [1, 2], [[1, 9], [2, 9]]))
    store.apply(wire.Bye(9.0, 2, "exception", 1, "Boom"))
    store.apply(hello("b" * 16))
    store.apply(wire.Tags(0, ["lr/pg0", "loss/total"]))
    store.apply(batch([1], [1], [[7]]))
    assert values_of(store, "loss/total") == [1, 2, 7]
    newest = store.strand_series("loss/total")
    assert newest is not None
    assert newest.values.tolist() == [7]
    assert len(store.strand_series("lr/pg0") or ()) == 0
    assert (store.bye, store.last_step, store.boots) == (None, 1, ("a" * 16, "b" * 16))


def test_the_same_hello_again_begins_no_strand(store: RunStore) -> None:
    store.apply(batch([0], [1], [[1]]))
    store.apply(hello())
    store.apply(batch([0], [2], [[2]]))
    assert steps_of(store, "loss/total") == [1, 2]
    assert store.boots == ("a" * 16,)


def test_a_block_whose_sizes_disagree_is_counted_and_left_out(store: RunStore) -> None:
    good = block([0], [1], [[1]])
    store.apply(wire.Batch([wire.Block([0, 1], good.steps, good.times, good.values), good]))
    assert (values_of(store, "loss/total"), store.malformed) == ([1], 1)


def test_a_column_without_a_name_is_shown_as_unnamed(store: RunStore) -> None:
    store.apply(batch([99], [1], [[1]]))
    assert store.tags() == ("unnamed/99",)


def test_a_column_named_twice_is_taken_once(store: RunStore) -> None:
    store.apply(batch([0, 0, 1], [1], [[1, 2, 3]]))
    assert values_of(store, "loss/total") == [1]
    assert values_of(store, "lr/pg0") == [3]


def test_names_beyond_the_bound_are_left_out() -> None:
    store = RunStore(StorePolicy(max_tags=2))
    store.apply(wire.Tags(0, ["a", "b", "c"]))
    store.apply(batch([0, 1, 2], [1], [[1, 2, 3]]))
    assert store.tags() == ("a", "b")


def test_class_counts_add_up_and_carry_the_names_of_the_hello(store: RunStore) -> None:
    store.apply(wire.Counts(1, 1.0, "targets", [0, 2], [5, 1]))
    store.apply(hello(class_names=["background", "cat"]))
    store.apply(wire.Counts(4, 4.0, "targets", [2], [1]))
    counts = store.counts("targets")
    assert counts is not None
    assert counts.seen.tolist() == [5, 0, 2]
    assert counts.names == ("background", "cat", "2")
    assert (counts.first_step, counts.last_step) == (1, 4)


def test_names_that_the_model_carries_are_taken_where_the_script_told_none(store: RunStore) -> None:
    carries = wire.Model(0, 1.0, "yolo", 2, None, 9, 9, 9, class_names=["cat", "dog"])
    for told, meant in (([], ("cat", "dog")), (["a", "b"], ("a", "b"))):
        store.apply(hello(class_names=told))
        store.apply(wire.Counts(1, 1.0, "targets", [0], [3]))
        store.apply(carries)
        counts = store.counts("targets")
        assert counts is not None and store.info is not None
        assert counts.names == store.info.class_names == meant


def test_a_class_that_is_known_and_never_seen_counts_zero(store: RunStore) -> None:
    store.apply(hello(class_names=["cat", "dog"]))
    store.apply(wire.Counts(1, 1.0, "targets", [0], [3]))
    counts = store.counts("targets")
    assert counts is not None
    assert counts.seen.tolist() == [3, 0]


def test_hostile_class_ids_fill_no_memory(store: RunStore) -> None:
    store.apply(wire.Counts(1, 1.0, "targets", [-1, 1 << 60, 1], [9, 9, 9]))
    counts = store.counts("targets")
    assert counts is not None
    assert counts.seen.tolist() == [0, 9]


def test_counts_handed_out_do_not_change(store: RunStore) -> None:
    store.apply(wire.Counts(1, 1.0, "targets", [0], [1]))
    before = store.counts("targets")
    store.apply(wire.Counts(2, 2.0, "targets", [0], [1]))
    assert before is not None
    assert before.seen.tolist() == [1]


def test_events_are_kept_by_kind_and_bounded() -> None:
    store = RunStore(StorePolicy(max_events=3))
    for step in range(5):
        store.apply(wire.Event(step, 0.0, "lr" if step % 2 else "epoch", "x"))
    assert [event.step for event in store.events()] == [2, 3, 4]
    assert [event.step for event in store.events("lr")] == [3]
    assert store.events_forgotten == 2


def test_strings_from_the_stream_cannot_steer_the_terminal(store: RunStore) -> None:
    evil = "\x1b]52;c;aGk=\x07na\x1b[2Jme\n\u202e"
    store.apply(hello("c" * 16, name=evil, host=evil, argv=[evil], config={evil: evil}, class_names=[evil]))
    store.apply(wire.Tags(0, [evil]))
    store.apply(batch([0], [1], [[1]]))
    store.apply(wire.Event(1, 1.0, "warning", evil, {"what": [evil]}))
    store.apply(wire.Bye(1.0, 1, "exception", 1, f"one\n{evil}"))
    assert store.info is not None
    assert (store.info.name, store.info.argv, store.info.config) == ("name ", ("name ",), {"name ": "name "})
    assert store.tags() == ("name ",)
    assert store.events()[0].data == {"what": ["name "]}
    assert store.bye is not None
    assert store.bye.text == "one\nname\n"


def test_beyond_the_bound_old_rows_are_thinned_and_spikes_survive() -> None:
    store = RunStore(StorePolicy(max_points=10_000))
    store.apply(wire.Tags(0, ["loss/total", "lr/pg0"]))
    for first in range(0, 40_000, 100):
        steps = list(range(first, first + 100))
        rows = [[1e6 if step == 777 else (float("nan") if step == 1501 else 1.0), 0.1] for step in steps]
        store.apply(batch([0, 1], steps, rows))
    loss = store.series("loss/total")
    assert loss is not None
    assert store.thinned
    assert store.points <= 10_000
    assert np.nanmax(loss.values) == 1e6
    assert np.isnan(loss.values).sum() >= 1
    assert (np.diff(loss.steps) >= 0).all()
    assert loss.steps[-1] == 39_999


def test_below_the_bound_nothing_is_thinned() -> None:
    store = RunStore(StorePolicy(max_points=10_000))
    store.apply(wire.Tags(0, ["loss/total"]))
    store.apply(batch([0], list(range(10_000)), [[1.0]] * 10_000))
    assert not store.thinned
    assert len(store.series("loss/total") or ()) == 10_000


def test_thinning_keeps_the_newest_strand_apart() -> None:
    store = RunStore(StorePolicy(max_points=1_000))
    store.apply(hello("a" * 16))
    store.apply(wire.Tags(0, ["loss/total"]))
    store.apply(batch([0], list(range(900)), [[1.0]] * 900))
    store.apply(hello("b" * 16))
    store.apply(wire.Tags(0, ["loss/total"]))
    store.apply(batch([0], list(range(200)), [[2.0]] * 200))
    newest = store.strand_series("loss/total")
    assert newest is not None
    assert store.thinned
    assert newest.values.tolist() == [2.0] * 200


def test_a_snapshot_holds_what_there_was_when_it_was_taken() -> None:
    store = RunStore()
    for message in (hello(), wire.Tags(0, ["loss/total", "lr/pg0", "grad/norm"])):
        store.apply(message)
    store.apply(batch([0, 1], [1, 2], [[1.0, 0.1], [2.0, 0.1]]))
    taken = store.snapshot()
    store.apply(batch([0, 2], [3], [[3.0, 9.0]]))  # splits the family, and brings a series that it does not show
    assert list(taken) == ["loss/total", "lr/pg0"]
    assert (len(taken), "grad/norm" in taken) == (2, False)
    assert taken["loss/total"].values.tolist() == [1.0, 2.0]
    assert taken["loss/total"] is taken["loss/total"]
    assert store.snapshot()["loss/total"].values.tolist() == [1.0, 2.0, 3.0]


def test_a_point_costs_less_than_six_bytes_with_ten_columns() -> None:
    store = RunStore()
    store.apply(wire.Tags(0, [f"t{i}" for i in range(10)]))
    for first in range(0, 20_000, 100):
        steps = list(range(first, first + 100))
        store.apply(batch(list(range(10)), steps, [[0.1] * 10] * 100))
    assert store.held_bytes / store.points < 6.0


@pytest.mark.parametrize("value", [1e300, -1e300, 1e-300])
def test_a_value_beyond_float32_is_neither_infinite_nor_zero(store: RunStore, value: float) -> None:
    store.apply(batch([0, 1], [1, 2], [[1.5, 0.25], [2.5, 0.5]]))
    store.apply(batch([0, 1], [3], [[value, 0.75]]))
    store.apply(batch([0, 1], [4], [[float("inf"), float("nan")]]))
    assert values_of(store, "loss/total") == [1.5, 2.5, value, float("inf")]
