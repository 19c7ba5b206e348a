"""The kinds of events that the probe sends by itself.  Users' own kinds are free."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

EVENTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "lr": "the learning rate of a param group changed by more than a schedule's small step",
        "epoch": "an epoch began",
        "evaluation": "an evaluation ended",
        "checkpoint": "a checkpoint was written",
        "warning": "a warning was raised in the script or one of its workers",
        "nonfinite": "a NaN or an infinity appeared where there was none",
        "bad_target": "targets that cannot be right, with an example",
        "renamed_classes": "an evaluation answers classes by other names; the text says which",
        "coverage": "parameters and optimizers do not cover each other",
        "watch": "another model is watched from here on",
        "no_backward": "the script trains in name only: no forward pass in training mode, or no backward, was seen",
        "thinned": "an instrument measures more or less often from here on",
        "dropped": "rows or a step's tensors were lost; the text says why, data.rows how many rows",
        "refused": "values that were not numbers were not recorded; data.tags names them",
        "locked_out": "a listener that DETTUI_CONNECT names does not let this run in; the text says why",
        "exception": "a thread of the script died; the text is its traceback",
        "preflight": "a check before training: data.check, verdict, severity, cause, evidence, remedy, seconds",
        "probe_fault": "a part of the probe failed and is switched off; data.part names it",
    }
)
"""Kind -> what it says: the source of the table in WIRE.md."""
