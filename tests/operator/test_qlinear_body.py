"""The ONNX functions: valid, equal to the operator's meaning to the byte, and folded to one convolution."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from onnx.inliner import inline_local_functions
from onnx.reference import ReferenceEvaluator

import cct
from cct.operator.qlinear_spec import VARIANTS
from tests.support.qlinear_cases import SMALL, draw_qlinear_case, qlinear_cases, telling_cases

KINDS = {
    "none": {},
    "add": {"residual": True},
    "table": {"tables": 1},
    "add_table": {"residual": True, "tables": 2},
}


def options(exact=True):
    made = onnxruntime.SessionOptions()
    made.log_severity_level = 4
    if exact:  # where the processor's products of int8 saturate, others are taken
        made.add_session_config_entry("session.x64quantprecision", "1")
    return made


def run(model, feeds, exact=True):
    session = cct.session(model.SerializeToString(), library=False, threads=1, options=options(exact))
    return session.run(None, feeds)[0]


def folded(model, path):
    """The operators of the graph that ONNX Runtime makes of a model."""
    own = options()
    own.optimized_model_filepath = str(path / "optimized.onnx")
    own.log_severity_level = 4
    cct.session(model.SerializeToString(), library=False, options=own)
    return [node.op_type for node in onnx.load(path / "optimized.onnx").graph.node]


def agree(case, exact=True):
    got, expected = run(case.model(), case.feeds(), exact), case.expected()
    assert got.dtype == np.uint8
    assert got.shape == expected.shape
    assert np.array_equal(got, expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_body_passes_the_checker(variant):
    case = draw_qlinear_case(0, **KINDS[variant])
    assert case.variant == variant
    onnx.checker.check_model(case.model(), full_check=True)


def test_every_case_has_the_bytes_of_its_meaning():
    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(qlinear_cases())
    def check(case):
        agree(case)

    check()


def test_values_that_tell_roundings_apart_agree():
    for case in telling_cases():
        agree(case)


def test_small_weights_need_no_option():
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(qlinear_cases(largest=SMALL))
    def check(case):
        agree(case, exact=False)

    check()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("size", [7, 28, 57])
def test_sizes_of_real_networks_agree(variant, size):
    agree(draw_qlinear_case(size, size, **KINDS[variant]))


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_kept_weight_and_no_image(variant):
    case = draw_qlinear_case(0, **KINDS[variant])
    p = case.packed
    nothing = {n: getattr(p, n)[:0] for n in ("W", "filters", "channels", "patterns")}
    agree(replace(case, packed=replace(p, **nothing)))
    z = None if case.z is None else case.z[:0]
    agree(replace(case, x=case.x[:0], z=z))


def test_onnxruntime_saturates_by_itself_or_not_at_all(capsys):
    """Without the option the body has the bytes of its meaning, or those of ONNX Runtime's own QLinearConv.

    x86-64 without VNNI adds products of int8 in pairs of int16, where 2 * 255 * 127 has no room.
    """
    case = draw_qlinear_case(0, scaling="spread", x="255")
    body = run(case.model(), case.feeds(), exact=False)
    dense = run(case.dense_model(), case.feeds(), exact=False)
    assert np.array_equal(body, dense)
    assert np.array_equal(run(case.dense_model(), case.feeds()), case.expected())
    if not np.array_equal(dense, case.expected()):
        with capsys.disabled():
            print(" ONNX Runtime's QLinearConv of int8 saturates on this processor ", end="")


@pytest.mark.parametrize("exact", [True, False])
def test_a_residual_needs_no_option(exact):
    agree(draw_qlinear_case(0, scaling="spread", x="255", residual=True), exact)


def test_the_body_folds_to_one_convolution(tmp_path):
    operators = folded(draw_qlinear_case(0, **KINDS["none"]).model(), tmp_path)
    assert sorted(set(operators) - {"Transpose"}) == ["QLinearConv"]
    assert operators.count("QLinearConv") == 1
    assert operators.count("Transpose") <= 2


def test_a_table_is_one_gather(tmp_path):
    operators = folded(draw_qlinear_case(0, **KINDS["table"]).model(), tmp_path)
    assert sorted(o for o in operators if o not in ("Transpose", "Add")) == ["Cast", "Gather", "QLinearConv"]


def test_a_residual_leaves_no_unpacking(tmp_path):
    operators = folded(draw_qlinear_case(0, **KINDS["add"]).model(), tmp_path)
    assert set(operators) <= {"ConvInteger", "Add", "Cast", "Mul", "Sub", "QuantizeLinear"}
    assert operators.count("ConvInteger") == 1


@pytest.mark.parametrize("variant", VARIANTS)
def test_onnx_reference_agrees(variant):
    """Its QLinearConv multiplies in float64 and rounds after the zero point is added: a step apart at ties."""
    for seed in range(3):
        case = draw_qlinear_case(seed, 6, scaling="spread", **KINDS[variant])
        if variant == "table":  # one that keeps a step a step
            falling = np.arange(256, dtype=np.uint8)[::-1].copy()
            case = replace(case, quantization=replace(case.quantization, table=falling))
        got = ReferenceEvaluator(inline_local_functions(case.model())).run(None, case.feeds())[0]
        apart = abs(got.astype(int) - case.expected())
        assert apart.max() <= (0 if "add" in variant else 1)
        assert (apart > 0).mean() < 0.01
