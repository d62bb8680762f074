"""What torch makes of a module: for any batch, the module itself untouched, refusals in one line."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cct.errors import UnsupportedModel
from cct.exporter.trace import trace


def test_the_batch_is_free_though_the_example_is_one_image():
    model = trace(nn.Conv2d(3, 4, 3), (torch.randn(1, 3, 8, 8),))
    shapes = [value.shape for value in (*model.graph.inputs, *model.graph.outputs)]
    assert [value.name for value in (*model.graph.inputs, *model.graph.outputs)] == ["input", "output"]
    assert not any(isinstance(shape[0], int) for shape in shapes)
    assert [list(shape[1:]) for shape in shapes] == [[3, 8, 8], [4, 6, 6]]


def test_the_module_is_left_as_it_was():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.BatchNorm2d(4)).train()
    module[1].eval()  # frozen, as detectors do
    before = {name: value.clone() for name, value in module.state_dict().items()}
    trace(module, (torch.randn(1, 3, 8, 8),))
    assert [part.training for part in module] == [True, False, True]
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_a_module_that_fixes_its_batch_keeps_that_of_the_example():
    class Fixed(nn.Linear):
        def forward(self, x):
            return super().forward(x.reshape(1, 48))

    shape = trace(Fixed(48, 2), (torch.randn(1, 3, 4, 4),)).graph.inputs[0].shape
    assert list(shape) == [1, 3, 4, 4]


def test_a_module_that_torch_can_not_export_is_refused_in_one_line():
    class Branching(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(UnsupportedModel, match="can't export Branching") as caught:
        trace(Branching(), (torch.randn(1, 3, 4, 4),))
    assert "\n" not in str(caught.value)
