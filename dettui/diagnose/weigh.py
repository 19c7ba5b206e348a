"""From findings and signals to ranked causes.

A cause's score is ln(prior) plus ln(10) times the sum of its clues: the strongest of each correlated group, negative
where it contradicts, nothing where the signal is absent (diagnosis.md 3.7).  Exact checks short-circuit and silence
the statistical causes of what they explain.  Scores are softmax weights for ranking, not probabilities.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from dettui.detect.signals import Signals
from dettui.diagnose.catalogue import CATALOGUE
from dettui.diagnose.cause import CONSEQUENCES, DOWNSTREAM, FAR_REACHING, OF_THE_MACHINE, CauseRecord, Clue
from dettui.diagnose.reading import Reading, read
from dettui.domain.finding import SEVERITY_ORDER, Abstention, Cause, Diagnosis, Finding, RankedCause, Severity
from dettui.domain.run import ModelInfo

Tier: TypeAlias = Literal["weak", "likely", "strong", "certain"]


@dataclass(frozen=True)
class WeighingPolicy:
    """The numbers of the weighing."""

    certain_score: float = 0.99
    most_without_proof: float = 0.95  # statistics never look like a proof
    strong_score: float = 0.8
    abstain_below: float = 0.5  # the best cause must weigh as much as all others together
    abstain_margin: float = 0.15  # and stand out from the second (both: diagnosis.md 3.7)
    bins_that_explain_away: float = 2.0  # evidence of a hundred to one
    withheld_share: float = 0.5  # of each cause's weight, given to "unknown" where the diagnosis abstains
    least_score: float = 0.05  # below this a cause is not worth a line
    most_causes: int = 4  # per finding
    steps_for_a_verdict: int = 200  # the first step at which not_learning and plateau may be judged (diagnosis.md 3.1)


POLICY: Final = WeighingPolicy()

_SEVERITY_WEIGHT: Final[Mapping[Severity, float]] = {"critical": 1.0, "warning": 0.9, "info": 0.5}
_RESOLVED_WEIGHT: Final = 0.5

_DATA_GROUPS: Final = frozenset(("annotations", "data", "inputs"))
_WITHHELD_GROUPS: Final = frozenset(("learning_rate", "batch", "optimizer"))
"""Advice on the step is withheld while a fault in the data is proved: 14 of 109 failures were of the step, and most
others look like one (detection.md 3.2)."""

_GATHERING_KINDS: Final = frozenset(("bad_targets", "bad_inputs", "bad_augmentation", "config_smell", "class_unseen"))
"""Symptoms under which unrelated faults are gathered: there a cause must show in the same series as the finding."""


@dataclass(frozen=True)
class Weighed:
    """One cause with what speaks for and against it in this run."""

    record: CauseRecord
    bins: float  # sum of the weights of its clues
    certain: bool
    supports: tuple[str, ...]
    contradicts: tuple[str, ...]

    @property
    def log_score(self) -> float:
        """ln of prior times likelihood ratios."""
        return math.log(self.record.prior) + math.log(10.0) * self.bins


def tier(score: float, certain: bool) -> Tier:
    """The word for a score."""
    if certain:
        return "certain"
    if score >= POLICY.strong_score:
        return "strong"
    return "likely" if score >= POLICY.abstain_below else "weak"


def diagnose(
    findings: Sequence[Finding],
    signals: Signals,
    model: ModelInfo | None,
    abstentions: Sequence[Abstention],
    step: int,
) -> Diagnosis:
    """Rank the causes of every finding, and of the run as a whole.

    A finding that brings its causes keeps them: what is measured now says nothing about what is over, unless it was
    at work then already.
    """
    shown = sorted((f for f in findings if f.state != "pending"), key=_worst_first)
    reading = read(signals, model, shown)
    standing = _standing_causes([f for f in shown if not f.causes], reading)
    known = [f for f in shown if f.causes]
    fresh = [
        replace(f, causes=_causes_of(f, _with_what_came_before(f, standing, known), reading))
        for f in shown
        if not f.causes
    ]
    explained = tuple(
        sorted((*(_explained_later(f, standing, fresh, reading) for f in known), *fresh), key=_worst_first)
    )
    return Diagnosis(
        step=step,
        findings=explained,
        causes=_over_the_run(explained),
        abstained=tuple(abstentions),
        lacks=tuple(_lacking(signals)),
    )


def _lacking(signals: Signals) -> Iterator[str]:
    if signals.steps < POLICY.steps_for_a_verdict:
        yield f"{signals.steps} of {POLICY.steps_for_a_verdict} measured steps"
    if signals.loss_last is None:
        yield "no loss recorded"


def joined(diagnosis: Diagnosis, findings: Sequence[Finding]) -> Diagnosis:
    """*diagnosis* with *findings* that have nothing to do with its own: what ranks say of each other."""
    if not findings:
        return diagnosis
    shown = tuple(sorted((*diagnosis.findings, *map(_explained_alone, findings)), key=_worst_first))
    return replace(diagnosis, findings=shown, causes=_over_the_run(shown))


def _explained_alone(finding: Finding) -> Finding:
    """*finding* with the causes that it had while it was active."""
    active = replace(finding, state="active", causes=())
    reading = read(Signals(), None, [active])
    return replace(finding, causes=_causes_of(active, _standing_causes([active], reading), reading))


def _worst_first(finding: Finding) -> tuple[bool, int, bool, int, str]:
    """What ruins the run comes before what makes it slow, whichever began first."""
    costs_time = finding.kind in OF_THE_MACHINE
    severity = SEVERITY_ORDER[finding.severity]
    return finding.state != "active", -severity, costs_time, finding.first_step, finding.kind


def _with_what_came_before(finding: Finding, standing: Sequence[Weighed], known: Sequence[Finding]) -> list[Weighed]:
    """*standing*, and for a state that a trouble leaves behind also what troubles before it were put down to: units
    that died, say, show no trace of the step that killed them."""
    if finding.kind not in CONSEQUENCES:
        return list(standing)
    earlier = {
        before.causes[0].id: before
        for before in known
        if before.first_step <= finding.first_step and before.severity != "info" and _is_strong(before.causes[0])
    }
    own = [w for w in standing if finding.kind in w.record.symptoms]
    kept = [w for w in standing if w.record.id not in earlier or _is_telling(w)]
    remembered = [
        Weighed(CATALOGUE[id], POLICY.bins_that_explain_away, False, (f"it stands behind: {before.title}",), ())
        for id, before in earlier.items()
        if id not in {w.record.id for w in kept} and _may_lead_to(CATALOGUE[id], finding, own)
    ]
    return _without_consequences([*kept, *remembered]) if remembered else list(standing)


def _may_lead_to(record: CauseRecord, finding: Finding, own: Sequence[Weighed]) -> bool:
    """True where *finding* is a symptom of the cause, or of one of its *own* causes that are consequences of it."""
    return finding.kind in record.symptoms or any(weighed.record.id in record.explains_away for weighed in own)


def _is_strong(cause: Cause) -> bool:
    return cause.id != "unknown" and (cause.certain or cause.score >= POLICY.strong_score)


def _explained_later(
    finding: Finding, standing: Sequence[Weighed], fresh: Sequence[Finding], reading: Reading
) -> Finding:
    """*finding* with what has come to light since in front of the causes that it was put down to, where it explains
    these away and was at work then."""
    first = finding.causes[0]
    later = [
        weighed
        for weighed in standing
        if first.id in weighed.record.explains_away
        and _is_telling(weighed)
        and not first.certain
        and _explains(weighed.record, finding, reading)
        and any(other.first_step <= finding.last_step for other in fresh if _is_led_by(other, weighed.record.id))
    ]
    if not later:
        return finding
    front = _ranked(later, _softmax(later)[:-1], reading)
    ids = {cause.id for cause in front}
    behind = [
        replace(cause, score=cause.score * (1.0 - POLICY.withheld_share))
        for cause in finding.causes
        if cause.id not in ids and cause.id != "unknown"
    ]
    return replace(finding, causes=(*front, *behind)[: POLICY.most_causes])


def _is_led_by(finding: Finding, id: str) -> bool:
    return bool(finding.causes) and finding.causes[0].id == id


def weigh(record: CauseRecord, reading: Reading) -> Weighed | None:
    """The standing of one cause; None where nothing speaks for it, or it is ruled out."""
    if record.ruled_out is not None and record.ruled_out(reading) is True:
        return None
    proofs = [proof for proof in record.proofs if proof.when(reading) is True]
    clues = _strongest_by_group(clue for clue in record.clues if clue.when(reading) is True)
    speaking = [clue for clue in clues if clue.weight > 0]
    if not proofs and not speaking:
        return None
    return Weighed(
        record,
        sum(clue.weight for clue in clues),
        bool(proofs),
        tuple(reading.fill(text) for text in (*(p.text for p in proofs), *(c.text for c in speaking))),
        tuple(reading.fill(clue.text) for clue in clues if clue.weight < 0),
    )


def _strongest_by_group(clues: Iterable[Clue]) -> list[Clue]:
    strongest: dict[str, Clue] = {}
    for clue in clues:
        held = strongest.get(clue.group)
        if held is None or abs(clue.weight) > abs(held.weight):
            strongest[clue.group] = clue
    return list(strongest.values())


def _standing_causes(findings: Sequence[Finding], reading: Reading) -> list[Weighed]:
    """The causes that are left once proofs have silenced what they explain."""
    kinds = {finding.kind for finding in findings}
    weighed = [
        candidate
        for record in CATALOGUE.values()
        if kinds.intersection(record.symptoms) and (candidate := weigh(record, reading)) is not None
    ]
    return _without_withheld(_without_consequences(weighed), reading)


def _without_consequences(weighed: Sequence[Weighed]) -> list[Weighed]:
    return [w for w in weighed if not any(_explains_away(other, w) for other in weighed)]


def _explains_away(strong: Weighed, weak: Weighed) -> bool:
    if weak.record.id not in strong.record.explains_away:
        return False
    return strong.certain or (not weak.certain and _is_telling(strong))


def _is_telling(weighed: Weighed) -> bool:
    return weighed.certain or weighed.bins >= POLICY.bins_that_explain_away


def _without_withheld(weighed: Sequence[Weighed], reading: Reading) -> list[Weighed]:
    if _proved_data_fault(weighed, reading) is None:
        return list(weighed)
    return [w for w in weighed if w.certain or w.record.group not in _WITHHELD_GROUPS]


def _proved_data_fault(weighed: Sequence[Weighed], reading: Reading) -> Weighed | None:
    faults = (w for w in weighed if w.certain and w.record.group in _DATA_GROUPS)
    return next((w for w in faults if _is_dominant(w.record, reading)), None)


def _is_dominant(record: CauseRecord, reading: Reading) -> bool:
    return record.dominant is None or record.dominant(reading) is True


def _explains(record: CauseRecord, finding: Finding, reading: Reading) -> bool:
    if finding.kind not in record.symptoms:
        return False
    if finding.kind in _GATHERING_KINDS:
        return _shares_a_series(record, finding)
    return finding.kind not in FAR_REACHING or _is_dominant(record, reading)


def _overrules(weighed: Weighed, finding: Finding, reading: Reading) -> bool:
    """A proved fault that rules the data stands behind everything that training on it brings about."""
    if not weighed.certain or weighed.record.group not in _DATA_GROUPS or finding.kind not in DOWNSTREAM:
        return False
    return _is_dominant(weighed.record, reading)


def _shares_a_series(record: CauseRecord, finding: Finding) -> bool:
    if not record.tags or not finding.tags:
        return True
    return any(tag.startswith(record.tags) for tag in finding.tags)


def _causes_of(finding: Finding, standing: Sequence[Weighed], reading: Reading) -> tuple[Cause, ...]:
    candidates = [w for w in standing if _explains(w.record, finding, reading) or _overrules(w, finding, reading)]
    if any(w.certain for w in candidates):
        return _proved(candidates, reading)
    weights = _softmax(candidates)
    if _is_undecided(weights[:-1]):
        return _abstain(candidates, weights, _proved_data_fault(standing, reading), reading)
    return _ranked(candidates, weights[:-1], reading)


def _proved(candidates: Sequence[Weighed], reading: Reading) -> tuple[Cause, ...]:
    """The proved causes, then what may lie behind them; whatever they explain is silent."""
    proved = sorted((w for w in candidates if w.certain), key=lambda w: -w.log_score)
    ids = {w.record.id for w in proved}
    behind = [w for w in candidates if not w.certain and ids.intersection(w.record.explains_away)]
    certain = [_as_cause(w, POLICY.certain_score, reading) for w in proved]
    return (*certain, *_ranked(behind, _softmax(behind)[:-1], reading))[: POLICY.most_causes]


def _softmax(candidates: Sequence[Weighed]) -> list[float]:
    """Weights of *candidates* and, last, of "unknown" with its flat likelihood; they sum to 1."""
    logs = [*(w.log_score for w in candidates), math.log(CATALOGUE["unknown"].prior)]
    top = max(logs)
    powers = [math.exp(log - top) for log in logs]
    total = sum(powers)
    return [power / total for power in powers]


def _is_undecided(weights: Sequence[float]) -> bool:
    best, second = (*sorted(weights, reverse=True), 0.0, 0.0)[:2]
    return best < POLICY.abstain_below or best - second < POLICY.abstain_margin


def _ranked(candidates: Sequence[Weighed], weights: Sequence[float], reading: Reading) -> tuple[Cause, ...]:
    order = sorted(zip(weights, candidates, strict=True), key=lambda pair: -pair[0])
    kept = [pair for pair in order if pair[0] >= POLICY.least_score][: POLICY.most_causes]
    return tuple(_as_cause(weighed, min(weight, POLICY.most_without_proof), reading) for weight, weighed in kept)


def _abstain(
    candidates: Sequence[Weighed], weights: Sequence[float], fault: Weighed | None, reading: Reading
) -> tuple[Cause, ...]:
    """ "unknown" first, with the test that would tell the best candidates apart."""
    halved = [weight * (1.0 - POLICY.withheld_share) for weight in weights[:-1]]
    ranked = _ranked(candidates, halved, reading)
    unknown = Cause(
        "unknown",
        min(1.0 - sum(halved), POLICY.most_without_proof),
        certain=False,
        supports=_why_undecided(ranked, fault),
        check=ranked[0].check if ranked else reading.fill(CATALOGUE["unknown"].check),
        remedy=_what_then(ranked, fault, reading),
        why=reading.fill(CATALOGUE["unknown"].meaning),
        overturned_by=reading.fill(CATALOGUE["unknown"].overturned_by),
    )
    return (unknown, *ranked)


def _why_undecided(ranked: Sequence[Cause], fault: Weighed | None) -> tuple[str, ...]:
    reasons = []
    if fault is not None:
        reasons.append(f"advice on learning rate, optimizer and batch is withheld while {fault.record.id} stands")
    if len(ranked) > 1:
        reasons.append(f"{ranked[0].id} and {ranked[1].id} fit about equally well")
    elif ranked:
        reasons.append(f"only weak evidence speaks for {ranked[0].id}")
    elif fault is None:
        reasons.append("no known cause of this symptom shows in the stream")
    return tuple(reasons)


def _what_then(ranked: Sequence[Cause], fault: Weighed | None, reading: Reading) -> str:
    if fault is not None:
        return f"Mend {fault.record.id} first and look again."
    if len(ranked) > 1:
        return (
            f"If the check confirms it, treat it as {ranked[0].id}; otherwise check {ranked[1].id}: {ranked[1].check}"
        )
    return reading.fill(CATALOGUE["unknown"].remedy)


def _as_cause(weighed: Weighed, score: float, reading: Reading) -> Cause:
    return Cause(
        weighed.record.id,
        score,
        weighed.certain,
        weighed.supports,
        weighed.contradicts,
        reading.fill(weighed.record.check),
        reading.fill(weighed.record.remedy),
        reading.fill(weighed.record.meaning),
        reading.fill(weighed.record.overturned_by),
    )


def _over_the_run(findings: Sequence[Finding]) -> tuple[RankedCause, ...]:
    """Causes over all findings, by noisy-or: each finding that a cause explains adds to its weight."""
    doubt: dict[str, float] = defaultdict(lambda: 1.0)
    explained: dict[str, list[int]] = defaultdict(list)
    proofs: Counter[str] = Counter()
    for index, finding in enumerate(findings):
        for cause in finding.causes:
            doubt[cause.id] *= 1.0 - cause.score * _weight_of(finding)
            explained[cause.id].append(index)
            proofs[cause.id] += cause.certain
    ranked = [
        RankedCause(id, _combined(doubt[id], proofs[id] > 0), proofs[id] > 0, tuple(explained[id])) for id in doubt
    ]
    last = _only_of_the_machine(findings)
    led = {finding.causes[0].id for finding in findings if finding.causes} - last - {"unknown"}
    if any(cause.id in led and cause.score >= POLICY.abstain_below for cause in ranked):
        last = last | {"unknown"}  # it answers for findings of its own; of the run, something is known
    return tuple(
        sorted(ranked, key=lambda cause: (cause.id in last, not cause.certain, -cause.score, -len(cause.findings)))
    )


def _only_of_the_machine(findings: Sequence[Finding]) -> frozenset[str]:
    """Ids of causes that explain only how fast the run goes, where it has worse to explain."""
    worse = [f for f in findings if f.kind not in OF_THE_MACHINE and f.severity != "info"]
    if not worse:
        return frozenset()
    elsewhere = {cause.id for finding in findings if finding.kind not in OF_THE_MACHINE for cause in finding.causes}
    return frozenset(cause.id for finding in findings for cause in finding.causes) - elsewhere


def _combined(doubt: float, certain: bool) -> float:
    return POLICY.certain_score if certain else min(1.0 - doubt, POLICY.most_without_proof)


def _weight_of(finding: Finding) -> float:
    weight = _SEVERITY_WEIGHT[finding.severity]
    return weight if finding.state == "active" else weight * _RESOLVED_WEIGHT
