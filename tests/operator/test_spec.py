"""One meaning: function body in ONNX Runtime, inlined model in onnx.reference, and the library agree with float64."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from onnx.inliner import inline_local_functions
from onnx.reference import ReferenceEvaluator

import cct
from cct.errors import OperatorError
from cct.operator import spec
from cct.operator.read_node import read_pattern_conv
from tests.support.cases import EPS, TYPES, cases, draw_packed, draw_values

SAME = {"strides": (1, 1), "pads": (1, 1, 1, 1), "dilations": (1, 1)}


def in_body(case):
    return cct.session(case.model().SerializeToString(), library=False, threads=1).run(None, case.feeds())[0]


def in_library(case):
    return cct.session(case.model().SerializeToString(), threads=2).run(None, case.feeds())[0]


def in_onnx_reference(case):
    return ReferenceEvaluator(inline_local_functions(case.model())).run(None, case.feeds())[0]


LEGS = {"body": in_body, "library": in_library, "onnx.reference": in_onnx_reference}
every_type = pytest.mark.parametrize("types", TYPES)


def agree(case, leg, factor=8 * EPS):
    got = LEGS[leg](case)
    expected = case.expected()
    assert got.shape == expected.shape
    assert got.dtype == case.x.dtype
    assert (abs(got - expected) <= case.bound(factor)).all()


@pytest.mark.parametrize("leg", LEGS)
@every_type
def test_every_case_agrees(leg, types):
    slow = leg == "onnx.reference"
    if slow and types == "float16":
        pytest.skip("onnx.reference sums in float16")

    @settings(max_examples=30 if slow else 80, deadline=None, suppress_health_check=list(HealthCheck))
    @given(cases(max_size=8 if slow else 24))
    def check(case):
        agree(case.cast(types), leg)

    check()


@pytest.mark.parametrize("leg", ["body", "library"])
@pytest.mark.parametrize("size", [7, 14, 15, 28, 56, 57, 112])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3])
def test_sizes_of_real_networks_agree(leg, size, stride, kernel):
    rng = np.random.default_rng(size)
    packed = draw_packed(
        rng, out_channels=20, in_channels=24, kernel=(kernel, kernel), entries=min(4, kernel**2), keep=0.4
    )
    geometry = {"strides": (stride, stride), "pads": (kernel // 2,) * 4, "dilations": (1, 1)}
    agree(draw_values(rng, packed, (2, 24, size, size), geometry, "relu", residual=True), leg)


@pytest.mark.parametrize("leg", LEGS)
@pytest.mark.parametrize("values", ["constant", "positive"])
def test_values_whose_errors_add_up_agree(leg, values):
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=16, in_channels=32, keep=0.6)
    case = draw_values(rng, packed, (1, 32, 13, 13), SAME)
    if values == "constant":
        kept = np.where(packed.W != 0, np.float32(0.1), np.float32(0))
        case = replace(case, x=np.full_like(case.x, 0.1), packed=replace(packed, W=kept))
    else:
        case = replace(case, x=abs(case.x), packed=replace(packed, W=abs(packed.W)), bias=abs(case.bias))
    agree(case, leg, factor=case.products * 2.0**-24)


def test_eight_threads_on_one_session_agree_with_one():
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=24, in_channels=16)
    case = draw_values(rng, packed, (1, 16, 20, 20), SAME, "relu")
    model = case.model()
    for value in (*model.graph.input, *model.graph.output):
        for axis in (0, 2, 3):
            value.type.tensor_type.shape.dim[axis].dim_param = f"{value.name}{axis}"
    session = cct.session(model.SerializeToString(), threads=2)
    shapes = [(1, 16, 20, 20), (2, 16, 9, 31), (1, 16, 56, 7)]
    images = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    alone = [session.run(None, {"X": x})[0] for x in images]

    def many(thread: int) -> bool:
        return all(
            np.array_equal(session.run(None, {"X": images[i]})[0], alone[i])
            for i in [(thread + turn) % len(images) for turn in range(60)]
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(many, range(8)))


@pytest.mark.parametrize("variant", spec.VARIANTS)
@every_type
def test_every_body_passes_the_checker(variant, types):
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=5, in_channels=3)
    act, _, add = variant.partition("_")
    case = draw_values(rng, packed, (1, 3, 6, 6), SAME, act, residual=bool(add)).cast(types)
    onnx.checker.check_model(case.model(), full_check=True)
    agree(case, "body")


@pytest.mark.parametrize("variant", spec.VARIANTS)
def test_float16_weights_leave_the_same_dense_convolution(variant, tmp_path):
    """The body folds to the nodes that it folds to with float32 weights."""
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=16, in_channels=16)
    act, _, add = variant.partition("_")
    case = draw_values(rng, packed, (1, 16, 12, 12), SAME, act, residual=bool(add))
    operators = {}
    for types in ("float32", "float16 weights"):
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
        options.log_severity_level = 3
        cct.session(case.cast(types).model().SerializeToString(), library=False, options=options)
        nodes = onnx.load(options.optimized_model_filepath).graph.node
        operators[types] = [node.op_type for node in nodes]
    assert operators["float16 weights"] == operators["float32"]
    assert set(operators["float32"]) <= {"Conv", "ReorderInput", "ReorderOutput", "Add", "Relu", "Clip"}


def test_the_activation_follows_from_the_clip():
    assert spec.activation(-math.inf, math.inf) == "none"
    assert spec.activation(0, math.inf) == "relu"
    assert spec.activation(0, 6) == "clip"


FAULTS = {
    "attribute missing": (lambda n: n.attributes.pop("group"), "attribute group is missing"),
    "attribute type": (lambda n: n.attributes.add(ir.AttrInt64("pool", 3)), "attribute pool is INT; must be INTS"),
    "layout": (lambda n: n.attributes.add(ir.AttrString("layout", "NHWC")), "layout 'NHWC' is not known"),
    "strides": (lambda n: n.attributes.add(ir.AttrInt64s("strides", [0, 1])), "strides"),
    "pads": (lambda n: n.attributes.add(ir.AttrInt64s("pads", [1, 1, 1])), "pads"),
    "dilations": (lambda n: n.attributes.add(ir.AttrInt64s("dilations", [1, 1 << 20])), "dilations"),
    "clip": (lambda n: n.attributes.add(ir.AttrFloat32("clip_max", math.nan)), "clip_min"),
    "pool": (lambda n: n.attributes.add(ir.AttrInt64s("pool", [0, 1, 2])), "does not divide into 4"),
    "inputs": (lambda n: n.resize_inputs(7), "7 inputs"),
    "no constant": (lambda n: n.replace_input_with(1, n.inputs[0]), "W must be a constant"),
    "bias": (lambda n: n.replace_input_with(7, n.inputs[1]), "B"),
    "weights": (lambda n: cast(n, "W", np.float64), "W is float64; must be float32 or float16"),
    "wider weights": (lambda n: cast(n, "B", np.float16), "W is float32, wider than B, which is float16"),
    "image": (lambda n: setattr(n.inputs[0], "dtype", ir.DataType.FLOAT16), "X is FLOAT16 and B float32"),
}


def cast(node, name, dtype):
    """Give a constant another type."""
    value = node.inputs[1 + spec.CONSTANTS.index(name)]
    value.const_value = ir.tensor(value.const_value.numpy().astype(dtype))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_node_that_breaks_the_specification_is_refused(fault):
    rng = np.random.default_rng(0)
    case = draw_values(rng, draw_packed(rng, out_channels=5, in_channels=3), (1, 3, 6, 6), SAME)
    node = ir.from_proto(case.model()).graph[0]
    packed, bias = read_pattern_conv(node)
    assert np.array_equal(packed.W, case.packed.W)
    assert np.array_equal(bias, case.bias)
    change, message = FAULTS[fault]
    change(node)
    with pytest.raises(OperatorError, match=message):
        read_pattern_conv(node)
