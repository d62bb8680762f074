from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from cct.checkpoint.load_model import load_model
from cct.data.load_data import load_data
from cct.errors import DataError, UnsupportedModel
from cct.model_source import ModelSource
from cct.models import MODELS
from cct.training.preflight import baseline_accuracy, check_gradients, check_training

MODEL = MODELS["digits_net"]


@pytest.fixture(scope="module")
def digits():
    return load_data("digits")


def shipped():
    from importlib.resources import as_file, files

    with as_file(files("cct").joinpath("models", "digits_net.pt")) as path:
        return load_model(ModelSource(path)).module


def test_the_shipped_network_fits_its_data(digits):
    assert baseline_accuracy(shipped(), digits) > 98


def test_an_untrained_network_is_near_chance(digits):
    torch.manual_seed(0)
    with pytest.raises(DataError, match="near chance"):
        baseline_accuracy(MODEL().eval(), digits)


def test_a_weak_classifier_of_two_classes_is_no_chance(digits):
    class Weak(nn.Module):
        """Right on two of three images, whatever they show."""

        def __init__(self):
            super().__init__()
            self.device = nn.Parameter(torch.zeros(()))

        def forward(self, x):
            self.at = getattr(self, "at", 0)
            right = nn.functional.one_hot(labels[self.at : self.at + len(x)], 2).float()
            wrong = torch.arange(self.at, self.at + len(x)) % 3 == 0
            self.at += len(x) if len(x) > 1 else 0  # the first call only asks for the number of classes
            return torch.where(wrong[:, None], 1 - right, right)

    labels = digits.val.labels % 2
    two = replace(digits, classes=("even", "odd"), val=replace(digits.val, labels=labels))
    assert 60 < baseline_accuracy(Weak(), two) < 70


@pytest.mark.parametrize(
    ("network", "message"), [(MODEL(num_classes=7), "has 10 classes"), (MODEL(in_channels=3), "take")]
)
def test_a_network_that_does_not_fit_is_refused(digits, network, message):
    with pytest.raises(DataError, match=message):
        baseline_accuracy(network.eval(), digits)


def test_classes_in_another_order_are_refused(digits):
    with pytest.raises(DataError, match="classes are 9, 8, 7, 6 and 6 more; digits has 0, 1, 2, 3 and"):
        baseline_accuracy(shipped(), digits, digits.classes[::-1])
    baseline_accuracy(shipped(), digits, digits.classes)
    with pytest.raises(DataError, match=r"classes are \\x1b\[31mred\\nline2; digits"):
        baseline_accuracy(shipped(), digits, ["\x1b[31mred\nline2"])


class Wrapped(nn.Module):
    """The shipped network with another answer."""

    def __init__(self, answer):
        super().__init__()
        self.inner, self.answer = shipped(), answer

    def forward(self, x):
        return self.answer(self, self.inner(x))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(lambda m, x: (x, x), "tuple"), (lambda m, x: {"logits": x}, "dict"), (lambda m, x: None, "NoneType")],
)
def test_answers_that_are_no_logits(digits, answer, kind):
    with pytest.raises(UnsupportedModel, match=f"answers a {kind}, not one tensor of logits: name a factory"):
        baseline_accuracy(Wrapped(answer).eval(), digits)


def test_a_network_that_raises(digits):
    with pytest.raises(DataError, match=r"does not take images of digits \(list index out of range\)"):
        baseline_accuracy(Wrapped(lambda m, x: [][0]).eval(), digits)


def test_a_network_that_exits(digits):
    def leave(module, x):
        raise SystemExit(0)

    for check in (baseline_accuracy, check_training):
        with pytest.raises(DataError, match=r"sys.exit\(0\)"):
            check(Wrapped(leave).eval(), digits)


def test_auxiliary_answers_while_training(digits):
    module = Wrapped(lambda m, x: (x, x) if m.training else x).eval()
    baseline_accuracy(module, digits)
    with pytest.raises(UnsupportedModel, match="in training the model answers a tuple"):
        check_training(module, digits)
    assert not module.training


def test_parameters_without_a_say_are_named(digits):
    module = shipped()
    module.extra = nn.Linear(1, 1)
    with pytest.raises(UnsupportedModel, match=r"extra\.weight, extra\.bias: without a say in the answer"):
        check_gradients(module, digits)
    module.extra.requires_grad_(False)
    check_gradients(module, digits)


def test_asking_leaves_the_network_as_it_is(digits):
    module = shipped()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    check_training(module, digits)
    check_gradients(module, digits)
    assert all(parameter.grad is None for parameter in module.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert not module.training
