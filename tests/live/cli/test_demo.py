"""Every demo trains with the probe in it; those whose fault is exact are named within some dozens of steps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from dettui.cli.demo import faults

if TYPE_CHECKING:
    from tests.live.cli.conftest import Place


@pytest.fixture(autouse=True)
def needs_the_demos_extra() -> None:
    for module in ("torch", "torchvision", "albumentations"):
        pytest.importorskip(module)


def test_a_demo_without_a_terminal_prints_its_progress_and_the_diagnosis(place: Place) -> None:
    done = place.dettui("demo", "labels_shifted", "--steps", "40")
    assert done.returncode == 0, done.stderr
    assert "step    40  loss" in done.stderr
    assert "background_label_used" in done.stdout
    assert "step" in done.stdout and "mAP50" not in done.stdout


def test_an_optimizer_that_holds_the_old_head_is_named_from_the_first_steps(place: Place) -> None:
    assert place.dettui("demo", "optimizer_before_head", "--steps", "20").returncode == 0
    (name,) = place.dettui("ls", "--names").stdout.split()
    done = place.dettui("doctor", name, "--json")
    first = json.loads(done.stdout)["causes"][0]
    assert (first["id"], first["certain"], done.returncode) == ("params_not_in_optimizer", True, 1)


@pytest.mark.long
@pytest.mark.parametrize("fault", faults())
def test_every_demo_trains(place: Place, fault: str) -> None:
    done = place.dettui("demo", fault, "--steps", "5", "--seed", "1")
    assert done.returncode == 0, done.stderr
    exported = place.dettui("export", *place.dettui("ls", "--names").stdout.split()).stdout
    assert {"loss/total", "lr/pg0", "eval/mAP50", "targets/boxes"} <= {
        row.split(",")[2] for row in exported.splitlines()
    }
