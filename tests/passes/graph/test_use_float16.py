"""A graph in float16 between float32 ends, and functions written out."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch

import cct
from cct.errors import UnsupportedModel
from cct.operator.types import TYPES
from cct.passes.graph.absorb_activation import AbsorbActivation
from cct.passes.graph.absorb_residual import AbsorbResidual
from cct.passes.graph.add_functions import AddFunctions
from cct.passes.graph.inline_functions import InlineFunctions
from cct.passes.graph.pack_convolutions import PackConvolutions
from cct.passes.graph.use_float16 import UseFloat16, to_float16
from tests.passes.graph.test_graph_passes import CONV, X, graph, run, weight


def use_float16(model):
    """The nodes, after a check and a run."""
    before = run(model)
    assert UseFloat16()(model).modified
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    assert [v.type.tensor_type.elem_type for v in (*proto.graph.input, *proto.graph.output)] == [1, 1]
    assert abs(run(model) - before).max() < 1e-3 * abs(before).max()
    return kinds(model)


def kinds(model):
    """The nodes as (operator, types of inputs, types of outputs)."""
    return [
        (
            n.op_type,
            *("".join(v.dtype.short_name() for v in values if v is not None) for values in (n.inputs, n.outputs)),
        )
        for n in model.graph
    ]


def test_a_network_of_float16_has_casts_at_its_ends_alone():
    nodes = use_float16(graph(f"a = {CONV} (x, w)\nb = Relu (a)\ny = Add (b, x)", {"w": weight(0)}))
    assert nodes == [
        ("Cast", "f32", "f16"),
        ("Conv", "f16f16", "f16"),
        ("Relu", "f16", "f16"),
        ("Add", "f16f16", "f16"),
        ("Cast", "f16", "f32"),
    ]


def test_an_output_that_is_used_inside_too_keeps_its_name():
    text = """<ir_version: 10, opset_import: ["": 18]>
    test (float[2,8,9,9] x) => (float[2,8,9,9] y, float[2,8,9,9] z) { y = Relu (x)
      z = Neg (y) }"""
    model = ir.from_proto(onnx.parser.parse_model(text))
    UseFloat16()(model)
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    session = cct.session(ir.to_proto(model).SerializeToString(), library=False)
    assert [(o.name, o.type) for o in session.get_outputs()] == [("y", "tensor(float)"), ("z", "tensor(float)")]
    y, z = session.run(None, {"x": X})
    np.testing.assert_array_equal(y, np.maximum(X, 0).astype(np.float16).astype(np.float32))
    np.testing.assert_array_equal(z, -y)


def test_inputs_that_must_be_float32_stay():
    arrays = {"scales": np.float32([1, 1, 1, 1])}
    nodes = use_float16(
        graph("a = Resize (x, , scales)\nb = Mul (scales, scales)\nc = ReduceMax (b)\ny = Add (a, c)", arrays)
    )
    assert ("Resize", "f16f32", "f16") in nodes
    assert ("Mul", "f16f16", "f16") in nodes
    assert [n[0] for n in nodes].count("Cast") == 2


def test_what_makes_float32_of_its_own_is_rounded_behind():
    """Types that follow from an attribute and not from an input."""
    body = "s = Shape (x)\nf = Cast <to: int = 1> (s)\nm = ReduceMax (f)\na = Relu (x)\ny = Div (a, m)"
    nodes = use_float16(graph(body, {}))
    assert ("Cast", "i64", "f32") in nodes
    assert ("Div", "f16f16", "f16") in nodes


def test_a_value_that_operators_of_float32_share_is_cast_once():
    """Range and NonMaxSuppression have no float16."""
    arrays = {"boxes": np.float32([[[0, 0, 1, 1], [2, 2, 3, 3]]]), "zero": np.float32(0), "one": np.float32(1)}
    body = """m = ReduceMax <keepdims: int = 0> (x)
    e = Mul (m, zero)
    three = Add (e, one)
    r = Range (e, three, three)
    q = Range (zero, three, one)
    t = Add (r, q)
    y = Add (x, t)"""
    nodes = use_float16(graph(body, arrays))
    assert nodes.count(("Range", "f32f32f32", "f32")) == 2
    up = [n for n in nodes if n == ("Cast", "f16", "f32")]
    assert len(up) == 3  # e and three, and the output


def test_pattern_conv_takes_float16():
    model = graph(f"a = {CONV} (x, w, b)\ns = Add (a, x)\ny = Relu (s)", {"w": weight(0), "b": weight(1)[:, 0, 0, 0]})
    before = run(model)
    packing = (PackConvolutions([], TYPES["float16"]), AbsorbResidual(), AbsorbActivation())
    ir.passes.Sequential(*packing, UseFloat16(), AddFunctions())(model)
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    assert kinds(model)[1] == ("PatternConvAddRelu", "f16f16i32i32u8i32i32f16f16", "f16")
    with_library = cct.session(ir.to_proto(model).SerializeToString()).run(None, {"x": X})[0]
    for got in (with_library, run(model)):
        assert abs(got - before).max() < 1e-3 * abs(before).max()


def test_a_node_with_a_graph_of_its_own_is_refused():
    body = """c = ReduceMax <keepdims: int = 0> (x)
    d = Cast <to: int = 9> (c)
    y = If (d) <then_branch = g1 () => (float[2,8,9,9] p) { p = Neg (x) },
                else_branch = g2 () => (float[2,8,9,9] q) { q = Relu (x) }>"""
    with pytest.raises(
        UnsupportedModel, match=r"If .* contains a graph, which can't be float16: use float32 activations"
    ):
        UseFloat16()(graph(body, {}))


def test_a_graph_without_floats_is_not_changed():
    text = '<ir_version: 10, opset_import: ["": 18]> test (int64[3] x) => (int64[3] y) { y = Neg (x) }'
    assert not UseFloat16()(ir.from_proto(onnx.parser.parse_model(text))).modified


def test_numbers_are_rounded_to_nearest_even_and_none_is_lost():
    numbers = np.float32([1 + 2**-11, 1 + 3 * 2**-11, 2**-25, 2**-25 * 1.01, -(2**-24), 65519, np.inf, -0.0])
    expected = np.float32([1, 1 + 2**-9, 0, 2**-24, -(2**-24), 65504, np.inf, -0.0])
    got = to_float16(numbers, "it")
    assert got.dtype == np.float16
    np.testing.assert_array_equal(got.astype(np.float32), expected)
    assert np.isnan(to_float16(np.float32([np.nan]), "it")).all()
    with pytest.raises(UnsupportedModel, match=r"it holds -65520, beyond float16's 65504"):
        to_float16(np.float32([1, -65520, 3]), "it")


@pytest.mark.parametrize("after", ["y = Identity (s)", "y = Relu (s)", "y = Clip (s, low, high)"])
@pytest.mark.parametrize("residual", ["s = Identity (a)", "s = Add (a, x)"])
def test_inlined_functions_leave_a_plain_convolution(after, residual):
    arrays = {"w": weight(0), "low": np.float32(0), "high": np.float32(6)}
    model = graph(f"a = {CONV} (x, w)\n{residual}\n{after}", arrays)
    before = run(model)
    ir.passes.Sequential(PackConvolutions([], TYPES["float32"]), AbsorbResidual(), AbsorbActivation(), AddFunctions())(
        model
    )
    assert InlineFunctions()(model).modified
    assert not model.functions
    assert {n.op_type for n in model.graph} <= {"Conv", "Add", "Relu", "Clip", "Identity"}
    assert np.allclose(run(model), before, rtol=1e-5, atol=1e-5)
    assert not InlineFunctions()(model).modified


def test_an_input_that_is_an_output_too_stays_float32(tmp_path):
    """torch lets both share one type."""

    class Both(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = torch.nn.Conv2d(3, 8, 3)

        def forward(self, x):
            return self.convolution(x), x

    x = torch.randn(1, 3, 8, 8)
    cct.export(Both(), x, tmp_path / "m.onnx", activations="float16")
    opened = cct.session(tmp_path / "m.onnx")
    assert opened.get_inputs()[0].type == "tensor(float)"
    got = opened.run(None, {opened.get_inputs()[0].name: x.numpy()})[1]
    assert abs(got - x.numpy()).max() < 4e-3  # half a step of float16 at 8


def test_names_that_are_taken_are_not_taken_again():
    weights = {"w": weight(0), "w_float16": weight(1)}
    model = graph(f"a = {CONV} (x, w)\ny = {CONV} (a, w_float16)", weights)
    assert [kind for kind, *_ in use_float16(model)].count("Conv") == 2


def test_the_largest_float32_stands_for_no_limit():
    largest = np.finfo(np.float32).max
    half = to_float16(np.array([largest, -largest, 1, -np.inf], np.float32), "m")
    assert half.dtype == np.float16
    assert half.tolist() == [65504, -65504, 1, -np.inf]
