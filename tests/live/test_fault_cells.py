"""A few cells of the tables in tests/bench, through the real probe and the real engine."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")
pytest.importorskip("albumentations")

from bench.fault_table import run_cell  # noqa: E402 - behind the skips
from bench.healthy_table import Configuration, warnings_of  # noqa: E402


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the runs of one test are logged; a short path, for the sockets."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="fc-") as home:
        monkeypatch.setenv("DETTUI_HOME", home)
        monkeypatch.setenv("DETTUI_RUNS", str(Path(home) / "r"))
        yield Path(home) / "r"
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("fault", "detector", "cause"),
    [
        ("boxes normalised", "fasterrcnn", "boxes_wrong_scale"),
        ("boxes outside", "retinanet", "boxes_outside_image"),
        ("boxes of twice the size", "ssd", "boxes_outside_image"),
        ("labels all 0", "fasterrcnn", "background_label_used"),
        ("labels -1", "fcos", "labels_out_of_range"),
        ("more labels than boxes", "retinanet", "labels_boxes_mismatch"),
        ("image normalised before", "fcos", "inputs_normalised_twice"),
        ("image 0-255", "ssd", "inputs_not_normalised"),
    ],
)
def test_a_silent_fault_is_proved_at_the_first_step(runs: Path, fault: str, detector: str, cause: str) -> None:
    cell = run_cell(fault, detector, runs, steps=2)
    assert (cell.refused, cell.step, cell.cause, cell.certain) == ("", 1, cause, True)


def test_what_torchvision_refuses_is_explained(runs: Path) -> None:
    cell = run_cell("boxes xywh", "fasterrcnn", runs)
    assert (cell.refused, cell.cause, cell.certain) == ("AssertionError", "boxes_wrong_format", True)


@pytest.mark.parametrize(
    "configuration",
    [
        Configuration("fasterrcnn", "crowded", "albumentations"),
        Configuration("retinanet", "centred", "affine"),
        Configuration("ssd", "sparse", "flips"),
        Configuration("fcos", "small", "letterbox"),
    ],
    ids=lambda configuration: configuration.name,
)
def test_a_healthy_run_is_silent(runs: Path, configuration: Configuration) -> None:
    assert warnings_of(configuration, runs, steps=4) == []
