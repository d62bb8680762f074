"""The ONNX functions: valid, right without the library, and folded to dense convolutions."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

import cct
from cct.operator.spec import VARIANTS
from tests.support.cases import TYPES, draw_packed, draw_values

SAME = {"strides": (1, 1), "pads": (1, 1, 1, 1), "dilations": (1, 1)}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("types", TYPES)
def test_every_body_passes_the_checker(variant, types):
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=5, in_channels=3)
    act, _, add = variant.partition("_")
    case = draw_values(rng, packed, (1, 3, 6, 6), SAME, act, residual=bool(add)).cast(types)
    onnx.checker.check_model(case.model(), full_check=True)
    got = cct.session(case.model().SerializeToString(), library=False).run(None, case.feeds())[0]
    assert got.dtype == case.x.dtype
    assert (abs(got - case.expected()) <= case.bound()).all()


@pytest.mark.parametrize("variant", VARIANTS)
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
