"""Evaluations by libraries are put into the run; what the script logs itself goes first."""

from __future__ import annotations

import contextlib
import io
import sys
import types
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from dettui_probe import tags, wire
from dettui_probe.after_import import after_import
from dettui_probe.encode import Encoder
from dettui_probe.fence import Fence, Ledger
from dettui_probe.overheard import listening
from dettui_probe.overheard.names import of_evaluation, tag_of
from dettui_probe.overheard.sources import SOURCES, Source
from dettui_probe.recorder import Gathered, Overheard, Row
from dettui_probe.run import Run
from dettui_probe.unwatched import unwatched

Hear = Callable[[Source], None]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    run = Run("test", "test")
    run.active = True
    monkeypatch.setattr(listening, "current_run", lambda: run)
    yield run
    run.finish()


@pytest.fixture
def hear(monkeypatch: pytest.MonkeyPatch) -> Hear:
    """Puts an ear on a source for the length of the test."""

    def listen(source: Source) -> None:
        owner = getattr(sys.modules[source.module], source.owner)
        monkeypatch.setattr(owner, source.method, getattr(owner, source.method))
        listening._put_ear_on(source)

    return listen


def heard(run: Run) -> dict[str, Any]:
    run.recorder.release()
    row = run.recorder.take()
    return {} if row is None else dict(row.values)  # type: ignore[union-attr]


def source_of(module: str) -> Source:
    return next(source for source in SOURCES if source.module == module)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Callable[..., type]:
    """A module with the class of a source, whose method returns *result*; *fields* are those of the class."""

    def make(module: str, result: object, **fields: object) -> type:
        source = source_of(module)
        owner = type(source.owner, (), {source.method: lambda self, *args, **kwargs: result, **fields})
        stand_in = types.ModuleType(module)
        setattr(stand_in, source.owner, owner)
        monkeypatch.setitem(sys.modules, module, stand_in)
        listening._put_ear_on(source)
        return owner

    return make


# --- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("val_loss", "eval/loss"),
        ("Loss/val", "eval/loss"),
        ("eval_accuracy", "eval/accuracy"),
        ("valid/acc", "eval/accuracy"),
        ("test_mAP", "eval/mAP"),
        ("val/mAP@0.5", "eval/mAP50"),
        ("val_loss_box", "eval/loss_box"),
    ],
)
def test_a_name_that_says_it_is_of_an_evaluation(name: str, tag: str) -> None:
    assert of_evaluation(name) == tag_of(name) == tag


@pytest.mark.parametrize("name", ["train/loss", "loss", "lr", "retrieval", "validated", ""])
def test_a_name_that_does_not(name: str) -> None:
    assert of_evaluation(name) is None


@pytest.mark.parametrize("name", ["eval_runtime", "eval_samples_per_second", "val/epoch", "val", "eval_step"])
def test_what_is_no_measure_of_the_model(name: str) -> None:
    assert of_evaluation(name) is tag_of(name) is None


# --- libraries ----------------------------------------------------------------------------------------------------


def test_a_real_coco_evaluation(run: Run, hear: Hear) -> None:
    hear(source_of_imported("pycocotools.cocoeval"))
    judge = coco_evaluation()
    values = heard(run)
    assert values["eval/mAP"] == judge.stats[0] == pytest.approx(0.5, abs=0.01)
    assert values["eval/mAP50"] == judge.stats[1]
    assert values["eval/AR_medium"] == judge.stats[10]
    assert "eval/mAP_small" not in values  # -1: there is no small object


@pytest.mark.parametrize(("shift", "foreign", "never"), [(0, 0.0, 0.0), (1, 1.0, 1.0)])
def test_a_real_coco_evaluation_tells_whether_categories_are_numbered_alike(
    run: Run, hear: Hear, shift: int, foreign: float, never: float
) -> None:
    import_module("pycocotools.cocoeval")
    hear(next(source for source in SOURCES if source.method == "accumulate"))
    coco_evaluation(shift)
    assert heard(run) == {tags.EVAL_FOREIGN: foreign, tags.EVAL_NEVER_NAMED: never}


