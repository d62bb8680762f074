import pytest
import torch
from torch import nn

from cct.errors import CctError
from cct.passes.module.importance import Magnitude, Taylor, magnitude, taylor
from cct.recipe.recipe import Recipe


def test_magnitude_and_taylor_on_numbers() -> None:
    weight, gradient = torch.tensor([1.0, -2.0]), torch.tensor([3.0, 0.5])
    assert magnitude(weight).tolist() == [1.0, 4.0]
    assert taylor(weight, gradient).tolist() == [9.0, 1.0]


def test_taylor_is_the_squared_first_order_change_of_the_loss() -> None:
    weight = torch.randn(5, dtype=torch.float64, requires_grad=True)
    direction = torch.randn(5, dtype=torch.float64)
    (weight * direction).sum().backward()  # linear: removing w_i changes the loss by exactly -w_i d_i
    assert weight.grad is not None
    torch.testing.assert_close(taylor(weight, weight.grad), (weight * direction).detach() ** 2)


def test_magnitude_follows_the_weights() -> None:
    weight = nn.Parameter(torch.full((1, 1, 1, 2), 2.0))
    importance = Magnitude({"a": weight}, Recipe())
    assert (importance.steps, importance.state) == (0, {})
    with torch.no_grad():
        weight[..., 1] = 3
    assert importance.scores()["a"].tolist() == [[[4.0, 9.0]]]


def test_taylor_sums_what_it_observes() -> None:
    weight = nn.Parameter(torch.full((1, 1, 1, 2), 2.0))
    importance = Taylor({"a": weight}, Recipe(importance="taylor", importance_batches=2))
    assert importance.steps == 2
    with pytest.raises(CctError, match=r"^a has no gradient"):
        importance.observe()
    for gradient in (1.0, 0.5):
        weight.grad = torch.tensor([[[[gradient, 0.0]]]])
        importance.observe()
    assert importance.scores()["a"].tolist() == [[[5.0, 0.0]]]
    importance.state["a"].zero_()  # as loading does
    assert importance.scores()["a"].tolist() == [[[0.0, 0.0]]]
