"""Scripted frames: runs as the engine would describe them, and a source that plays them to the application."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from threading import Event

import numpy as np

from dettui.domain.finding import Abstention, Cause, Diagnosis, Evidence, Finding
from dettui.domain.frame import Frame, Mark, RunFrame, Vitals
from dettui.domain.run import Liveness, RunInfo, RunState
from dettui.domain.series import ClassCounts, Floats, Series

SCORES = (0.0, 0.12, 0.31, 0.48, 0.61, 0.666, 0.65, 0.62, 0.605)
"""Of evaluations every 100 steps: the best, not the newest, at step 600."""

NAMES = ("background", "circle", "square", "triangle", "star")

LR_TOO_HIGH = Cause(
    "lr_too_high",
    0.81,
    False,
    supports=("the update ratio is 3.1e-2, ten times what trains", "the swing grew with the learning rate at step 400"),
    contradicts=("the gradient norm did not grow",),
    check="print the update ratio after dividing the learning rate by 10 for 50 steps",
    remedy="divide the learning rate by 10, or warm it up over 500 steps",
)
SCHEDULE = Cause("schedule_needs_decay", 0.4, False, supports=("no LR drop so far",), remedy="decay the learning rate")
BAD_BOXES = Cause(
    "boxes_wrong_format",
    1.0,
    True,
    supports=("98 % of 2,412 boxes are legal as xywh, 41 % as xyxy",),
    check="print targets[0]['boxes'] beside the image",
    remedy="convert the boxes to xyxy before they reach the model (torchvision.ops.box_convert)",
)

OSCILLATION = Finding(
    "oscillation",
    "warning",
    "active",
    420,
    990,
    520,
    "Loss swings by 38 % with a period of 24 steps",
    evidence=(Evidence("loss/total", (420, 990), 0.38, 0.15, ">", "swing around the trend"),),
    causes=(LR_TOO_HIGH, SCHEDULE),
)
BAD_TARGETS = Finding(
    "bad_targets",
    "critical",
    "active",
    3,
    990,
    20,
    "Boxes are not in the format that the model expects",
    evidence=(Evidence("targets/legal_xywh", (3, 990), 0.98, 0.9, ">", "share of boxes that are legal as xywh"),),
    causes=(BAD_BOXES,),
)
IMBALANCE = Finding(
    "imbalance",
    "info",
    "resolved",
    100,
    600,
    160,
    "Class star occurs 40 times less often than circle",
    evidence=(Evidence("", (100, 600), 40.0, 20.0, ">", "most frequent over least frequent class"),),
)


def series(tag: str, values: Floats, first: int = 1) -> Series:
    """*values* at successive steps."""
    steps = np.arange(first, first + len(values), dtype=np.int64)
    return Series(tag, steps, values, 1.7e9 + 0.1 * steps)


def curves(n: int = 990) -> dict[str, Series]:
    """A detector's curves: the loss falls and then swings."""
    rng = np.random.default_rng(7)
    t = np.arange(n)
    swing = np.where(t > 420, 0.12 * np.sin(t * 2 * np.pi / 24), 0.0)
    falling = 0.4 + 1.6 * np.exp(-t / 150)
    parts = {"loss_classifier": 0.45, "loss_box_reg": 0.3, "loss_objectness": 0.15, "loss_rpn_box_reg": 0.1}
    terms = {f"loss/{k}": share * (falling + swing + rng.normal(0, 0.05, n)) for k, share in parts.items()}
    lr = np.where(t < 400, 0.02, 0.05).astype(float)
    named = {
        "loss/total": np.sum(list(terms.values()), axis=0),
        **terms,
        "lr/pg0": lr,
        "grad/norm": np.exp(rng.normal(0.5, 0.3, n)),
        "update/ratio": 3e-2 * np.exp(rng.normal(0, 0.2, n)),
    }
    return {tag: series(tag, values) for tag, values in named.items()}


def diagnosis(*findings: Finding, step: int = 990) -> Diagnosis:
    """What the rules say."""
    return Diagnosis(step, findings, (), (Abstention("overfit", ("eval/mAP",)),), lacks=())


def run_frame(
    run: str = "r1",
    name: str = "fasterrcnn shapes",
    *,
    state: RunState = RunState.RUNNING,
    findings: Sequence[Finding] = (),
    age_s: float = 0.1,
    step: int = 990,
) -> RunFrame:
    """One run."""
    counts = np.array([0, 4100, 2300, 900, 110])
    return RunFrame(
        info=RunInfo(run, name, "gpu01", total_steps=4000, steps_per_epoch=250, class_names=NAMES),
        liveness=Liveness(state),
        vitals=Vitals(step, 9.8, 307.0, age_s, 0.004),
        diagnosis=diagnosis(*findings, step=step),
        series=curves(step),
        classes=(
            ClassCounts("targets", NAMES, counts, 1, step),
            ClassCounts("predictions", NAMES, counts // 2, 1, step),
        ),
        marks=(
            Mark(400, "lr", "lr 0.02 to 0.05"),
            Mark(500, "evaluation", "mAP 0.31"),
            Mark(750, "evaluation", "mAP 0.30"),
        ),
    )


def frame(*runs: RunFrame, tick: int = 1, made_at: float = 1.7e9) -> Frame:
    """Several runs."""
    return Frame(tick, made_at, runs)


def sick_run(**changes: object) -> RunFrame:
    """A run with a finding of each severity."""
    return replace(run_frame(findings=(BAD_TARGETS, OSCILLATION, IMBALANCE)), **changes)  # type: ignore[arg-type]


def evaluated_run(*findings: Finding, tag: str = "eval/mAP50", scores: Sequence[float] = SCORES) -> RunFrame:
    """A run that was evaluated every 100 steps, with *findings*."""
    run = run_frame(findings=findings)
    steps = 100 * np.arange(1, len(scores) + 1, dtype=np.int64)
    evaluations = Series(tag, steps, np.array(scores, dtype=float), 1.7e9 + 0.1 * steps)
    told = tuple(Mark(finding.first_step, "finding", finding.title) for finding in findings)
    return replace(run, series={**run.series, tag: evaluations}, marks=(*run.marks, *told))


class Script:
    """A source that shows one frame until it is given another.  Not an engine: it only stands where one would."""

    def __init__(self, first: Frame) -> None:
        self._frame = first
        self._has_news = Event()

    def give(self, frame: Frame) -> None:
        """Show *frame* from now on.  Called by the test, while the application's thread reads."""
        self._frame = frame
        self._has_news.set()

    def pump(self, wait_s: float = 0.0) -> bool:
        """Wait for another frame."""
        if not self._has_news.wait(wait_s):
            return False
        self._has_news.clear()
        return True

    def frame(self) -> Frame:
        """The frame of now."""
        return self._frame
