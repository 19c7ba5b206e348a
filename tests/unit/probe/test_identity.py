"""The ranks of one job find one name, and different jobs different ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dettui_probe.identity import Place, group_key, launch, place, process, run_name, slug, start_ticks


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, Place(0, 1)),
        ({"RANK": "3", "WORLD_SIZE": "8"}, Place(3, 8)),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "2"}, Place(1, 2)),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "4"}, Place(1, 4)),
        ({"RANK": "1", "WORLD_SIZE": "2", "SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, Place(1, 2)),
        ({"RANK": "3"}, Place(0, 1)),
        ({"RANK": "-1", "WORLD_SIZE": "two"}, Place(0, 1)),
        ({"RANK": "8", "WORLD_SIZE": "8"}, Place(0, 1)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, Place(0, 1)),  # a batch script: its own tasks come with srun
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_STEP_ID": "0"}, Place(0, 4)),
    ],
)
def test_the_launcher_tells_rank_and_world(env: dict[str, str], expected: Place) -> None:
    assert place(env) == expected


def test_a_single_process_has_no_group() -> None:
    assert group_key({}, 1) is None


@pytest.mark.parametrize(
    "env",
    [
        {"TORCHELASTIC_RUN_ID": "6f2a"},
        {"SLURM_JOB_ID": "77", "SLURM_STEP_ID": "0"},
        {"TORCHELASTIC_RUN_ID": "none", "MASTER_ADDR": "a", "MASTER_PORT": "29500"},
    ],
)
def test_ranks_of_one_job_get_one_run_id_without_talking(env: dict[str, str], tmp_path: Path) -> None:
    names = {run_name({**env, "RANK": str(rank), "WORLD_SIZE": "4"}, "train", 4, tmp_path) for rank in range(4)}
    assert len(names) == 1


def test_jobs_that_torchrun_calls_none_are_told_apart_by_their_port() -> None:
    first, second = (
        group_key({"TORCHELASTIC_RUN_ID": "none", "MASTER_ADDR": "a", "MASTER_PORT": port}, 2) for port in "12"
    )
    assert first != second


def test_a_slurm_array_has_a_run_for_each_task() -> None:
    keys = {
        group_key({"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_ARRAY_TASK_ID": task}, 1) for task in ("1", "2")
    }
    assert len(keys) == 2


TORCHRUN = {"TORCHELASTIC_RUN_ID": "6f2a", "MASTER_PORT": "29500", "TORCHELASTIC_RESTART_COUNT": "0"}


def test_ranks_of_one_start_share_a_launch_whatever_the_run_is_called() -> None:
    launches = {launch({**TORCHRUN, "DETTUI_RUN": name, "RANK": rank}, 4) for name, rank in ("a1", "a2", "b3")}
    assert len(launches) == 1


@pytest.mark.parametrize("later", [{"TORCHELASTIC_RESTART_COUNT": "1"}, {"MASTER_PORT": "29501"}])
def test_a_restart_is_another_launch(later: dict[str, str]) -> None:
    assert launch({**TORCHRUN, **later}, 4) != launch(TORCHRUN, 4)


def test_another_number_of_ranks_is_another_launch() -> None:
    assert launch(TORCHRUN, 3) != launch(TORCHRUN, 4)


def test_a_process_on_its_own_belongs_to_no_launch() -> None:
    assert launch({}, 1) == ""


def test_a_job_on_several_hosts_needs_no_common_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    env = {"MASTER_ADDR": "gpu01", "MASTER_PORT": "29500", "LOCAL_WORLD_SIZE": "8"}
    keys = set()
    for parent in (100, 200):
        monkeypatch.setattr(os, "getppid", lambda parent=parent: parent)
        keys.add(group_key(env, 16))
    assert len(keys) == 1


def test_a_chosen_run_id_wins_over_everything(tmp_path: Path) -> None:
    env = {"DETTUI_RUN": "baseline", "TORCHELASTIC_RUN_ID": "6f2a"}
    assert run_name(env, None, 2, tmp_path) == ("baseline", "baseline")


def test_a_name_is_short_and_readable_and_taken_by_nobody(tmp_path: Path) -> None:
    for _ in range(50):
        called = run_name({}, "faster rcnn/voc", 1, tmp_path)
        assert called.name == "faster rcnn/voc"
        assert called.id.startswith("faster-rcnn-voc-")
        assert not (tmp_path / called.id).exists()
        (tmp_path / called.id).mkdir()


@given(st.text(max_size=200))
def test_a_slug_is_always_a_plain_visible_file_name(text: str) -> None:
    safe = slug(text)
    assert 1 <= len(safe) <= 64
    assert safe not in (".", "..")
    assert not safe.startswith((".", "-"))
    assert safe.isascii()
    assert "/" not in safe


def test_a_process_is_known_by_its_pid_and_its_start() -> None:
    here = process()
    assert here.pid == os.getpid()
    assert here.pid_start == start_ticks(os.getpid()) > 0
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert start_ticks(child.pid) >= here.pid_start
    child.communicate(b"\n")
    assert start_ticks(child.pid) == 0
