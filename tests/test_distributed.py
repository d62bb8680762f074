"""Two processes of gloo on the CPU, started by torchrun and accelerate launch, and the one process that they equal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cct.checkpoint.load_model import load_model
from cct.model_source import ModelSource
from cct.recipe.recipe import Recipe
from cct.training.fine_tune import fine_tune
from tests.support.process import MODEL, run
from tests.support.trainings import digits, trainings, unnormalized

TESTS = Path(__file__).parent
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
ACCELERATE = (sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2")
# cct, as a process that leaves its exit code in a file: the launcher has codes of its own
CCT = f'trap : INT TERM; {sys.executable} -m cct "$@"; code=$?; echo $code > code.$RANK; exit $code'
TRAININGS = TESTS / "support" / "trainings.py"
ARCH = f"{TRAININGS}:Unnormalized"
RUN = ["compress", "net.pt", "--arch", ARCH, "--batch-size", "32", "--epochs", "3"]


def launched(command: tuple[str, ...], folder: Path, *arguments: object) -> subprocess.Popen[str]:
    """Two processes, of which no more than their launcher hears a Ctrl-C."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(TESTS.parent)}
    return subprocess.Popen(
        [*command, *map(str, arguments)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def compress(folder: Path, *more: object) -> subprocess.Popen[str]:
    """Two processes of the command line."""
    for path in folder.glob("code.*"):
        path.unlink()
    command = (*TORCHRUN, "--no-python", "sh", "-c", CCT, "cct")
    return launched(command, folder, *RUN, "--threads", 1, *(more if "--data" in more else ("--data", "d.npz", *more)))


def codes(folder: Path) -> list[int]:
    return [int((folder / f"code.{rank}").read_text()) for rank in range(2)]


def by_cct(said: str) -> list[str]:
    """Lines that are not the launcher's."""
    return [line for line in said.splitlines() if line.startswith(("Error", "Interrupted", "Warning", "FAILED size"))]


def test_two_processes_come_to_the_weights_of_one(tmp_path: Path, one_thread: None) -> None:
    process = launched(
        (*ACCELERATE, "--main_process_port", "0"), tmp_path, TESTS / "support" / "trainings.py", tmp_path
    )
    alone = trainings(1)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 0, said
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    for name, weights in alone.items():
        assert all(torch.equal(tensor, second[name][key]) for key, tensor in first[name].items()), name
        error = difference(first[name], weights)
        print(f"{name}: {error:.1e}")
        assert error < (0.1 if "bf16" in name else 1e-5), name
        assert zeros(first[name]) == zeros(weights) or "bf16" in name, name


def difference(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    """The largest of a weight that both keep, as a share of the largest value of its tensor.

    In bfloat16 a block that matters about as much as another may go in one of them, depending on the processor.
    """
    both = {name: (a[name] - tensor) * (a[name] != 0) * (tensor != 0) for name, tensor in b.items()}
    return max(float(both[name].abs().max() / tensor.abs().max()) for name, tensor in b.items())


def zeros(weights: dict[str, Tensor]) -> dict[str, list[bool]]:
    return {name: (tensor == 0).flatten().tolist() for name, tensor in weights.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained network and augmented images."""
    folder = tmp_path_factory.mktemp("processes")
    data, module = digits(), unnormalized()
    fine_tune(module, data, Recipe(compression=1, epochs=2, batch_size=32), log=lambda line: None)
    torch.save(module.state_dict(), folder / "net.pt")
    arrays: dict[str, Any] = {"augment": np.array(True)}
    for name, split in (("train", data.train), ("val", data.val)):
        pixels = split.images.load(torch.arange(len(split)))
        arrays |= {f"x_{name}": pixels.permute(0, 2, 3, 1).numpy(), f"y_{name}": split.labels.numpy()}
    np.savez(folder / "d.npz", **arrays)
    return folder


def test_the_command_line_in_two_processes_and_interrupted(folder: Path) -> None:
    missed = ("--goal", "size:threshold=0.001")
    whole = compress(folder, "-o", "two.onnx", "--json", *missed)
    alone = run(*RUN, "--data", "d.npz", "--threads", 1, "-o", "one.onnx", cwd=folder)
    assert alone.returncode == 0, alone.stderr
    answer, said = whole.communicate(timeout=120)
    assert codes(folder) == [1, 1], said
    assert said.count("epoch 1/3") == 1
    assert [line[:6] for line in by_cct(said)] == ["FAILED"]
    assert json.loads(answer)["outputs"] == ["two.onnx", "two.pt", "two.report.json"]
    one, two = (load_model(ModelSource(folder / f"{name}.pt", ARCH)).module.state_dict() for name in ("one", "two"))
    assert difference(two, one) < 1e-5
    assert zeros(two) == zeros(one)

    process = compress(folder, "-o", "cut.onnx")
    while not (folder / ".cut.cct" / "training.pt").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert codes(folder) == [130, 130]
    assert by_cct(said) == ["Interrupted"], said
    assert said.count("the same command with --resume continues") == 1
    assert not (folder / "cut.onnx").exists()

    process = compress(folder, "-o", "cut.onnx", "--resume", *missed)
    answer, said = process.communicate(timeout=120)
    assert codes(folder) == [1, 1], said
    assert "FAILED" in answer
    assert "continuing after epoch" in said
    for suffix in ("onnx", "pt"):
        assert (folder / f"cut.{suffix}").read_bytes() == (folder / f"two.{suffix}").read_bytes()
    assert not (folder / ".cut.cct").exists()


def test_a_command_that_does_not_train_speaks_in_every_pod() -> None:
    done = run("inspect", MODEL, WORLD_SIZE="2", RANK="1", LOCAL_RANK="1")
    assert done.returncode == 0, done.stderr
    assert "block2.conv2" in done.stdout
    done = run("inspect", "missing.pt", WORLD_SIZE="2", RANK="1", LOCAL_RANK="1")
    assert done.returncode == 2
    assert "missing.pt" in done.stderr


def test_what_the_main_process_tries_out_is_for_both(folder: Path) -> None:
    process = compress(folder, "--keep-faster", "-o", "kept.onnx", "--json")
    answer, said = process.communicate(timeout=300)
    assert codes(folder) in ([0, 0], [2, 2]), said  # where nothing gains, a line says so
    if answer:
        assert json.loads(answer)["keep_faster"]
    else:
        assert [line for line in by_cct(said) if "nothing would be faster" in line], said


def test_blocks_that_the_main_process_measures_are_for_both(folder: Path) -> None:
    process = compress(folder, "--block", "auto", "-o", "auto.onnx", "--json")
    answer, said = process.communicate(timeout=300)
    assert codes(folder) == [0, 0], said
    chosen = {row["name"]: row["block"] for row in json.loads(answer)["block_auto"]["layers"]}
    assert set(chosen) == {"a", "b"}
    assert said.count("block auto") > 0
    assert by_cct(said) == []


def test_two_processes_learn_from_a_teacher_as_one_does(folder: Path) -> None:
    teacher = torch.load(folder / "net.pt", weights_only=True)
    teacher["linear.bias"] += torch.linspace(0, 1, 10)
    torch.save(teacher, folder / "teacher.pt")
    options = ("--teacher", "teacher.pt", "--distillation", "0.9")
    process = compress(folder, *options, "-o", "taught.onnx")
    alone = run(*RUN, *options, "--data", "d.npz", "--threads", 1, "-o", "alone.onnx", cwd=folder)
    assert alone.returncode == 0, alone.stderr
    said = process.communicate(timeout=120)[1]
    assert codes(folder) == [0, 0], said
    files = (folder / f"{name}.pt" for name in ("alone", "taught"))
    one, two = (load_model(ModelSource(file, ARCH)).module.state_dict() for file in files)
    assert difference(two, one) < 1e-5
    assert zeros(two) == zeros(one)


FAILING = """
import os
from tests.support.trainings import digits

class Images:
    def __init__(self, split): self.split, self.asked = split, 0
    def __len__(self): return len(self.split)
    def __getitem__(self, index):
        self.asked += 1
        if os.environ.get("RANK") == "1" and self.asked == 2000:
            ENDING
        return self.split.images.load([index])[0], int(self.split.labels[index])

def make():
    return Images(digits().train), Images(digits().val)
"""


@pytest.mark.parametrize(
    ("ending", "line", "code"),
    [
        ('raise OSError("this disk is broken")', "raised OSError: this disk is broken", 2),
        ("os.kill(os.getpid(), 9)", "another process of this run has ended without a word", 137),
    ],
    ids=["error", "killed"],
)
def test_the_end_of_one_process_ends_both_in_one_line(folder: Path, ending: str, line: str, code: int) -> None:
    (folder / "failing.py").write_text(FAILING.replace("ENDING", ending))
    process = compress(folder, "-o", f"failing{code}.onnx", "--data", "./failing.py:make")
    said = process.communicate(timeout=120)[1]
    assert process.returncode != 0
    assert codes(folder)[1] == code
    assert codes(folder)[0] in (2, 130)  # a broken connection, or the launcher's signal
    errors = by_cct(said)
    assert len(errors) == 1, said
    assert "[rank" not in said  # as torch begins a traceback
    assert line in errors[0] or (code == 137 and errors == ["Interrupted"])  # by the launcher, if that is faster


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--batch-size", 33), "Error: 33 images a step can't be shared evenly by 2 processes: give a --batch-size"),
        (("--output", "no/m.onnx"), "Error: --output no/m.onnx: no is no folder that can be written to"),
    ],
)
def test_an_error_of_both_is_one_line(folder: Path, options: tuple[str, object], line: str) -> None:
    process = compress(folder, "-o", "m.onnx", *options)
    said = process.communicate(timeout=120)[1]
    assert codes(folder) == [2, 2]
    errors = by_cct(said)
    assert len(errors) == 1, said
    assert errors[0].startswith(line)
    assert not (folder / ".m.cct").exists()
