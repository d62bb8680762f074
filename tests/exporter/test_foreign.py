"""Networks of other people, random pattern masks: whatever stands around the convolutions, outputs agree with torch.

`python -m benchmarks.networks.foreign` does the same for all its networks at full size; here are those with the most
unusual operators.
"""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import cct
from benchmarks.networks import foreign
from cct.measure.parity import relative_error
from cct.operator.spec import NAME
from cct.operator.types import TYPES


@pytest.mark.parametrize("name", ["unet", "shufflenet_v2_x1_0", "efficientnet_b0"])
@pytest.mark.usefixtures("one_thread")
def test_outputs_agree_with_torch(name, tmp_path):
    line, _ = foreign.check(name, tmp_path, size=64)
    assert line["variation"] > 0.01  # else any answer would do
    assert line["library"] < TYPES["float32"].max_error
    assert line["body"] < TYPES["float32"].max_error
    assert line["masked"] >= line["packed"] > 0.9 * line["masked"]
    assert line["packed"] + sum(line["dense"].values()) == line["convolutions"]


class Around(nn.Module):
    """One pruned convolution, and something unusual around it."""

    def __init__(self, convolution: nn.Conv2d, before: nn.Module, after: nn.Module) -> None:
        super().__init__()
        self.before, self.convolution, self.after = before, convolution, after
        mask = torch.zeros(convolution.out_channels // 4, *convolution.weight.shape[1:]).bernoulli_(0.3)
        convolution.weight.data *= mask.repeat_interleave(4, 0)

    def forward(self, x):
        return self.after(self.convolution(self.before(x)))


CASES = {
    "a pad node of its own": ({"kernel_size": 3}, nn.ZeroPad2d((0, 1, 2, 1)), nn.ReLU()),
    "negative padding": ({"kernel_size": 3}, nn.ZeroPad2d(-1), nn.ReLU()),
    "padding same": ({"kernel_size": 3, "padding": "same"}, nn.Identity(), nn.ReLU6()),
    "padding same, dilated": ({"kernel_size": 3, "padding": "same", "dilation": 2}, nn.Identity(), nn.Identity()),
    "padding same, even": ({"kernel_size": 2, "padding": "same"}, nn.Identity(), nn.ReLU()),
    "padding valid": ({"kernel_size": 3, "padding": "valid"}, nn.Identity(), nn.ReLU()),
    "circular": ({"kernel_size": 3, "padding": 1, "padding_mode": "circular"}, nn.Identity(), nn.ReLU()),
    "unequal strides": ({"kernel_size": (3, 1), "stride": (2, 1), "padding": (1, 0)}, nn.Identity(), nn.SiLU()),
    "hardswish": ({"kernel_size": 3}, nn.Identity(), nn.Hardswish()),
    "hardtanh": ({"kernel_size": 3}, nn.Identity(), nn.Hardtanh(-0.1, 0.2)),
    "leaky relu": ({"kernel_size": 3}, nn.LeakyReLU(0.1), nn.LeakyReLU(0.1)),
    "prelu": ({"kernel_size": 3}, nn.Identity(), nn.PReLU(16)),
    "groups and a shuffle": ({"kernel_size": 3, "groups": 2}, nn.ChannelShuffle(2), nn.ChannelShuffle(4)),
    "pixel shuffle": ({"kernel_size": 1}, nn.PixelUnshuffle(2), nn.PixelShuffle(2)),
    "one pixel": ({"kernel_size": 1}, nn.AdaptiveAvgPool2d(1), nn.Sigmoid()),
    "resized": ({"kernel_size": 3}, nn.UpsamplingNearest2d(scale_factor=2), nn.UpsamplingBilinear2d(scale_factor=2)),
    "normalized": ({"kernel_size": 3, "bias": False}, nn.InstanceNorm2d(16), nn.GroupNorm(4, 16)),
    "batch normalization": ({"kernel_size": 3}, nn.BatchNorm2d(16), nn.BatchNorm2d(16)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.usefixtures("one_thread")
def test_what_stands_around_a_packed_convolution(case, tmp_path):
    settings, before, after = CASES[case]
    torch.manual_seed(0)
    channels = 64 if case == "pixel shuffle" else 16
    module = Around(nn.Conv2d(channels, channels, **settings), before, after).eval()
    layers = cct.export(module, torch.zeros(1, 16, 10, 12), tmp_path / "m.onnx")
    assert [layer.op for layer in layers] == [NAME]
    x = torch.randn(3, 16, 10, 12)
    with torch.no_grad():
        want = module(x).numpy()
    assert np.std(want) > 0
    for library in (True, False):
        got = cct.session(tmp_path / "m.onnx", library=library).run(None, {"input": x.numpy()})[0]
        assert relative_error(got, want) < 1e-4


def test_sizes_that_are_free_stay_free(tmp_path):
    """torch.onnx with dynamic sizes, packed by the same passes: a packed convolution asks for no fixed size."""
    module = Around(nn.Conv2d(16, 16, 3, padding=1), nn.Identity(), nn.ReLU()).eval()
    cct.export(module, torch.zeros(1, 16, 10, 12), tmp_path / "m.onnx")
    proto = onnx.load(tmp_path / "m.onnx")
    for value in (*proto.graph.input, *proto.graph.output):
        for axis, name in ((2, "height"), (3, "width")):
            value.type.tensor_type.shape.dim[axis].dim_param = name
    del proto.graph.value_info[:]
    for height, width in ((10, 12), (7, 5), (1, 1)):
        x = torch.randn(2, 16, height, width)
        with torch.no_grad():
            want = module(x).numpy()
        assert relative_error(cct.session(proto.SerializeToString()).run(None, {"input": x.numpy()})[0], want) < 1e-4
