"""What makes runs seeds of one setting."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dettui.domain.groups import group_names, group_of, seedless
from dettui.domain.run import RunInfo


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("frcnn-s3", "frcnn"),
        ("frcnn_seed12", "frcnn"),
        ("frcnn seed=4 long", "frcnn long"),
        ("s1", "s1"),
        ("class3", "class3"),
        ("yolos8", "yolos8"),
        ("resnet-50", "resnet-50"),
    ],
)
def test_a_seed_is_taken_out_of_a_name(name: str, without: str) -> None:
    assert seedless(RunInfo("id", name)) == without


def test_an_unnamed_run_is_known_by_its_script() -> None:
    assert seedless(RunInfo("train-3f2a", "train-3f2a")) == "train"
    assert seedless(RunInfo("x", "train-3f2a")) == "train-3f2a"


def test_runs_that_differ_in_more_than_the_seed_are_no_group() -> None:
    one, two, other = (
        group_of(RunInfo(str(i), f"net s{i}", config={"seed": i, "lr": lr})) for i, lr in enumerate((0.1, 0.1, 0.2))
    )
    assert one == two != other
    assert group_names([one, two, other]) == {one: "net (lr 0.1)", other: "net (lr 0.2)"}


def test_a_group_that_the_user_names_comes_before_any_other() -> None:
    runs = [
        RunInfo("1", "x", config={"lr": 1}, group="sweep-3"),
        RunInfo("2", "y", config={"group": "A"}, group="sweep-3"),
    ]
    assert [group_of(run).name for run in runs] == ["sweep-3"] * 2
    assert group_of(runs[0]) == group_of(runs[1]) != group_of(replace(runs[1], group=""))


def test_a_group_that_the_script_names_decides_alone() -> None:
    runs = [RunInfo(str(i), name, config={"group": "A", "lr": i}) for i, name in enumerate(("x", "y"))]
    assert len({group_of(run) for run in runs}) == 1
