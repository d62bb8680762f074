import torch

from cct.passes.module.importance import magnitude, taylor


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
