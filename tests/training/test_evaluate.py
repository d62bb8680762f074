import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from cct.data.load_data import load_data
from cct.data.split import Data
from cct.training.evaluate import evaluate, predict

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def digits() -> Data:
    return load_data("digits")


class Answer(nn.Module):
    """A network whose logits are given, in any order of the images."""

    def __init__(self, of: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.of, self.bias = of, nn.Parameter(torch.zeros(10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.of(x) + self.bias


def test_predict_is_in_order_and_leaves_the_network_alone(digits: Data) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 4, 3, stride=4), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(256, 10))
    before = [tensor.clone() for tensor in module.state_dict().values()]
    logits = predict(module.train(), digits)
    assert logits.shape == (596, 10)
    assert not module.training
    torch.testing.assert_close(logits[7], module(digits.val[7][0][None])[0], atol=1e-5, rtol=1e-5)
    assert all(torch.equal(a, b) for a, b in zip(before, module.state_dict().values(), strict=True))
    share = (logits.argmax(1) == digits.val.labels).float().mean()
    assert math.isclose(evaluate(module, digits), 100 * share, rel_tol=1e-5)


def test_an_answer_that_is_not_finite_is_wrong(digits: Data) -> None:
    zero = (digits.val.labels == 0).double().mean().item()
    assert evaluate(Answer(lambda x: torch.eye(10)[:1].expand(len(x), 10)), digits) == pytest.approx(100 * zero)
    assert evaluate(Answer(lambda x: torch.full((len(x), 10), torch.nan)), digits) == 0
