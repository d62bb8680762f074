import torch

from cct.passes.module.lasso import lasso


def test_norms_of_what_goes() -> None:
    weight = torch.zeros(2, 1, 3, 3)
    weight[0, 0, 0] = torch.tensor([3.0, 4.0, 9.0])
    weight[1, 0, 2, 2] = 2.0
    pattern = torch.zeros_like(weight)
    pattern[0, 0, 0, 2] = pattern[1, 0, 2, 2] = 1
    connectivity = torch.tensor([[1.0], [0.0]])
    # Kernel 0 loses 3 and 4, kernel 1 goes whole though its pattern keeps all of it; four groups of sqrt(1e-8) at most.
    assert abs(float(lasso(weight, pattern, connectivity)) - (5 + 2)) < 5e-4


def test_pulls_only_what_goes_and_is_finite_at_zero() -> None:
    weight = torch.zeros(1, 2, 3, 3, requires_grad=True)
    with torch.no_grad():
        weight[0, 0] = 1.0
    pattern = torch.zeros(1, 2, 3, 3)
    pattern[0, :, 1] = 1
    lasso(weight, pattern, torch.ones(1, 2)).backward()
    assert weight.grad is not None
    assert weight.grad.isfinite().all()
    assert (weight.grad[0, 0][pattern[0, 0] == 1] == 0).all()
    assert (weight.grad[0, 0][pattern[0, 0] == 0] > 0).all()
