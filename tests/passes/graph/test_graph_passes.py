"""The graph passes on small graphs, and the numbers before and after."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

import cct
from cct.operator.spec import NAME
from cct.operator.types import TYPES
from cct.passes.graph.absorb_activation import AbsorbActivation
from cct.passes.graph.absorb_residual import AbsorbResidual
from cct.passes.graph.add_functions import AddFunctions
from cct.passes.graph.pack_convolutions import PackConvolutions

X = np.random.default_rng(0).standard_normal((2, 8, 9, 9)).astype(np.float32)


def weight(seed, keep=0.4, shape=(8, 8, 3, 3)):
    rng = np.random.default_rng(seed)
    mask = (rng.random((shape[0] // 4, *shape[1:])) < keep).repeat(4, 0)
    return (rng.standard_normal(shape) * mask).astype(np.float32)


def graph(body, arrays, output_shape=(2, 8, 9, 9)):
    """A model in ONNX's text form, with initializers."""
    text = f"""<ir_version: 10, opset_import: ["": 18]>
    test (float[{",".join(map(str, X.shape))}] x) => (float[{",".join(map(str, output_shape))}] y) {{ {body} }}"""
    proto = onnx.parser.parse_model(text)
    proto.graph.initializer.extend(onnx.numpy_helper.from_array(a, n) for n, a in arrays.items())
    return ir.from_proto(onnx.shape_inference.infer_shapes(proto))


def run(model):
    return cct.session(ir.to_proto(model).SerializeToString(), library=False).run(None, {"x": X})[0]


def transform(model, *passes):
    before, layers = run(model), []
    model = ir.passes.Sequential(PackConvolutions(layers, TYPES["float32"]), *passes, AddFunctions())(model).model
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    assert np.allclose(run(model), before, rtol=1e-5, atol=1e-5)
    return [n.op_type for n in model.graph], layers, model


CONV = "Conv <pads: ints = [1, 1, 1, 1]>"


def test_a_pattern_sparse_convolution_is_packed():
    ops, layers, model = transform(graph(f"y = {CONV} (x, w, b)", {"w": weight(0), "b": weight(1)[:, 0, 0, 0]}))
    assert ops == [NAME]
    assert (layers[0].name, layers[0].block, layers[0].reason) == ("w", (4, 1), "")
    assert layers[0].macs == 8 * 8 * 9 * 81
    assert "w" not in model.graph.initializers


def test_stride_groups_and_dilation_are_kept():
    w = weight(0, shape=(8, 4, 3, 3))
    body = (
        "y = Conv <pads: ints = [2, 1, 0, 1], strides: ints = [2, 1], dilations: ints = [1, 2], group: int = 2> (x, w)"
    )
    ops, _, _ = transform(graph(body, {"w": w}, (2, 8, 5, 7)))
    assert ops == [NAME]


@pytest.mark.parametrize(
    ("body", "arrays", "shape", "reason"),
    [
        (f"y = {CONV} (x, w)", {"w": weight(0, keep=0.9)}, (2, 8, 9, 9), "only"),
        (f"a = {CONV} (x, w)\ny = {CONV} (a, w)", {"w": weight(0)}, (2, 8, 9, 9), "shared"),
        ("y = ConvTranspose (x, w)", {"w": weight(0)}, (2, 8, 11, 11), "transposed"),
        ('y = Conv <auto_pad: string = "SAME_UPPER"> (x, w)', {"w": weight(0)}, (2, 8, 9, 9), "auto_pad"),
        (f"v = Relu (w)\ny = {CONV} (x, v)", {"w": weight(0)}, (2, 8, 9, 9), "no constant"),
    ],
)
def test_what_stays_dense_says_why(body, arrays, shape, reason):
    ops, layers, _ = transform(graph(body, arrays, shape), AbsorbResidual(), AbsorbActivation())
    assert NAME not in ops
    assert all(reason in layer.reason for layer in layers)
    assert layers


def test_zeros_without_patterns_are_packed_as_they_are():
    rng = np.random.default_rng(0)
    scattered = (rng.standard_normal((8, 8, 1, 1)) * (rng.random((8, 8, 1, 1)) < 0.6)).astype(np.float32)
    ops, layers, _ = transform(graph("y = Conv (x, w)", {"w": scattered}))
    assert ops == [NAME]
    assert layers[0].stored <= 2 / 3 * scattered.size


def test_zeros_that_would_be_stored_again_stay_dense():
    few = np.zeros((8, 8, 5, 5), np.float32)
    few[:, :, 2, 2] = 1  # large kernels keep all or nothing, so all of this would be stored
    where = "pads: ints = [2, 2, 2, 2]"
    ops, layers, _ = transform(graph(f"y = Conv <{where}> (x, w)", {"w": few}))
    assert ops == ["Conv"]
    assert "form no patterns: stored, 100% of it would remain" in layers[0].reason


@pytest.mark.parametrize("order", ["a, x", "x, a"])
def test_residual_and_activation_go_inside(order):
    body = f"a = {CONV} (x, w)\ns = Add ({order})\ny = Relu (s)"
    ops, _, _ = transform(graph(body, {"w": weight(0)}), AbsorbResidual(), AbsorbActivation())
    assert ops == ["PatternConvAddRelu"]


def test_a_clip_goes_inside():
    arrays = {"w": weight(0), "low": np.float32(0), "high": np.float32(6)}
    ops, _, model = transform(graph(f"a = {CONV} (x, w)\ny = Clip (a, low, high)", arrays), AbsorbActivation())
    assert ops == ["PatternConvClip"]
    assert model.graph[0].attributes["clip_max"].as_float() == 6


@pytest.mark.parametrize(
    "body",
    [
        f"a = {CONV} (x, w)\ns = Relu (a)\ny = Add (s, a)",  # the convolution has another user
        f"a = {CONV} (x, w)\ny = Add (a, a)",  # twice the same
        f"a = {CONV} (x, w)\ny = Add (a, bias)",  # broadcasts
        f"a = {CONV} (x, w)\nr = Relu (a)\ny = Add (r, x)",  # the activation comes first
    ],
)
def test_what_does_not_fit_stays_outside(body):
    arrays = {"w": weight(0), "bias": weight(1, keep=1.0)[0, :, :1, :1]}
    ops, _, model = transform(graph(body, arrays), AbsorbResidual(), AbsorbActivation())
    assert "Add" in ops
    assert len(model.graph[0].inputs) == 8


def test_passes_say_whether_they_changed_anything():
    dense = graph(f"a = {CONV} (x, w)\ny = Relu (a)", {"w": weight(0, keep=1.0)})
    for step in (PackConvolutions([], TYPES["float32"]), AbsorbResidual(), AbsorbActivation(), AddFunctions()):
        assert not step(dense).modified
    sparse = graph(f"a = {CONV} (x, w)\nb = Add (a, x)\ny = Relu (b)", {"w": weight(0)})
    for step in (PackConvolutions([], TYPES["float32"]), AbsorbResidual(), AbsorbActivation(), AddFunctions()):
        assert step(sparse).modified
