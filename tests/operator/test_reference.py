"""One meaning: function body in ONNX Runtime, inlined model in onnx.reference, and the library agree with float64."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from onnx.inliner import inline_local_functions
from onnx.reference import ReferenceEvaluator

import cct
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
