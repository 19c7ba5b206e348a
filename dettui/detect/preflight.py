"""Failed checks of the pre-flight as symptoms: what was proved before the first step needs no second look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from dettui.detect.base import Symptom
from dettui.detect.context import Context
from dettui.domain.check import Check
from dettui.domain.finding import Abstention, Evidence

SYMPTOM_OF_CAUSE: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                "degenerate_boxes",
                "boxes_wrong_format",
                "boxes_wrong_scale",
                "boxes_outside_image",
                "labels_out_of_range",
                "background_label_used",
                "labels_boxes_mismatch",
                "empty_targets",
            ),
            "bad_targets",
        ),
        "inputs_constant": "bad_inputs",
        "boxes_not_transformed": "bad_augmentation",
        "evaluator_broken": "bad_evaluation",
        "params_not_in_optimizer": "no_update",
        "frozen_params": "no_update",
        "batchnorm_poisoned": "bad_evaluation",
    }
)
"""What a cause that a pre-flight can prove shows as.  A check that names another cause, or none, becomes no symptom:
the screen of the checks tells of it."""


def proof_tag(cause: str) -> str:
    """Stands in the evidence where a series would: the failed check is the proof of *cause*."""
    return f"preflight/{cause}"


@dataclass(frozen=True)
class Preflight:
    """Certain checks that failed.  The others stay on the screen of the checks: a false warning costs more."""

    name: str = "preflight"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """One symptom for each failed check that is certain of its cause."""
        return [_symptom(check) for check in context.checks if _is_proof(check)]


def _is_proof(check: Check) -> bool:
    return check.verdict == "failed" and check.weight == "certain" and check.cause in SYMPTOM_OF_CAUSE


def _symptom(check: Check) -> Symptom:
    window = (check.step, check.step)
    proof = Evidence(proof_tag(check.cause), window, None, None, "", check.evidence)
    return Symptom(
        kind=SYMPTOM_OF_CAUSE[check.cause],
        severity="critical",
        first_step=check.step,
        last_step=check.step,
        title=f"Failed before training: {check.name.replace('_', ' ')}",
        evidence=(proof,),
        exact=True,
        key=proof_tag(check.name),
    )
