"""A rule at the end of a run that holds nothing but a few series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scenarios.build import Setting, Values, run_messages
from scenarios.play import store_of

from dettui.detect.base import Rule, Symptom
from dettui.detect.context import Context
from dettui.domain.finding import Abstention

CLASSIFIER = {"family": "classification", "num_classes": 10, "background": None, "class_names": ()}


def context_of(steps: int, series: Mapping[str, Values], **setting: Any) -> Context:
    """A run of *steps* steps with nothing but *series*, read at its end."""
    opened = Setting(**setting)
    messages = run_messages(steps, setting=opened, **series)
    return Context(store_of(messages), opened.first_step + steps - 1)


def judge(rule: Rule, steps: int, series: Mapping[str, Values], **setting: Any) -> Sequence[Symptom]:
    """What *rule* sees there."""
    found = rule.evaluate(context_of(steps, series, **setting))
    assert not isinstance(found, Abstention)
    return found
