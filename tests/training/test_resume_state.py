"""A training that is cut in two after any epoch is the training without the cut, and a forged state is one line."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cct.data.load_data import load_data
from cct.data.split import Data
from cct.errors import CctError, StateError
from cct.pruning.clicktrain import ClickTrain
from cct.recipe.recipe import Recipe
from cct.training.fine_tune import fine_tune, total_steps
from cct.training.resume_state import StateFile
from cct.training.run_identity import run_identity

pytestmark = pytest.mark.usefixtures("one_thread")


class Tiny(nn.Module):
    """All that a training can change: weights, running statistics, a buffer that is not saved, global randomness."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, stride=4, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.conv = nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.dropout = nn.Dropout(0.2)
        self.linear = nn.Linear(16 * 16, 10)
        self.unused = nn.Linear(2, 2)
        self.register_buffer("steps", torch.zeros(()), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.steps += 1
        x = torch.relu(self.bn(self.stem(x)))
        x = self.dropout(torch.relu(self.conv(x)).flatten(1))
        return torch.as_tensor(self.linear(x) + 1e-4 * self.steps)


RECIPES = {
    "default": Recipe(epochs=3),
    "paper": replace(Recipe.named("clicktrain-paper"), compression=3.0, epochs=3, cut_at=0.5),
    "distilled and mixed": Recipe(epochs=3, distillation=0.5, mixup=0.2, choose_at=0.5, cut_at=0.7),
    "dense": Recipe(epochs=3, compression=1),
    "no momentum": Recipe(epochs=3, momentum=0, nesterov=False),
}
RUN = {"epochs": "3", "recipe": "a"}


@pytest.fixture(scope="module")
def digits() -> Data:
    """Augmented, so that order, crops and flips are drawn."""
    digits = load_data("digits")
    few = replace(digits.train, images=type(digits.train.images)(digits.train.images.load(torch.arange(320))))
    return replace(digits, augmented=True, train=replace(few, labels=digits.train.labels[:320], margin=2))


def train(
    data: Data, recipe: Recipe, path: Path | None = None, log: Callable[[str], None] = lambda line: None
) -> list[torch.Tensor]:
    """A whole run, or the rest of one; all that the network holds at its end."""
    torch.manual_seed(1)
    module, teacher = Tiny(), Tiny().eval()
    pruner = ClickTrain(module, recipe, total_steps(data, recipe)) if recipe.compression > 1 else None
    history = fine_tune(module, data, recipe, pruner, teacher, log, StateFile(path, RUN) if path else None)
    assert len(history) == recipe.epochs
    return [*module.parameters(), *module.buffers()]


def interrupt_after(epochs: int) -> Callable[[str], None]:
    def log(line: str) -> None:
        if line.startswith(f"epoch {epochs + 1}/"):
            raise KeyboardInterrupt

    return log


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_training_that_is_continued_is_the_training(digits: Data, recipe: Recipe, tmp_path: Path) -> None:
    whole = train(digits, recipe)
    path = tmp_path / "s.pt"
    for epochs in (1, 2):  # the second cut is in a run that has been continued already
        with pytest.raises(KeyboardInterrupt):
            train(digits, recipe, path, interrupt_after(epochs))
    lines: list[str] = []
    torch.rand(5)
    for _ in range(2):  # the second time all epochs are done
        assert all(torch.equal(a, b) for a, b in zip(whole, train(digits, recipe, path, lines.append), strict=True))
    assert [line.split(":")[0] for line in lines] == [
        "continuing after epoch 2/3",
        "epoch 3/3",
        "continuing after epoch 3/3",
    ]


@pytest.fixture(scope="module")
def saved(digits: Data, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file after one of three epochs."""
    path = tmp_path_factory.mktemp("state") / "s.pt"
    with pytest.raises(KeyboardInterrupt):
        train(digits, RECIPES["default"], path, interrupt_after(1))
    return path.read_bytes()


def test_a_training_that_diverges_leaves_nothing_to_continue(digits: Data, saved: bytes, tmp_path: Path) -> None:
    path = tmp_path / "s.pt"
    path.write_bytes(saved)
    with pytest.raises(CctError, match="diverged in epoch 2"):
        train(digits, replace(RECIPES["default"], learning_rate=1e12), path)
    assert not path.exists()


def test_a_state_that_can_t_be_written_stops_the_training(digits: Data, tmp_path: Path) -> None:
    with pytest.raises(CctError, match="can't be written"):
        train(digits, RECIPES["default"], tmp_path / "none" / "s.pt")


def _set(*keys: Any, value: Any) -> Callable[[Any], None]:
    def change(state: Any) -> None:
        for key in keys[:-1]:
            state = state[key]
        state[keys[-1]] = value

    return change


FORGED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "version": (_set("cct_training", value=2), "its version 2 can't be right"),
    "version of a kind": (_set("cct_training", value=torch.ones(2)), "is damaged"),
    "parts": (lambda s: s.pop("random"), "its parts"),
    "run": (_set("run", value=[1]), "its description of the run"),
    "other knob": (_set("run", "epochs", value="5"), r"another run \(epochs is 3, was 5\): give the same options"),
    "unknown knob": (_set("run", "x\ny", value="5\n" * 99), r"another run \(x\\ny is None, was 5\\n5"),
    "history": (_set("history", value=[[1.0]]), "its history"),
    "no epochs": (_set("history", value=[]), "its history"),
    "more epochs": (_set("history", value=[[1.0, 1.0]] * 4), "its history"),
    "infinite epoch": (_set("history", value=[[float("inf"), 1.0]]), "its history"),
    "tensors": (_set("tensors", value=1), "its weights"),
    "tensor missing": (lambda s: s["tensors"].pop("bn.running_mean"), "its weights"),
    "tensor too many": (_set("tensors", "more", value=torch.zeros(1)), "its weights"),
    "tensor's shape": (_set("tensors", "conv.weight", value=torch.zeros(16, 8, 3)), "its weights"),
    "tensor's type": (_set("tensors", "conv.weight", value=torch.zeros(16, 8, 3, 3).half()), "its weights"),
    "tensor sparse": (_set("tensors", "conv.weight", value=torch.zeros(16, 8, 3, 3).to_sparse()), "its weights"),
    "tensor meta": (_set("tensors", "conv.weight", value=torch.zeros(16, 8, 3, 3, device="meta")), "its weights"),
    "momentum": (_set("momentum", "conv.weight", value=torch.zeros(1)), "its momentum"),
    "momentum of nothing": (_set("momentum", "conv", value=torch.zeros(1)), "its momentum"),
    "randomness": (_set("random", value={}), "its randomness"),
    "randomness of a kind": (_set("random", "torch", value=3), "its randomness"),
    "randomness too short": (_set("random", "torch", value=torch.zeros(9, dtype=torch.uint8)), "its randomness"),
    "randomness forged": (_set("random", "torch", value=torch.full((5056,), 255, dtype=torch.uint8)), "its randomness"),
    "no pruner": (_set("pruner", value=None), "its pruning"),
    "pruner": (_set("pruner", "done", value=-1), "steps don't fit"),
}


@pytest.mark.parametrize("case", FORGED)
def test_a_forged_state_is_one_line(case: str, digits: Data, saved: bytes, tmp_path: Path) -> None:
    forge, message = FORGED[case]
    state, path = torch.load(io.BytesIO(saved), weights_only=True), tmp_path / "s.pt"
    forge(state)
    torch.save(state, path)
    with pytest.raises(StateError, match=message) as caught:
        train(digits, RECIPES["default"], path)
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(str(path))
    assert f"delete {tmp_path}" in line


@pytest.mark.parametrize("content", [b"", b"text", b"\x80\x02cos\nsystem\n(S'true'\ntR."])
def test_what_is_no_state_is_damaged(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "s.pt").write_bytes(content)
    with pytest.raises(StateError, match="it is damaged: delete"):
        StateFile(tmp_path / "s.pt", RUN)


def test_a_truncated_state_is_damaged(saved: bytes, tmp_path: Path) -> None:
    (tmp_path / "s.pt").write_bytes(saved[: len(saved) // 2])
    with pytest.raises(StateError, match="it is damaged: delete"):
        StateFile(tmp_path / "s.pt", RUN)


def test_whatever_changes_the_result_tells_runs_apart() -> None:
    digits, cpu = load_data("digits"), torch.device("cpu")
    other_pixels = replace(
        digits.train, images=type(digits.train.images)(digits.train.images.load(torch.arange(1201)) // 2)
    )
    runs = [
        run_identity({"model": "a"}, Recipe(), digits, cpu),
        run_identity({"model": "b"}, Recipe(), digits, cpu),
        run_identity({"model": "a"}, Recipe(seed=1), digits, cpu),
        run_identity({"model": "a"}, Recipe(), replace(digits, val=digits.train), cpu),
        run_identity({"model": "a"}, Recipe(), replace(digits, mean=(0.5,)), cpu),
        run_identity({"model": "a"}, Recipe(), replace(digits, train=other_pixels), cpu),
    ]
    assert runs[0] == run_identity({"model": "a"}, Recipe(), load_data("digits"), cpu)
    assert {type(value) for value in runs[0].values()} == {str}  # a state holds nothing else
    assert len({tuple(run.items()) for run in runs}) == len(runs)
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        assert run_identity({"model": "a"}, Recipe(), digits, cpu) != runs[0]
    finally:
        torch.set_num_threads(threads)
