"""All rules, run once over one reading of the store."""

from __future__ import annotations

from collections.abc import Sequence

from dettui.detect.answers import SameAnswer
from dettui.detect.assignment import Unassigned
from dettui.detect.base import Rule, Symptom
from dettui.detect.batches import BatchOrder
from dettui.detect.classes import Imbalance, Unseen
from dettui.detect.context import Context
from dettui.detect.contradiction import BetterInEvaluation, HeavyDropout, HeavyPenalty
from dettui.detect.copies import CopiedUnits
from dettui.detect.coverage import Coverage, Detached, FrozenUntrained
from dettui.detect.dead_layers import DeadLayers
from dettui.detect.dead_units import DeadUnits
from dettui.detect.decay import DecayRules
from dettui.detect.decayed_lr import DecayedLr
from dettui.detect.divergence import Divergence
from dettui.detect.ending import Ending
from dettui.detect.endless_warmup import EndlessWarmup
from dettui.detect.evaluation_inputs import EvaluationInputs
from dettui.detect.evaluation_names import ForeignCategories
from dettui.detect.evaluations import Collapse, Overfit
from dettui.detect.extreme_norms import ExtremeNorms
from dettui.detect.few_inputs import FewInputs
from dettui.detect.floors import LossFloor
from dettui.detect.generalisation import Memorised, NoGeneralisation, WorseAtFirstSight
from dettui.detect.gradient_growth import GradientGrowth
from dettui.detect.gradients import GradientDepth
from dettui.detect.heavy_momentum import HeavyMomentum
from dettui.detect.input_shift import InputShift
from dettui.detect.inputs import BadInputs
from dettui.detect.left_over import LeftOverGradients
from dettui.detect.loss_graph import LossGraph
from dettui.detect.loss_terms import ZeroTerms
from dettui.detect.maximised import Maximised
from dettui.detect.moving_aims import tempered
from dettui.detect.no_score import NoScore
from dettui.detect.non_finite import NonFinite
from dettui.detect.opening import ConfidentOpening, LargeWeights, NothingPasses, ViolentOpening
from dettui.detect.oscillation import Oscillation
from dettui.detect.outliers import OutlierBatches
from dettui.detect.own_targets import NothingOfInputs
from dettui.detect.precision import AmpOverflow, LostGradients
from dettui.detect.preflight import Preflight
from dettui.detect.progress.flat_score import FlatScore
from dettui.detect.progress.hardly_moved import HardlyMoved
from dettui.detect.progress.lr_drop import PlateauAfterLrDrop
from dettui.detect.progress.not_learning import NotLearning
from dettui.detect.progress.plateau import Plateau
from dettui.detect.progress.slow_descent import ShortSteps, SlowDescent
from dettui.detect.resources import MemoryGrowth, SlowStep
from dettui.detect.resume import LostState
from dettui.detect.saturation import Saturated
from dettui.detect.setup import Setup
from dettui.detect.sizes import SmallNetwork, TinyBatch
from dettui.detect.spike import Spike
from dettui.detect.standstill import Standstill
from dettui.detect.targets.rules import BadTargets
from dettui.detect.term_weights import UnbalancedTerms, UntoldWeights
from dettui.detect.tight_clip import TightClip
from dettui.detect.timing import InputBound
from dettui.detect.unlearnt import BoxesCameOff, Unlearnt
from dettui.detect.updates import NoUpdate, UpdateSize
from dettui.domain.finding import Abstention
from dettui.store.run_store import RunStore

EXACT: tuple[Rule, ...] = (
    NonFinite(),
    Preflight(),
    BadTargets(),
    Unassigned(),
    ZeroTerms(),
    BadInputs(),
    Setup(),
    Coverage(),
    Detached(),
    FrozenUntrained(),
    LeftOverGradients(),
    NothingPasses(),
    NoUpdate(),
    AmpOverflow(),
    LossGraph(),
    Ending(),
    CopiedUnits(),
    LostState(),
    EvaluationInputs(),
    ForeignCategories(),
)
"""Rules with exact checks, and those that read the newest rows only: asked often."""

STATISTICAL: tuple[Rule, ...] = (
    Divergence(),
    BoxesCameOff(),
    Unlearnt(),
    Spike(),
    NotLearning(),
    Plateau(),
    PlateauAfterLrDrop(),
    SlowDescent(),
    ShortSteps(),
    HardlyMoved(),
    SmallNetwork(),
    TinyBatch(),
    Oscillation(),
    UpdateSize(),
    ViolentOpening(),
    ConfidentOpening(),
    LargeWeights(),
    Saturated(),
    DeadUnits(),
    DeadLayers(),
    LostGradients(),
    GradientGrowth(),
    DecayRules(),
    DecayedLr(),
    EndlessWarmup(),
    TightClip(),
    HeavyMomentum(),
    UnbalancedTerms(),
    UntoldWeights(),
    Maximised(),
    BatchOrder(),
    SameAnswer(),
    NoGeneralisation(),
    Memorised(),
    FewInputs(),
    WorseAtFirstSight(),
    NothingOfInputs(),
    Standstill(),
    LossFloor(),
    InputShift(),
    OutlierBatches(),
    NoScore(),
    FlatScore(),
    BetterInEvaluation(),
    HeavyDropout(),
    HeavyPenalty(),
    MemoryGrowth(),
    SlowStep(),
    GradientDepth(),
    Imbalance(),
    Unseen(),
    Collapse(),
    Overfit(),
    ExtremeNorms(),
    InputBound(),
)
"""Rules over tens or hundreds of steps, which change little from one step to the next."""

RULES: tuple[Rule, ...] = (*EXACT, *STATISTICAL)
"""Every rule, exact checks first."""


def evaluate_all(store: RunStore, step: int) -> tuple[tuple[Symptom, ...], tuple[Abstention, ...]]:
    """What every rule says of *store* at *step*, and which rules lacked data."""
    return judge(Context(store, step))


def judge(context: Context, rules: Sequence[Rule] = RULES) -> tuple[tuple[Symptom, ...], tuple[Abstention, ...]]:
    """What each of *rules* says of *context*, and which of them lacked data."""
    symptoms: list[Symptom] = []
    abstained: list[Abstention] = []
    for rule in rules:
        answer = rule.evaluate(context)
        if isinstance(answer, Abstention):
            abstained.append(answer)
        else:
            symptoms.extend(answer)
    return tuple(tempered(context, symptoms)), tuple(abstained)
