"""``python -m dettui_probe`` runs a script as ``python`` does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from live.patience import PATIENCE_S

Launch = Callable[..., subprocess.CompletedProcess[str]]

TRAINS = """
import torch
from torch import nn
model = nn.Linear(4, 3)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(3):
    loss = nn.functional.cross_entropy(model(torch.ones(2, 4)), torch.tensor([0, 1]))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


EVALUATES = """
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
truth = COCO()
box = {"category_id": 1, "bbox": [10, 10, 40, 40]}
truth.dataset = {
    "info": {}, "images": [{"id": 1, "width": 100, "height": 100}], "categories": [{"id": 1, "name": "a"}],
    "annotations": [{**box, "id": 1, "image_id": 1, "area": 1600, "iscrowd": 0}],
}
truth.createIndex()
judge = COCOeval(truth, truth.loadRes([{**box, "image_id": 1, "score": 0.9}]), "bbox")
judge.evaluate()
judge.accumulate()
judge.summarize()
"""


def launcher_in(folder: Path) -> Launch:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "DETTUI_HOME": str(folder / "h"), "DETTUI_RUNS": str(folder / "runs")}
        env.pop("PYTHONSAFEPATH", None)
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, env=env, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )

    return run


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    """Runs python in the test's folder; scripts and modules are written there by the test."""
    return launcher_in(tmp_path)


class Launched(NamedTuple):
    """What a script left that trained and was evaluated under the launcher."""

    done: subprocess.CompletedProcess[str]
    log: bytes


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Launched:
    folder = tmp_path_factory.mktemp("launched")
    (folder / "train.py").write_text(
        TRAINS
        + "from dettui_probe.start import current_run\n"
        + "print(current_run().recorder.step, nn.Module.__call__ is nn.Module._wrapped_call_impl)\n"
        + EVALUATES
    )
    done = launcher_in(folder)("-m", "dettui_probe", "train.py")
    (log,) = logs(folder)
    return Launched(done, log)


def logs(tmp_path: Path) -> list[bytes]:
    return [file.read_bytes() for file in (tmp_path / "runs").rglob("*.dlog")]


SHOWS = """
import sys
print(__name__, __file__, sys.argv, sys.path[0], __spec__ and __spec__.name, "torch" in sys.modules)
print(sys.modules["__main__"].__dict__ is globals(), __package__)
"""


def test_a_script_sees_what_it_sees_under_python(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "show.py").write_text(SHOWS)
    plain = launch("sub/show.py", "--name", "x", "-m", "y")
    launched = launch("-m", "dettui_probe", "--budget", "0.02", "sub/show.py", "--name", "x", "-m", "y")
    assert launched.stdout == plain.stdout
    assert launched.stderr == ""


def test_a_module_sees_what_it_sees_under_python(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "package" / "show.py").write_text(SHOWS)
    plain = launch("-m", "package.show", "a")
    assert launch("-m", "dettui_probe", "-m", "package.show", "a").stdout == plain.stdout


@pytest.mark.parametrize(
    "ending", ["raise ValueError('boo')", "import sys; sys.exit(7)", "import sys; sys.exit('text')", "def broken(:"]
)
def test_tracebacks_and_exit_codes_are_those_of_python(launch: Launch, tmp_path: Path, ending: str) -> None:
    (tmp_path / "train.py").write_text(f"x = 1\n{ending}\n")
    plain = launch("train.py")
    launched = launch("-m", "dettui_probe", "train.py")
    assert (launched.returncode, launched.stderr) == (plain.returncode, plain.stderr)


def test_a_traceback_after_training_began_has_no_frame_of_ours(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAINS + "raise ValueError('boo')\n")
    plain = launch("train.py")
    launched = launch("-m", "dettui_probe", "train.py")
    assert (launched.returncode, launched.stderr) == (plain.returncode, plain.stderr)
    (log,) = logs(tmp_path)
    assert b"ValueError: boo" in log
    assert b"__main__.py" not in log


