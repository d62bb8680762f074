"""Group lasso that eases out the weights that will be cut (ClickTrain)."""

from __future__ import annotations

from torch import Tensor

_EPSILON = 1e-8  # keeps the gradient of the square root finite at zero


def lasso(weight: Tensor, pattern: Tensor, connectivity: Tensor) -> Tensor:
    """Sum of the norms of what goes: off-pattern weights of each kernel, and whole kernels.

    A kernel that will go is in both sums, as in the authors' code.

    Args:
        weight: (O, C/group, kh, kw).
        pattern: 1 where the kernel's pattern keeps, same shape.
        connectivity: 1 where the kernel stays, (O, C/group).

    Returns:
        A scalar, to be multiplied by lambda and added to the loss.
    """
    square = weight.square()
    off_pattern = (square * (1 - pattern)).sum((2, 3))
    whole = square.sum((2, 3)) * (1 - connectivity)
    return (off_pattern + _EPSILON).sqrt().sum() + (whole + _EPSILON).sqrt().sum()
