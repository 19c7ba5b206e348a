"""Whether a fault did harm, and how sure a proportion is."""

from __future__ import annotations

import pytest
from bench.faults.split import SIDES, TEST, TUNE

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")

from bench.faults import injections  # noqa: E402 - behind the skips
from bench.faults.effect import clopper_pearson, cohens_d, is_worse, mann_whitney_p, unhealthy_reason  # noqa: E402
from bench.faults.healthy import VARIANTS, variants_of  # noqa: E402
from bench.faults.injection import REGISTER, SEVERITIES  # noqa: E402
from bench.faults.plan import plan_of  # noqa: E402
from bench.faults.programs import program_named  # noqa: E402

from dettui.diagnose.catalogue import CATALOGUE  # noqa: E402


def test_no_warning_in_three_hundred_runs_means_at_most_one_in_a_hundred() -> None:
    assert clopper_pearson(0, 300) == pytest.approx((0.0, 0.0122), abs=1e-4)
    assert clopper_pearson(3, 60) == pytest.approx((0.0104, 0.1392), abs=1e-4)
    assert clopper_pearson(5, 5)[1] == 1.0


def test_three_against_three_apart_are_just_significant() -> None:
    assert mann_whitney_p([0.1, 0.2, 0.3], [0.7, 0.8, 0.9]) == pytest.approx(0.05)
    assert mann_whitney_p([0.1, 0.2], [0.7, 0.8, 0.9, 0.6, 0.5]) == pytest.approx(1 / 21)
    assert mann_whitney_p([0.5], [0.5, 0.5]) == 1.0


def test_a_fault_that_nobody_would_notice_is_benign() -> None:
    usual = [0.90, 0.901, 0.902, 0.903, 0.904, 0.905]
    assert not is_worse([0.89, 0.891, 0.892], usual)
    assert is_worse([0.7, 0.71, 0.69], usual)
    assert cohens_d([0.7, 0.71, 0.69], usual) > 10


def test_one_run_alone_is_harmed_only_where_it_is_below_every_healthy_one_by_far() -> None:
    assert is_worse([0.5], [0.8, 0.7, 0.9, 0.75])
    assert not is_worse([0.68], [0.8, 0.7, 0.9, 0.75])


def test_a_variant_that_did_not_learn_is_no_control() -> None:
    row = {"what": "one_cycle", "program": "mlp", "outcome": {"hidden": 0.4, "error": ""}}
    assert "did not learn" in unhealthy_reason(row, {"mlp": 0.95})
    assert unhealthy_reason({**row, "outcome": {"hidden": 0.9, "error": ""}}, {"mlp": 0.95}) == ""


def test_the_sides_share_no_program() -> None:
    assert not set(TUNE) & set(TEST)
    for names in SIDES.values():
        kinds = {program_named(name).kind for name in names}
        assert "detection" in kinds
        assert any(program_named(name).has_batchnorm for name in names)


def test_every_injection_names_causes_that_exist_and_programs_of_both_sides_where_it_can() -> None:
    assert injections.__all__
    assert len(REGISTER) >= 45
    for name, injected in REGISTER.items():
        assert {injected.cause, *injected.accepted} <= set(CATALOGUE), name
        assert set(injected.programs) <= {*TUNE, *TEST}, name
        assert len(injected.levels) == len(SEVERITIES), name
        assert injected.apply.__doc__, name


def test_every_variant_says_what_it_is_and_fits_a_program() -> None:
    for name, change in VARIANTS.items():
        assert change.__doc__
        assert any(name in variants_of(program) for program in TUNE)


def test_injecting_changes_the_plan_and_not_the_program() -> None:
    program = program_named("mlp")
    plan = REGISTER["lr_high"].inject(plan_of(program, 0), "medium")
    assert plan.recipe.lr == pytest.approx(30 * program.recipe.lr)
    assert plan_of(program, 0).recipe.lr == program.recipe.lr
