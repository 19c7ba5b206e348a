"""Where libraries say what an evaluation measured: a method, and how to read what it was given and what it returned.

Only names and results are read.  A library that changes is a source that says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple, TypeAlias

from dettui_probe import tags
from dettui_probe.overheard.names import of_evaluation, tag_of

Scores: TypeAlias = Mapping[str, Any]
"""Values of one evaluation, by tag."""


class Call(NamedTuple):
    """One call of a method that has ended."""

    owner: Any  # its self
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    result: Any

    def argument(self, place: int, name: str) -> Any:
        """The argument at *place*, or called *name*; None where there is none."""
        return self.args[place] if place < len(self.args) else self.kwargs.get(name)


class Source(NamedTuple):
    """A method that knows scores once it has run."""

    module: str
    owner: str  # the class that has it
    method: str
    read: Callable[[Call], Scores]


_MOST_DETECTIONS: Final = 20_000  # of an evaluation that are looked at
_COCO: Final = (
    "mAP", "mAP50", "mAP75", "mAP_small", "mAP_medium", "mAP_large",
    "AR1", "AR10", "AR100", "AR_small", "AR_medium", "AR_large",
)  # fmt: skip
_COCO_KEYPOINTS: Final = (
    "mAP", "mAP50", "mAP75", "mAP_medium", "mAP_large", "AR", "AR50", "AR75", "AR_medium", "AR_large"
)  # fmt: skip
_KINDS: Final = {"bbox": "", "segm": "mask_", "keypoints": "pose_"}
_ULTRALYTICS_KINDS: Final = {"(B)": "", "(M)": "mask_", "(P)": "pose_"}


def _coco(call: Call) -> Scores:
    """``COCOeval.summarize``: the twelve numbers that it prints (ten for keypoints), less those not defined."""
    kind = call.owner.params.iouType
    names = _COCO_KEYPOINTS if kind == "keypoints" else _COCO
    numbers = [float(number) for number in call.owner.stats]
    return {
        f"eval/{_KINDS.get(kind, kind + '_')}{name}": number
        for name, number in zip(names, numbers, strict=False)
        if number >= 0
    }


def _coco_categories(call: Call) -> Scores:
    """``COCOeval.accumulate``: whether detections and ground truth number the categories alike."""
    truth, found = call.owner.cocoGt, call.owner.cocoDt
    known = {category["id"] for category in truth.dataset["categories"]}
    named = [found["category_id"] for found in islice(found.anns.values(), _MOST_DETECTIONS)]
    present = {annotation["category_id"] for annotation in islice(truth.anns.values(), _MOST_DETECTIONS)}
    if not named or not present:
        return {}
    return {
        tags.EVAL_FOREIGN: sum(category not in known for category in named) / len(named),
        tags.EVAL_NEVER_NAMED: float(len((present & known).difference(named))),
    }


def _ultralytics(call: Call) -> Scores:
    """``BaseTrainer.validate``: (metrics, fitness)."""
    return dict(_ultralytics_tags(call.result[0] or {}))


def _ultralytics_tags(metrics: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    losses = [value for name, value in metrics.items() if name.startswith("val/") and name.endswith("loss")]
    if losses:
        yield "eval/loss", sum(losses)
    for name, value in metrics.items():
        matched = re.fullmatch(r"metrics/(.+?)(\([BMP]\))?", name)
        tag = tag_of(matched[1] if matched else name)
        if tag is not None:
            kind = _ULTRALYTICS_KINDS.get((matched and matched[2]) or "", "")
            yield tag.replace("eval/", "eval/" + kind), value


def _transformers(call: Call) -> Scores:
    """``Trainer.evaluate``: eval_loss, eval_accuracy, ..."""
    return _told(call.result, tag_of)


def _lightning(call: Call) -> Scores:
    """``_EvaluationLoop.run``: what the module logged, for each loader of the fit's validation."""
    trainer = call.owner.trainer
    if trainer.sanity_checking or str(trainer.state.fn) not in ("fit", "TrainerFn.FITTING"):
        return {}
    return {tag: value for logged in call.result for tag, value in _told(logged, tag_of).items()}


def _tensorboard(call: Call) -> Scores:
    """``SummaryWriter.add_scalar(tag, value)``."""
    return _told({str(call.argument(0, "tag")): call.argument(1, "scalar_value")}, of_evaluation)


def _tracker(call: Call) -> Scores:
    """``log({name: value})``, as Weights & Biases and Accelerate have it."""
    return _told(call.args[0] if call.args else call.kwargs.get("data", call.kwargs.get("values")), of_evaluation)


def _fastai(call: Call) -> Scores:
    """``Recorder.after_epoch``: the newest row of the table that it prints, without the epoch and the time."""
    names = list(call.owner.metric_names)[1:]
    return _told(dict(zip(names, call.owner.values[-1], strict=False)), _but_of_training)


def _keras(call: Call) -> Scores:
    """``CallbackList.on_epoch_end(epoch, logs)``: val_loss, val_accuracy, ..., beside those of training."""
    return _told(call.argument(1, "logs"), of_evaluation)


def _skorch(call: Call) -> Scores:
    """``NeuralNet.notify``: the newest row of the history, at the end of an epoch."""
    if call.argument(0, "method_name") != "on_epoch_end":
        return {}
    return _told({name: value for name, value in call.owner.history[-1].items() if "_best" not in name}, of_evaluation)


def _but_of_training(name: str) -> str | None:
    return None if name.startswith("train") else tag_of(name)


def _told(values: Any, name: Callable[[str], str | None]) -> Scores:
    if not isinstance(values, Mapping):
        return {}
    named = ((name(str(key)), value) for key, value in values.items())
    return {tag: value for tag, value in named if tag is not None and _is_number(value)}


def _is_number(value: Any) -> bool:
    """A number, or a tensor or array of one: what a run would refuse is not the script's doing."""
    if isinstance(value, (int, float)):
        return True
    count = getattr(value, "numel", None) or getattr(value, "size", None)  # of torch, of numpy
    return (count() if callable(count) else count) == 1


SOURCES: Final = (
    Source("pycocotools.cocoeval", "COCOeval", "summarize", _coco),
    Source("pycocotools.cocoeval", "COCOeval", "accumulate", _coco_categories),
    Source("faster_coco_eval.core.faster_eval_api", "COCOeval_faster", "summarize", _coco),
    Source("ultralytics.engine.trainer", "BaseTrainer", "validate", _ultralytics),
    Source("transformers.trainer", "Trainer", "evaluate", _transformers),
    Source("lightning.pytorch.loops.evaluation_loop", "_EvaluationLoop", "run", _lightning),
    Source("pytorch_lightning.loops.evaluation_loop", "_EvaluationLoop", "run", _lightning),
    Source("torch.utils.tensorboard.writer", "SummaryWriter", "add_scalar", _tensorboard),
    Source("tensorboardX.writer", "SummaryWriter", "add_scalar", _tensorboard),
    Source("wandb.sdk.wandb_run", "Run", "log", _tracker),
    Source("fastai.learner", "Recorder", "after_epoch", _fastai),
    Source("keras.src.callbacks.callback_list", "CallbackList", "on_epoch_end", _keras),
    Source("skorch.net", "NeuralNet", "notify", _skorch),
    Source("accelerate.accelerator", "Accelerator", "log", _tracker),
)
"""torchmetrics' MeanAveragePrecision is heard by the COCOeval that it runs."""