def test_environment_set_before_torch_is_imported_still_works(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "import os, sys\nassert 'torch' not in sys.modules\nos.environ['OMP_NUM_THREADS'] = '3'\n"
        + TRAINS
        + "print(torch.get_num_threads(), type(torch.__spec__.loader).__name__, torch.__loader__.name)\n"
    )
    assert launch("-m", "dettui_probe", "train.py").stdout == launch("train.py").stdout
    assert b"loss/total" in logs(tmp_path)[0]


def test_the_first_step_is_seen_and_torch_is_left_as_it_was(launched: Launched) -> None:
    assert launched.done.stdout.startswith("3 True\n")


def test_a_script_that_watches_by_itself_wins(launch: Launch, tmp_path: Path) -> None:
    watches = TRAINS.replace(
        "optimizer =", "import dettui_probe\ndettui_probe.watch(model, name='own', class_names=['a'])\noptimizer ="
    )
    (tmp_path / "train.py").write_text(watches)
    assert launch("-m", "dettui_probe", "--name", "launched", "train.py").returncode == 0
    (log,) = logs(tmp_path)
    assert b"own" in log
    assert b"loss/total" in log


def test_spawned_loader_workers_work(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        """
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Data(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        return torch.full((4,), float(index)), index % 3


if __name__ == "__main__":
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in DataLoader(Data(), batch_size=4, num_workers=1, multiprocessing_context="spawn"):
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    print("done")
"""
    )
    done = launch("-m", "dettui_probe", "train.py")
    assert (done.stdout, done.stderr) == ("done\n", "")
    assert len(logs(tmp_path)) == 1


def test_what_nobody_said_is_trained_is_not_judged(launched: Launched) -> None:
    assert launched.done.returncode == 0
    assert b"optim/missing_params" in launched.log
    assert b"optim/stranger_params" not in launched.log


BUILDS_TWICE = """
import torch
from torch import nn
from dettui_probe.start import current_run


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(4, 8), nn.Linear(8, 3)
        self.width = self.head(self.body(torch.zeros(1, 4))).shape[1]

    def forward(self, x):
        return self.head(self.body(x))


first = Net()  # as a trainer does that reads the strides off a model, and builds it anew
model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(4):
    loss = nn.functional.cross_entropy(model(torch.ones(2, 4)), torch.tensor([0, 1]))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(current_run().recorder.step, nn.Module.__call__ is nn.Module._wrapped_call_impl)
"""


