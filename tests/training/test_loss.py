from dataclasses import replace

import pytest
import torch
from accelerate import Accelerator
from torch import nn
from torch.nn import functional as F

from cct.pruning.clicktrain import ClickTrain
from cct.recipe.recipe import Recipe
from cct.training.loss import Loss

pytestmark = pytest.mark.usefixtures("one_thread")

IMAGES, LABELS = torch.randn(12, 5, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 3


def linear(seed: int) -> nn.Linear:
    torch.manual_seed(seed)
    return nn.Linear(5, 3)


def gradient(recipe: Recipe, teacher: nn.Module | None = None, mix: bool = False) -> tuple[float, torch.Tensor]:
    """The loss of a linear network, and the gradient of its weights."""
    network, generator = linear(1), torch.Generator().manual_seed(0)
    loss = Loss(recipe, teacher, generator, Accelerator(cpu=True)).backward(network, IMAGES, LABELS, mix, None)
    assert network.weight.grad is not None
    return loss.item(), network.weight.grad


def test_plain_cross_entropy() -> None:
    assert gradient(Recipe())[0] == F.cross_entropy(linear(1)(IMAGES), LABELS).item()


@pytest.mark.parametrize("recipe", [Recipe(), Recipe(distillation=0.5), Recipe(mixup=0.4)])
def test_parts_come_to_the_whole(recipe: Recipe) -> None:
    whole = gradient(recipe, linear(2), mix=recipe.mixup > 0)
    parts = gradient(replace(recipe, accumulate=3), linear(2), mix=recipe.mixup > 0)
    assert parts[0] == pytest.approx(whole[0], rel=1e-5)
    torch.testing.assert_close(parts[1], whole[1])


def test_distillation_mixes_in_the_divergence_from_the_teacher() -> None:
    recipe = Recipe(distillation=0.25, temperature=2.0)
    student, teacher = (F.log_softmax(linear(seed)(IMAGES) / 2, 1) for seed in (1, 2))
    divergence = (teacher.exp() * (teacher - student)).sum(1).mean()
    expected = 0.75 * F.cross_entropy(linear(1)(IMAGES), LABELS) + 0.25 * 4 * divergence
    assert gradient(recipe, linear(2))[0] == pytest.approx(expected.item(), rel=1e-5)
    assert gradient(replace(recipe, distillation=1.0), linear(1))[0] == pytest.approx(0, abs=1e-6)


def test_mixup_mixes_neighbours_by_one_share() -> None:
    share = Loss(Recipe(), None, torch.Generator().manual_seed(0), Accelerator(cpu=True))._beta(0.4)
    swapped = torch.arange(12) ^ 1
    logits = linear(1)(share * IMAGES + (1 - share) * IMAGES[swapped])
    expected = share * F.cross_entropy(logits, LABELS) + (1 - share) * F.cross_entropy(logits, LABELS[swapped])
    assert 0 < share < 1
    assert gradient(Recipe(mixup=0.4), mix=True)[0] == pytest.approx(expected.item(), rel=1e-5)


def test_the_penalty_is_in_the_gradients_and_not_in_the_loss() -> None:
    recipe = Recipe(compression=2, block=(1, 1), easing="lasso", lasso=0.1, accumulate=2, grouping="none")
    torch.manual_seed(0)
    module = nn.Sequential(nn.Unflatten(1, (5, 1, 1)), nn.Conv2d(5, 4, 1), nn.Conv2d(4, 3, 1), nn.Flatten())
    gradients, losses, penalty = [], [], torch.zeros(())
    for pruner in (None, ClickTrain(module, recipe, 10)):
        module.zero_grad()
        loss = Loss(recipe, None, torch.Generator(), Accelerator(cpu=True))
        losses.append(loss.backward(module, IMAGES, LABELS, False, pruner).item())
        gradients.append(module.get_parameter("2.weight").grad)
        penalty = penalty if pruner is None else pruner.penalty()
    assert losses[0] == losses[1]
    assert gradients[0] is not None
    (of_penalty,) = torch.autograd.grad(penalty, module.get_parameter("2.weight"))
    assert of_penalty.any()
    torch.testing.assert_close(gradients[1], gradients[0] + of_penalty)
