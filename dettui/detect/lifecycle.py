"""From symptoms seen at single evaluations to findings with a life: pending, active, resolved."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from dettui.detect.base import Symptom
from dettui.domain.finding import SEVERITY_ORDER, Finding, FindingState, Severity

_Identity = tuple[str, str]


@dataclass(frozen=True)
class LifecyclePolicy:
    """Hysteresis (diagnosis.md 3.6)."""

    raise_after: int = 2  # consecutive evaluations that see a statistical symptom
    clear_after: int = 5  # consecutive evaluations that do not see it
    cooldown_steps: int = 200  # after a statistical finding was resolved, before it may be raised again
    kept_resolved: int = 200  # the oldest resolved findings go first


@dataclass
class _Track:
    """One symptom on its way."""

    symptom: Symptom
    first_step: int
    raised_at_step: int
    severity: Severity
    seen: int = 1
    missed: int = 0
    is_active: bool = False

    def finding(self, state: FindingState) -> Finding:
        latest = self.symptom
        return Finding(
            kind=latest.kind,
            severity=self.severity,
            state=state,
            first_step=self.first_step,
            last_step=latest.last_step,
            raised_at_step=self.raised_at_step,
            title=latest.title,
            evidence=latest.evidence,
            exact=latest.exact,
        )


@dataclass
class Lifecycle:
    """The findings of one run.  Deterministic: the same symptoms at the same steps give the same findings."""

    policy: LifecyclePolicy = field(default_factory=LifecyclePolicy)
    _tracks: dict[_Identity, _Track] = field(default_factory=dict)
    _resolved: list[Finding] = field(default_factory=list)
    _quiet_until: dict[_Identity, int] = field(default_factory=dict)

    def update(self, symptoms: Iterable[Symptom], step: int) -> tuple[Finding, ...]:
        """Take in one evaluation; active findings, worst first, then resolved ones, newest first; without causes."""
        seen = _one_per_identity(symptoms)
        for identity, symptom in seen.items():
            self._see(identity, symptom, step)
        for identity in [i for i in self._tracks if i not in seen]:
            self._miss(identity, step)
        return self.findings

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Active ones, worst first, then resolved ones, newest first."""
        active = [t.finding("active") for t in self._tracks.values() if t.is_active]
        active.sort(key=lambda f: (-SEVERITY_ORDER[f.severity], f.raised_at_step))
        return (*active, *reversed(self._resolved))

    @property
    def pending(self) -> tuple[Finding, ...]:
        """Seen, but not often enough yet to be shown."""
        return tuple(t.finding("pending") for t in self._tracks.values() if not t.is_active)

    def _see(self, identity: _Identity, symptom: Symptom, step: int) -> None:
        track = self._tracks.get(identity)
        if track is not None:
            self._see_again(track, symptom, step)
        elif symptom.exact or step >= self._quiet_until.get(identity, step):
            self._tracks[identity] = _Track(
                symptom,
                symptom.first_step,
                step,
                symptom.severity,
                is_active=symptom.exact or self.policy.raise_after <= 1,
            )

    def _see_again(self, track: _Track, symptom: Symptom, step: int) -> None:
        confirmed = symptom.severity if symptom.exact else _milder(symptom.severity, track.symptom.severity)
        track.first_step = min(track.first_step, symptom.first_step)
        track.symptom, track.missed, track.seen = symptom, 0, track.seen + 1
        if track.is_active:
            track.severity = _worse(track.severity, confirmed)
        elif symptom.exact or track.seen >= self.policy.raise_after:
            track.is_active, track.severity, track.raised_at_step = True, confirmed, step

    def _miss(self, identity: _Identity, step: int) -> None:
        track = self._tracks[identity]
        track.missed += 1
        if not track.is_active:
            del self._tracks[identity]
        elif track.missed >= self.policy.clear_after:
            del self._tracks[identity]
            self._quiet_until[identity] = step + self.policy.cooldown_steps
            self._resolved = [*self._resolved, track.finding("resolved")][-self.policy.kept_resolved :]


def _one_per_identity(symptoms: Iterable[Symptom]) -> dict[_Identity, Symptom]:
    """The most severe symptom of each kind and key; the first one among equals."""
    chosen: dict[_Identity, Symptom] = {}
    for symptom in symptoms:
        identity = symptom.kind, symptom.key
        held = chosen.get(identity)
        if held is None or SEVERITY_ORDER[symptom.severity] > SEVERITY_ORDER[held.severity]:
            chosen[identity] = symptom
    return chosen


def _milder(a: Severity, b: Severity) -> Severity:
    return min(a, b, key=SEVERITY_ORDER.__getitem__)


def _worse(a: Severity, b: Severity) -> Severity:
    return max(a, b, key=SEVERITY_ORDER.__getitem__)