def source_of_imported(module: str) -> Source:
    import_module(module)
    return source_of(module)


def coco_evaluation(shift: int = 0) -> Any:
    """Two images with an object each, of which one is found, its category numbered by *shift* too high."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        box = {"category_id": 1, "bbox": [10, 10, 40, 40]}
        truth.dataset = {
            "info": {},
            "images": [{"id": i, "width": 100, "height": 100} for i in (1, 2)],
            "categories": [{"id": 1, "name": "a"}],
            "annotations": [{**box, "id": i, "image_id": i, "area": 1600, "iscrowd": 0} for i in (1, 2)],
        }
        truth.createIndex()
        judge = COCOeval(truth, truth.loadRes([{**box, "category_id": 1 + shift, "image_id": 1, "score": 0.9}]), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge


@pytest.mark.parametrize(("kind", "tag"), [("segm", "eval/mask_mAP"), ("keypoints", "eval/pose_mAP")])
def test_masks_and_keypoints_have_names_of_their_own(
    run: Run, library: Callable[..., type], kind: str, tag: str
) -> None:
    fields = {"params": types.SimpleNamespace(iouType=kind), "stats": [0.25, 0.5] + [-1.0] * 8}
    library("faster_coco_eval.core.faster_eval_api", None, **fields)().summarize()
    assert heard(run) == {tag: 0.25, tag + "50": 0.5}


def test_a_validation_of_ultralytics(run: Run, library: Callable[..., type]) -> None:
    metrics = {
        "metrics/precision(B)": 0.5, "metrics/mAP50(B)": 0.4, "metrics/mAP50-95(B)": 0.3, "metrics/mAP50(M)": 0.2,
        "val/box_loss": 1.5, "val/cls_loss": 2.0,
    }  # fmt: skip
    returned = library("ultralytics.engine.trainer", (metrics, 0.3))().validate()
    assert returned == (metrics, 0.3)
    assert heard(run) == {
        "eval/loss": 3.5, "eval/precision": 0.5, "eval/mAP50": 0.4, "eval/mAP": 0.3, "eval/mask_mAP50": 0.2,
        "eval/box_loss": 1.5, "eval/cls_loss": 2.0,
    }  # fmt: skip


def test_a_validation_that_was_skipped(run: Run, library: Callable[..., type]) -> None:
    library("ultralytics.engine.trainer", (None, None))().validate()
    assert heard(run) == {}


def test_an_evaluation_of_transformers(run: Run, library: Callable[..., type]) -> None:
    library("transformers.trainer", {"eval_loss": 0.5, "eval_runtime": 3.0, "epoch": 2})().evaluate()
    assert heard(run) == {"eval/loss": 0.5}


@pytest.mark.parametrize(
    ("sanity", "fn", "values"), [(False, "fit", {"eval/loss": 0.5}), (True, "fit", {}), (False, "test", {})]
)
def test_a_validation_of_lightning(
    run: Run, library: Callable[..., type], sanity: bool, fn: str, values: dict[str, float]
) -> None:
    trainer = types.SimpleNamespace(sanity_checking=sanity, state=types.SimpleNamespace(fn=fn))
    library("lightning.pytorch.loops.evaluation_loop", [{"val_loss": 0.5}], trainer=trainer)().run()
    assert heard(run) == values


def test_an_epoch_of_fastai(run: Run, library: Callable[..., type]) -> None:
    names, rows = ["epoch", "train_loss", "valid_loss", "accuracy", "time"], [[0.3, 0.4, 0.8]]
    library("fastai.learner", None, metric_names=names, values=rows)().after_epoch()
    assert heard(run) == {"eval/loss": 0.4, "eval/accuracy": 0.8}


def test_an_epoch_of_keras(run: Run, library: Callable[..., type]) -> None:
    logs = {"loss": 0.3, "accuracy": 0.9, "val_loss": 0.4, "val_accuracy": 0.8}
    library("keras.src.callbacks.callback_list", None)().on_epoch_end(3, logs)
    assert heard(run) == {"eval/loss": 0.4, "eval/accuracy": 0.8}


@pytest.mark.parametrize(
    ("moment", "values"), [("on_epoch_end", {"eval/loss": 0.4, "eval/accuracy": 0.8}), ("on_batch_end", {})]
)
def test_an_epoch_of_skorch(run: Run, library: Callable[..., type], moment: str, values: dict[str, float]) -> None:
    row = {"epoch": 1, "train_loss": 0.3, "valid_loss": 0.4, "valid_loss_best": True, "valid_acc": 0.8, "dur": 1.0}
    library("skorch.net", None, history=[row])().notify(moment)
    assert heard(run) == values


def test_trackers_are_heard_where_the_name_says_it_is_an_evaluation(run: Run, library: Callable[..., type]) -> None:
    library("torch.utils.tensorboard.writer", None)().add_scalar("val/acc", 0.5, 3)
    library("wandb.sdk.wandb_run", None)().log({"valid/loss": 2.0, "train/loss": 1.0, "val/picture": object()})
    assert heard(run) == {"eval/accuracy": 0.5}
    assert heard(run) == {"eval/loss": 2.0}


@pytest.mark.parametrize(("value", "told"), [(np.array([0.5]), True), (np.float32(0.5), True), (np.zeros(3), False)])
def test_a_measure_by_class_is_not_handed_to_a_run_that_would_refuse_it(
    run: Run, library: Callable[..., type], value: object, told: bool
) -> None:
    library("transformers.trainer", {"eval_map_per_class": value})().evaluate()
    assert (heard(run) == {"eval/map_per_class": value}) is told


def test_a_library_that_has_changed_is_left_as_it_is(run: Run, library: Callable[..., type]) -> None:
    owner = library("transformers.trainer", "no dict")
    assert owner().evaluate() == "no dict"
    broken = library("ultralytics.engine.trainer", None)  # returned a pair once
    assert broken().validate() is None
    assert heard(run) == {}


# --- what is told -------------------------------------------------------------------------------------------------


def test_the_first_to_tell_a_measure_at_a_step_counts(run: Run) -> None:
    run.overhear({"eval/mAP": 0.1})
    run.overhear({"eval/mAP": 0.9, "eval/loss": 2.0})
    assert heard(run) == {"eval/mAP": 0.1}
    assert heard(run) == {"eval/loss": 2.0}
    run.recorder.step = 7
    run.overhear({"eval/mAP": 0.2})
    assert heard(run) == {"eval/mAP": 0.2}


def test_what_preflight_evaluates_is_no_evaluation_of_the_run(run: Run, library: Callable[..., type]) -> None:
    owner = library("transformers.trainer", {"eval_loss": 0.5})
    with unwatched():
        owner().evaluate()
    assert heard(run) == {}


def test_the_end_of_a_run_tells_what_was_held(run: Run) -> None:
    run.overhear({"eval/mAP": 0.1})
    assert run.recorder.take() is None
    run.finish()
    row = run.recorder.take()
    assert isinstance(row, Overheard)
    assert row.values == {"eval/mAP": 0.1}


def encoder() -> Encoder:
    hello = wire.Hello((1, 0), "r", "b", 0, 1, "r", "h", "", 1, 1, 0.0, [], "", "", "0")
    return Encoder(hello, Fence("test", Ledger(lambda part, text: None)))


def values_in(encoder: Encoder) -> list[tuple[int, float]]:
    """(step, value) of every row of one value."""
    blocks = [
        block
        for packet in encoder.packets()
        if isinstance(batch := wire.decode(packet.payload), wire.Batch)
        for block in batch.blocks
    ]
    found: list[tuple[int, float]] = []
    for block in blocks:
        steps, numbers = memoryview(block.steps).cast("q"), memoryview(block.values).cast("d")
        found += list(zip(steps, numbers, strict=True))
    return found


def test_the_script_goes_first_from_its_first_value_on() -> None:
    mine = encoder()
    mine.add_overheard(Overheard(10, 0.0, {"eval/mAP": 0.1}))
    mine.add_overheard(Overheard(20, 0.0, {"eval/mAP": 0.2}))
    mine.add_row(Row(3, 0.0, {"eval/mAP": 0.3}))
    mine.add_overheard(Overheard(30, 0.0, {"eval/mAP": 0.3}))
    mine.add_row(Row(4, 0.0, {"eval/mAP": 0.4}))
    assert values_in(mine) == [(10, 0.1), (20, 0.2), (3, 0.3), (4, 0.4)]


def test_what_the_script_logs_before_it_is_released_is_all_there_is() -> None:
    mine = encoder()
    mine.add_row(Row(1, 0.0, {"eval/mAP": 0.1}))
    mine.add_overheard(Overheard(10, 0.0, {"eval/mAP": 0.1}))
    assert values_in(mine) == [(1, 0.1)]


def test_a_module_that_is_there_is_not_waited_for() -> None:
    called: list[str] = []
    after_import("sys", lambda: called.append("sys"))
    assert called == ["sys"]


def test_waiting_can_be_given_up() -> None:
    before = list(sys.meta_path)
    give_up = after_import("nobody.has.this", lambda: None)
    assert len(sys.meta_path) == len(before) + 1
    give_up()
    give_up()
    assert sys.meta_path == before


def test_a_submodule_is_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "overheard_package").mkdir()
    (tmp_path / "overheard_package" / "__init__.py").touch()
    (tmp_path / "overheard_package" / "inner.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    called: list[int] = []
    after_import("overheard_package.inner", lambda: called.append(sys.modules["overheard_package.inner"].x))
    finders = len(sys.meta_path)
    import_module("overheard_package")
    assert called == []
    import_module("overheard_package.inner")
    assert (called, len(sys.meta_path)) == ([1], finders - 1)


# --- what nobody told ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tag", ["val_loss", "Loss/val", "eval/loss", "test/nll", "valid_ce", "eval/cross_entropy", "valLoss", "loss_test"]
)
def test_a_gathered_loss_is_told_until_the_script_logs_one_of_its_own(tag: str) -> None:
    mine = encoder()
    mine.add_gathered(Gathered(10, 0.0, {"eval/loss": 0.1}))
    mine.add_gathered(Gathered(20, 0.0, {"eval/loss": 0.2}))
    mine.add_row(Row(20, 0.0, {tag: 0.3}))
    mine.add_gathered(Gathered(30, 0.0, {"eval/loss": 0.4}))
    assert [step for step, _ in values_in(mine)] == [10, 20, 20]


def test_a_gathered_loss_is_not_told_beside_one_of_a_library() -> None:
    mine = encoder()
    mine.add_gathered(Gathered(10, 0.0, {"eval/loss": 0.1}))
    mine.add_overheard(Overheard(20, 0.0, {"eval/loss": 0.2}))
    mine.add_gathered(Gathered(30, 0.0, {"eval/loss": 0.3}))
    assert [step for step, _ in values_in(mine)] == [10, 20]


@pytest.mark.parametrize("tag", ["loss/total", "loss/latest", "eval/accuracy", "loss/evaluator_head", "data/eval_rows"])
def test_a_gathered_loss_is_told_beside_anything_else(tag: str) -> None:
    mine = encoder()
    mine.add_row(Row(5, 0.0, {tag: 0.3}))
    mine.add_gathered(Gathered(10, 0.0, {"eval/loss": 0.1}))
    assert [step for step, _ in values_in(mine)] == [5, 10]
