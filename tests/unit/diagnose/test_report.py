"""What doctor prints, and the JSON that others build on."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import pytest
from unit.diagnose.situations import diagnosis_of, finding

from dettui.diagnose.report import exit_code, to_json, to_text
from dettui.domain.finding import Abstention, Diagnosis, Evidence, Finding
from dettui.domain.frame import RunFrame, Vitals
from dettui.domain.run import Liveness, RunInfo, RunState

INFO = RunInfo("r1", "shapes", host="gpu01", started=1_700_000_000.0, total_steps=1000)
SIGNALS = {"log10_update_ratio": -1.3, "grad_agreement": -0.4, "residual_r1": -0.6, "lr_now": 0.5, "lr_peak": 0.5}
BROKEN = Finding(
    "non_finite", "critical", "active", 7, 7, 7, "loss became NaN at step 7",
    (Evidence("loss/total", (7, 7), math.nan, math.inf, "!=", "loss/total is NaN"),),
)  # fmt: skip


def frame_of(diagnosis: Diagnosis, state: RunState = RunState.RUNNING, **vitals: object) -> RunFrame:
    return RunFrame(INFO, Liveness(state), Vitals(step=300, rate=9.87, **vitals), diagnosis)  # type: ignore[arg-type]


def sick(**vitals: object) -> RunFrame:
    return frame_of(diagnosis_of(finding("oscillation"), BROKEN, **SIGNALS), **vitals)


def healthy() -> RunFrame:
    return frame_of(diagnosis_of())


# --- JSON -----------------------------------------------------------------------------------------------------


def test_json_has_exactly_the_keys_of_the_contract() -> None:
    told = to_json(sick(thinned={"pairing": 8}))
    assert set(told) == {"schema", "run", "verdict", "findings", "causes", "abstained"}
    assert set(told["run"]) == {
        "id", "name", "host", "state", "steps", "started", "probe_overhead", "dropped", "thinned",
    }  # fmt: skip
    first = told["findings"][0]
    assert set(first) == {
        "kind", "severity", "state", "first_step", "last_step", "raised_at_step", "title", "evidence", "causes",
    }  # fmt: skip
    assert set(first["evidence"][0]) == {"tag", "window", "measured", "limit", "relation", "text"}
    assert set(first["causes"][0]) == {
        "id", "score", "certain", "tier", "why", "supports", "contradicts", "check", "remedy", "overturned_by",
    }  # fmt: skip
    assert set(told["causes"][0]) == {"id", "score", "certain", "tier", "findings"}
    assert told["schema"] == 1


def test_json_is_strict_and_keeps_the_words_of_what_is_not_a_number() -> None:
    text = json.dumps(to_json(sick(overhead=math.nan)), allow_nan=False)
    evidence = json.loads(text)["findings"][0]["evidence"][0]
    assert (evidence["measured"], evidence["limit"]) == (None, None)
    assert evidence["text"] == "loss/total is NaN"


def test_json_survives_a_round_trip() -> None:
    told = to_json(sick())
    assert json.loads(json.dumps(told)) == told


def test_json_points_from_causes_to_findings() -> None:
    told = to_json(sick())
    for cause in told["causes"]:
        for index in cause["findings"]:
            assert cause["id"] in {c["id"] for c in told["findings"][index]["causes"]}


def test_json_names_abstentions_with_what_they_lack() -> None:
    diagnosis = Diagnosis(300, abstained=(Abstention("overfit", ("eval/*",)),))
    assert to_json(frame_of(diagnosis))["abstained"] == [{"rule": "overfit", "missing": ["eval/*"]}]


@pytest.mark.parametrize(
    ("diagnosis", "verdict", "code"),
    [
        (diagnosis_of(), "healthy", 0),
        (diagnosis_of(finding("imbalance", "info")), "healthy", 0),
        (diagnosis_of(finding("oscillation")), "findings", 1),
        (diagnosis_of(steps=10), "insufficient_data", 2),
    ],
)
def test_verdict_and_exit_code_agree(diagnosis: Diagnosis, verdict: str, code: int) -> None:
    assert to_json(frame_of(diagnosis))["verdict"] == verdict
    assert exit_code(diagnosis) == code


# --- text -----------------------------------------------------------------------------------------------------


def test_text_says_run_state_step_and_verdict_first() -> None:
    lines = to_text(sick()).splitlines()
    assert lines[0] == "shapes on gpu01"
    assert lines[1] == "running · step 300 of 1000 · 9.87 steps/s · started 2023-11-14 22:13 UTC"
    assert lines[3].startswith("2 findings.")


def test_text_tells_evidence_for_and_what_to_do() -> None:
    text = to_text(sick())
    assert "lr_too_high  strong\n" in text
    assert "     + successive gradients point against each other (cosine -0.40)" in text
    assert "     check:  " in text
    assert "     change: Set lr = 0.05" in text


def test_text_tells_what_speaks_against_a_cause() -> None:
    signals = {
        **SIGNALS,
        "grad_agreement": 0.5,
        "residual_r1": -0.6,
        "grad_norm_ratio": 5.0,
        "sd_fell_after_lr_drop": 1,
    }
    text = to_text(frame_of(diagnosis_of(finding("oscillation"), **signals)))
    assert "     - successive gradients agree (cosine 0.50)" in text


def test_healthy_text_is_short() -> None:
    assert to_text(healthy()).splitlines()[3:] == ["Healthy: nothing to mend as of step 300."]


def test_cause_is_told_in_full_once() -> None:
    text = to_text(frame_of(diagnosis_of(finding("oscillation"), finding("update_too_large"), **SIGNALS)))
    assert text.count("change: ") == 1
    assert "(see above)" in text


def test_curve_stands_between_verdict_and_findings() -> None:
    lines = to_text(sick(), curve="~~~~\n").splitlines()
    assert lines[4:7] == ["", "~~~~", ""]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_text_stays_within_its_width(width: int) -> None:
    assert max(map(len, to_text(sick(), width=width).splitlines())) <= width


def test_text_is_plain_unless_colour_is_asked_for() -> None:
    assert "\x1b" not in to_text(sick())
    coloured = to_text(sick(), colour=True)
    assert "\x1b[31;1m" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == to_text(sick())


def test_severity_is_told_without_colour() -> None:
    assert re.search(r"^!! loss became NaN", to_text(sick()), re.MULTILINE)


def test_losses_of_data_are_told() -> None:
    text = " ".join(to_text(sick(dropped=12, thinned={"pairing": 8})).split())
    assert "dropped 12 rows" in text
    assert "pairing every 8 steps" in text


def test_a_short_run_that_is_over_is_not_told_to_wait() -> None:
    short = diagnosis_of(steps=12)
    over = RunFrame(INFO, Liveness(RunState.FINISHED), Vitals(step=12), short)
    assert "the run ended before anything could be said (12 of 200 measured steps)" in to_text(over, 100)
    assert "too early to say (12 of 200 measured steps)" in to_text(
        replace(over, liveness=Liveness(RunState.RUNNING)), 100
    )
    assert to_json(over)["verdict"] == "insufficient_data"


def test_reason_of_an_end_is_told() -> None:
    frame = RunFrame(INFO, Liveness(RunState.CRASHED, "ValueError: no boxes", 1), Vitals(step=3), Diagnosis(3))
    assert to_text(frame).splitlines()[:3] == [
        "shapes on gpu01",
        "crashed · step 3 of 1000 · started 2023-11-14 22:13 UTC",
        "ValueError: no boxes",
    ]
