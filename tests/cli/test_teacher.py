"""`cct compress --teacher` as a process."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from cct.checkpoint.own_format import save_checkpoint
from cct.data.load_data import load_data
from cct.models import digits_net
from cct.recipe.recipe import Recipe
from tests.support.process import MODEL, run, run_command

COMPRESS = ("compress", MODEL, "--data", "digits", "--epochs", "1", "--threads", "1")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits network, with other answers."""
    network, path = digits_net(), tmp_path_factory.mktemp("teacher") / "teacher.pt"
    network.load_state_dict(torch.load(MODEL, weights_only=True)["state_dict"])
    with torch.no_grad():
        next(reversed(list(network.parameters()))).add_(torch.linspace(0, 3, 10))
    save_checkpoint(path, network, "digits_net", {}, Recipe(), load_data("digits"))
    return path


def test_a_teacher_has_a_say_in_the_weights(tmp_path: Path, teacher: Path) -> None:
    wanted = {"other": ("--teacher", teacher), "itself": ("--teacher", MODEL), "none": ()}
    for name, options in wanted.items():
        done = run(*COMPRESS, "--distillation", "0.9", *options, "-o", tmp_path / f"{name}.onnx")
        assert done.returncode == 0, done.stderr
    weights = {name: torch.load(tmp_path / f"{name}.pt", weights_only=True)["state_dict"] for name in wanted}
    assert all(torch.equal(weights["itself"][name], tensor) for name, tensor in weights["none"].items())
    assert any(not torch.equal(weights["other"][name], tensor) for name, tensor in weights["none"].items())
    reports = {name: json.loads((tmp_path / f"{name}.report.json").read_text()) for name in wanted}
    assert "teacher" not in reports["none"]["source"]
    assert len(reports["other"]["source"]["teacher"]) == 64


def test_a_teacher_that_is_never_asked_is_refused(tmp_path: Path, teacher: Path) -> None:
    done = run(*COMPRESS, "--teacher", teacher, "-o", tmp_path / "out.onnx")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "Error: --teacher has no say while distillation is 0: give --distillation 0.9, or leave it out"
    ]


@pytest.mark.parametrize("options", [("-o", "teacher.onnx"), ("-o", "out.onnx", "--save-recipe", "teacher.pt")])
def test_a_teacher_is_never_replaced(tmp_path: Path, teacher: Path, options: tuple[str, ...]) -> None:
    copied = tmp_path / "teacher.pt"
    copied.write_bytes(teacher.read_bytes())
    done = run(*COMPRESS, "--distillation", "0.9", "--teacher", copied, *options, cwd=tmp_path)
    assert done.returncode == 2
    assert "teacher.pt would replace the model or another file of the run" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["teacher.pt"]
    assert copied.read_bytes() == teacher.read_bytes()


def test_a_run_goes_on_with_its_teacher_alone(tmp_path: Path, teacher: Path) -> None:
    options = (*COMPRESS, "--distillation", "0.9", "-o", tmp_path / "out.onnx")
    watched = """from cct.workflows.compress import export_files
export_files.export = None
from cct.cli.main import main
main()"""
    stopped = run_command(
        [sys.executable, "-c", watched, *map(str, options), "--teacher", str(teacher)], cwd=tmp_path, variables={}
    )
    assert stopped.returncode == 2  # after the training
    done = run(*options, "--teacher", MODEL, "--resume")
    assert done.returncode == 2
    assert "teacher is" in done.stderr
    done = run(*options, "--teacher", teacher, "--resume")
    assert done.returncode == 0, done.stderr
    assert "continuing after epoch 1/1" in done.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(classes=[*c["classes"][1:], c["classes"][0]]), "the model's classes are"),
        (lambda c: c.update(mean=[0.1]), "its mean is (0.1,), the model's"),
        (lambda c: c.update(mean=[0.5] * 3), "its mean is (0.5, 0.5, 0.5), the model's"),
        (lambda c: [t.zero_() for t in c["state_dict"].values()], "near chance"),
    ],
)
def test_a_teacher_of_other_images_is_refused(tmp_path: Path, teacher: Path, change: object, message: str) -> None:
    content = torch.load(teacher, weights_only=True)
    change(content)
    torch.save(content, tmp_path / "wrong.pt")
    done = run(*COMPRESS, "--distillation", "0.5", "--teacher", tmp_path / "wrong.pt", "-o", tmp_path / "out.onnx")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Error: --teacher {tmp_path / 'wrong.pt'}: ")
    assert message in line
    assert not (tmp_path / "out.onnx").exists()
