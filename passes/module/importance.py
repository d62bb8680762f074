"""How much each weight matters."""

from __future__ import annotations

from torch import Tensor


def magnitude(weight: Tensor) -> Tensor:
    """Squared weight; same shape."""
    return weight.detach().square()


def taylor(weight: Tensor, gradient: Tensor) -> Tensor:
    """First-order change of the loss when the weight goes, squared: (w * dL/dw)^2; same shape (ClickTrain)."""
    return (weight.detach() * gradient.detach()).square()
