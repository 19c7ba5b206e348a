"""The probe is put where the script stands, and nowhere else."""

from __future__ import annotations

import sys

import pytest

from dettui.cli.inject import script_of, with_probe


@pytest.mark.parametrize(
    ("typed", "watched"),
    [
        ("python train.py --lr 0.1", "python -m dettui_probe train.py --lr 0.1"),
        ("/opt/env/bin/python3.12 train.py", "/opt/env/bin/python3.12 -m dettui_probe train.py"),
        ("python -u train.py", "python -u -m dettui_probe train.py"),
        ("python -W error -X dev train.py", "python -W error -X dev -m dettui_probe train.py"),
        ("python -m project.train --x", "python -m dettui_probe -m project.train --x"),
        ("python -m dettui_probe train.py", "python -m dettui_probe train.py"),
        ("torchrun --nproc_per_node 4 train.py --x", "torchrun --nproc_per_node 4 -m dettui_probe train.py --x"),
        ("torchrun --standalone --nnodes=1 train.py", "torchrun --standalone --nnodes=1 -m dettui_probe train.py"),
        ("torchrun -m project.train", "torchrun -m dettui_probe -m project.train"),
        ("./train.py --x", f"{sys.executable} -m dettui_probe ./train.py --x"),
    ],
)
def test_the_probe_goes_before_the_script(typed: str, watched: str) -> None:
    assert with_probe(typed.split()) == tuple(watched.split())


@pytest.mark.parametrize("typed", ["bash train.sh", "python", "python -c pass", "python -", "make train"])
def test_what_is_no_python_script_is_left_alone(typed: str) -> None:
    assert with_probe(typed.split()) is None


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("python src/train.py --config x.py", "src/train.py"),
        ("python -m project.train", "train"),
        ("torchrun --nproc_per_node 2 -m project.__main__", "project"),
        ("bash go.sh", "bash"),
    ],
)
def test_a_run_is_called_after_its_script(typed: str, name: str) -> None:
    assert script_of(typed.split()) == name