def test_a_pass_through_a_part_while_models_are_built_is_no_training(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(BUILDS_TWICE)
    done = launch("-m", "dettui_probe", "train.py")
    assert (done.stdout, done.stderr) == ("3 True\n", "")  # the first step told which of the two is trained
    (log,) = logs(tmp_path)
    assert b"now watching a Net instead of the Linear before" in log
    assert b"optim/stranger_params" not in log


def test_a_part_that_is_called_first_gives_way_to_its_model(launch: Launch, tmp_path: Path) -> None:
    once = BUILDS_TWICE.replace("first = Net()", "")
    (tmp_path / "train.py").write_text(once)
    assert launch("-m", "dettui_probe", "train.py").stdout == "4 True\n"
    (log,) = logs(tmp_path)
    assert b"instead of the Linear before" in log


PARTS = """
import torch
from torch import nn
from dettui_probe.start import current_run


class Pieces(nn.Module):  # as a LightningModule: its parts are called, and never itself
    def __init__(self):
        super().__init__()
        self.encoder, self.head, self.teacher = nn.Linear(4, 8), nn.Linear(8, 3), nn.Linear(4, 3)

    def training_step(self, x, y):
        with torch.no_grad():
            self.teacher(x)
        return nn.functional.cross_entropy(self.head(self.encoder(x).relu()), y)


pieces = Pieces()
optimizer = torch.optim.SGD([*pieces.encoder.parameters(), *pieces.head.parameters()], lr=0.1)
for step in range(4):
    loss = pieces.training_step(torch.ones(2, 4), torch.tensor([0, 1]))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(current_run().recorder.step, nn.Module.__call__ is nn.Module._wrapped_call_impl)
"""


def test_parts_that_are_called_one_by_one_are_watched_together(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(PARTS)
    done = launch("-m", "dettui_probe", "train.py")
    assert (done.stdout, done.stderr) == ("4 True\n", "")
    (log,) = logs(tmp_path)
    assert b"now watching a Pieces instead of the Linear before" in log
    assert b"layer/grad_norm/encoder.weight" in log and b"layer/grad_norm/head.weight" in log
    assert b"teacher" not in log
    assert b"probe_fault" not in log


def test_an_optimizer_of_a_model_that_was_replaced_is_told(launch: Launch, tmp_path: Path) -> None:
    replaced = TRAINS.replace("for step", "model = nn.Linear(4, 3)\nfor step")
    (tmp_path / "train.py").write_text(replaced)
    assert launch("-m", "dettui_probe", "train.py").returncode == 0
    (log,) = logs(tmp_path)
    assert b"optim/stranger_params" in log


def test_what_is_called_inside_the_first_pass_is_not_looked_at(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        TRAINS.replace("model = nn.Linear(4, 3)", "model = nn.Sequential(nn.Linear(4, 3))").replace(
            "for step in range(3):",
            "seen = []\nmodel[0].register_forward_hook(lambda *_: seen.append("
            "nn.Module.__call__ is nn.Module._wrapped_call_impl))\nfor step in range(3):",
        )
        + "print(seen)\n"
    )
    assert launch("-m", "dettui_probe", "train.py").stdout == "[True, True, True]\n"


def test_a_coco_evaluation_is_overheard_where_the_script_was_launched(launched: Launched) -> None:
    assert b"eval/mAP50" in launched.log


EVALUATES_BY_HAND = """
criterion = torch.compile(nn.CrossEntropyLoss(), backend="eager")
for epoch in range(2):
    for step in range(3):
        loss = {loss}(model(torch.ones(2, 4)), torch.tensor([0, 1]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        print({loss}(model(torch.ones(3, 4)), torch.tensor([0, 1, 2])).item())
    model.train()
"""


@pytest.mark.parametrize("loss", ["nn.functional.cross_entropy", "criterion"])
def test_an_evaluation_by_hand_is_overheard_and_a_compiled_criterion_left_alone(
    launch: Launch, tmp_path: Path, loss: str
) -> None:
    begins = TRAINS.partition("for step")[0].replace("model =", "torch.manual_seed(0)\nmodel =")
    (tmp_path / "train.py").write_text(begins + EVALUATES_BY_HAND.replace("{loss}", loss))
    plain = launch("train.py")
    launched = launch("-m", "dettui_probe", "train.py")
    assert (launched.returncode, launched.stdout, launched.stderr) == (0, plain.stdout, plain.stderr)
    (log,) = logs(tmp_path)
    assert b"eval/loss" in log
    assert b"probe_fault" not in log


def test_a_coco_evaluation_is_overheard_where_the_script_watches(launch: Launch, tmp_path: Path) -> None:
    watches = TRAINS.replace("optimizer =", "import dettui_probe\ndettui_probe.watch(model)\noptimizer =")
    (tmp_path / "train.py").write_text(watches + EVALUATES)
    assert launch("train.py").returncode == 0
    (log,) = logs(tmp_path)
    assert b"eval/mAP50" in log


def test_a_contract_is_pinned_from_the_command_line(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAINS)
    assert launch("-m", "dettui_probe", "--contract", "detr", "train.py").returncode == 0
    (log,) = logs(tmp_path)
    assert b"detr" in log
    assert b"cxcywh" in log


def test_a_script_that_never_trains_leaves_a_run_that_says_so(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print('nothing')\n")
    assert launch("-m", "dettui_probe", "train.py").stdout == "nothing\n"
    assert b"without a forward pass in training mode" in logs(tmp_path)[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["absent.py"], "can't open file"),
        ([], "which script?"),
        (["-m"], "-m needs the name of a module"),
        (["--wrong", "train.py"], "unrecognized arguments"),
        (["--contract", "x", "train.py"], "invalid choice: 'x'"),
    ],
)
def test_bad_use_is_one_line_and_code_2(launch: Launch, arguments: list[str], words: str) -> None:
    done = launch("-m", "dettui_probe", *arguments)
    assert done.returncode == 2
    assert words in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_help_teaches(launch: Launch) -> None:
    done = launch("-m", "dettui_probe", "--help")
    assert done.returncode == 0
    assert "torchrun" in done.stdout
