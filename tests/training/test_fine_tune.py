from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from cct.checkpoint.load_model import load_model
from cct.data.load_data import load_data
from cct.data.split import Data
from cct.errors import CctError, RecipeError
from cct.model_source import ModelSource
from cct.pruning.clicktrain import ClickTrain
from cct.recipe.recipe import Recipe
from cct.training.evaluate import evaluate
from cct.training.fine_tune import fine_tune, learning_rate, total_steps

SHIPPED = Path(__file__).parents[2] / "models" / "digits_net.pt"


pytestmark = pytest.mark.usefixtures("one_thread")


class Tiny(nn.Module):
    """Small enough to be trained in a second."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, stride=4, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.conv = nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.linear = nn.Linear(16 * 16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.bn(self.stem(x)))
        return torch.as_tensor(self.linear(torch.relu(self.conv(x)).flatten(1)))


def tiny() -> Tiny:
    torch.manual_seed(0)
    return Tiny()


@pytest.fixture(scope="module")
def digits() -> Data:
    return load_data("digits")


def quiet(line: str) -> None:
    pass


def weights(module: nn.Module) -> list[torch.Tensor]:
    return [tensor.clone() for tensor in module.state_dict().values()]


def test_learns_digits_and_says_so(digits: Data) -> None:
    module, lines = tiny(), list[str]()
    before = evaluate(module, digits)
    history = fine_tune(module, digits, Recipe(compression=1, epochs=2, batch_size=32), log=lines.append)
    assert evaluate(module, digits) > max(80, before)
    assert history[1].loss < history[0].loss
    assert not module.training
    assert [line.split(":")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(compression=4, epochs=1),
        Recipe(compression=4, epochs=1, distillation=0.5),
        replace(Recipe.named("clicktrain-paper"), compression=4, epochs=1, cut_at=0.5),
    ],
    ids=["default", "distillation", "paper"],
)
def test_the_same_seed_gives_the_same_weights(digits: Data, recipe: Recipe) -> None:
    runs = []
    for seed in (0, 0, 1):
        module, seeded = tiny(), replace(recipe, seed=seed)
        pruner = ClickTrain(module, seeded, total_steps(digits, seeded))
        fine_tune(module, digits, seeded, pruner, tiny().eval(), quiet)
        assert pruner.compression == pytest.approx(4, rel=0.01)
        assert float((module.conv.weight == 0).float().mean()) == pytest.approx(0.75, abs=0.01)
        runs.append(weights(module))
    assert all(torch.equal(a, b) for a, b in zip(runs[0], runs[1], strict=True))
    assert not torch.equal(runs[0][0], runs[2][0])


def test_the_shipped_network_survives_patterns(digits: Data) -> None:
    module = load_model(ModelSource(SHIPPED)).module
    before = evaluate(module, digits)
    recipe = Recipe(compression=2.25, epochs=1)
    fine_tune(module, digits, recipe, ClickTrain(module, recipe, total_steps(digits, recipe)), log=quiet)
    assert before > 98
    assert evaluate(module, digits) > before - 2


def test_without_epochs_only_batch_statistics_are_measured_anew(digits: Data) -> None:
    module, recipe = load_model(ModelSource(SHIPPED)).module, Recipe(compression=3, epochs=0)
    pruner = ClickTrain(module, recipe, total_steps(digits, recipe))
    pruner.finish()
    cut, unsettled = weights(module), evaluate(module, digits)
    assert fine_tune(module, digits, recipe, pruner, log=quiet) == []
    changed = [n for (n, a), b in zip(module.state_dict().items(), cut, strict=True) if not torch.equal(a, b)]
    assert changed
    assert all("running_" in name or "num_batches" in name for name in changed)
    assert evaluate(module, digits) > unsettled
    assert {m.momentum for m in module.modules() if isinstance(m, nn.BatchNorm2d)} == {0.1}


def test_distillation_follows_the_teacher(digits: Data) -> None:
    # The labels are noise, so whatever is learnt about digits comes from the teacher.
    noise = torch.randint(10, digits.train.labels.shape, generator=torch.Generator().manual_seed(0))
    data = replace(digits, train=replace(digits.train, labels=noise))
    recipe = Recipe(compression=1, epochs=2, distillation=1.0)
    module = tiny()
    fine_tune(module, data, recipe, None, load_model(ModelSource(SHIPPED)).module, quiet)
    assert evaluate(module, digits) > 80
    with pytest.raises(RecipeError, match="needs the baseline as teacher"):
        fine_tune(tiny(), data, recipe, log=quiet)


def test_divergence_is_named(digits: Data) -> None:
    with pytest.raises(CctError, match=r"training diverged in epoch 1 .*: lower the learning rate"):
        fine_tune(tiny(), digits, Recipe(compression=1, epochs=1, learning_rate=1e12), log=quiet)


def test_learning_rate_rises_and_falls() -> None:
    recipe = Recipe(learning_rate=0.1, warmup=0.1)
    rates = [learning_rate(recipe, step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == pytest.approx(0.1, rel=0.03)
    assert rates.index(max(rates)) == 9
    assert rates[50] == pytest.approx(0.05)
    assert rates[99] < 1e-3
    assert learning_rate(Recipe(learning_rate=0.1, warmup=0), 0, 100) == 0.1


def test_total_steps(digits: Data) -> None:
    assert total_steps(digits, Recipe(batch_size=64, epochs=3)) == 1201 // 64 * 3
    assert total_steps(digits, Recipe(batch_size=5000, epochs=2)) == 2
    assert total_steps(digits, Recipe(epochs=0)) == 0


def test_mixup_needs_pairs_in_every_part(digits: Data) -> None:
    assert total_steps(digits, Recipe(batch_size=34, mixup=0.2, epochs=1)) == 1201 // 34
    assert total_steps(digits, Recipe(batch_size=36, mixup=0.2, accumulate=2, epochs=1)) == 1201 // 36
    assert total_steps(digits, Recipe(batch_size=34, accumulate=2, epochs=1)) == 1201 // 34
    with pytest.raises(RecipeError, match="mixup pairs images, and 17 at a time is an odd number"):
        total_steps(digits, Recipe(batch_size=34, mixup=0.2, accumulate=2))


def test_counting_steps_leaves_the_device_to_the_loop(digits: Data) -> None:
    from accelerate.state import PartialState

    PartialState._reset_state()
    total_steps(digits, Recipe())
    assert not PartialState._shared_state
