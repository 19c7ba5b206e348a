"""Whatever is measured, the diagnosis stays well-formed."""

from __future__ import annotations

import json
import re
from dataclasses import fields

from hypothesis import given, settings
from hypothesis import strategies as st
from unit.diagnose.situations import FASTER_RCNN, finding

from dettui.detect.signals import Signals
from dettui.diagnose.report import to_json, to_text
from dettui.diagnose.weigh import diagnose
from dettui.domain.finding import SYMPTOMS, Diagnosis
from dettui.domain.frame import RunFrame, Vitals
from dettui.domain.run import Liveness, RunInfo, RunState

MEASURED = st.one_of(st.none(), st.floats(), st.sampled_from([0.0, 0.5, 1.0, -5.0, 300.0]))
NAMES = [f.name for f in fields(Signals) if f.name != "steps"]
SIGNALS = st.dictionaries(st.sampled_from(NAMES), MEASURED, max_size=12).map(lambda known: Signals(steps=300, **known))
KINDS = st.lists(st.sampled_from(SYMPTOMS), max_size=5)


def diagnosed(kinds: list[str], signals: Signals) -> Diagnosis:
    return diagnose([finding(kind) for kind in kinds], signals, FASTER_RCNN, (), 300)


@settings(max_examples=80, deadline=None)
@given(KINDS, SIGNALS)
def test_any_measurement_gives_a_well_formed_diagnosis(kinds: list[str], signals: Signals) -> None:
    diagnosis = diagnosed(kinds, signals)
    for found in diagnosis.findings:
        assert found.causes
        assert all(0 <= cause.score <= 1 for cause in found.causes)
        assert len({cause.id for cause in found.causes}) == len(found.causes)
    frame = RunFrame(RunInfo("r", "r"), Liveness(RunState.RUNNING), Vitals(), diagnosis)
    json.dumps(to_json(frame), allow_nan=False)
    assert not re.search(r"\{[a-z_]+(:[.\d]*[%a-z])?\}", to_text(frame))


@settings(max_examples=30, deadline=None)
@given(KINDS, SIGNALS)
def test_order_of_the_findings_does_not_change_the_causes(kinds: list[str], signals: Signals) -> None:
    there, back = diagnosed(kinds, signals), diagnosed(kinds[::-1], signals)
    assert {c.id: round(c.score, 9) for c in there.causes} == {c.id: round(c.score, 9) for c in back.causes}


@settings(max_examples=30, deadline=None)
@given(KINDS, SIGNALS)
def test_without_a_proof_nothing_looks_certain(kinds: list[str], signals: Signals) -> None:
    for cause in diagnosed(kinds, signals).causes:
        assert cause.certain or cause.score < 0.99
