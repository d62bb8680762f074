from __future__ import annotations

import numpy as np
import onnx
import pytest

import cct
from cct.errors import CctError
from cct.measure.run_session import not_finite, run
from tests.support.cases import draw_packed, draw_values


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    return draw_values(rng, draw_packed(rng, out_channels=8, in_channels=4), (2, 4, 8, 8), {"pads": (1, 1, 1, 1)})


def parsed(signature, body):
    text = f'<ir_version: 10, opset_import: ["": 18]> g {signature} {{ {body} }}'
    return cct.session(onnx.parser.parse_model(text).SerializeToString())


def test_a_session_with_a_fixed_batch_takes_any_number_of_images(case):
    opened = cct.session(case.model().SerializeToString())
    images = np.random.default_rng(1).standard_normal((5, 4, 8, 8)).astype(np.float32)
    parts = [opened.run(None, {"X": np.stack([i, i])})[0][:1] for i in images]
    assert np.array_equal(run(opened, images)[0], np.concatenate(parts))


def test_images_of_another_shape_are_refused(case):
    opened = cct.session(case.model().SerializeToString())
    with pytest.raises(CctError, match="the data has"):
        run(opened, np.zeros((1, 3, 8, 8), np.float32))


@pytest.mark.parametrize(
    ("signature", "body", "message"),
    [
        ("(float16[n,3,8,8] x) => (float16[n,3,8,8] y)", "y = Relu (x)", "takes tensor.float16.: it must take"),
        ("(float[n,3,8,8] x, float[n] z) => (float[n,3,8,8] y)", "y = Relu (x)", "takes tensor.float., tensor.float.:"),
        ("(float[99999999,3,8,8] x) => (float[99999999,3,8,8] y)", "y = Relu (x)", "99999999x3x8x8 is too large"),
        ("() => (float[2] y)", "y = Constant <value_floats: floats = [1.0, 2.0]> ()", "takes nothing"),
        ("(float[n,3,8,8] x) => (seq(float[n,3,8,8]) y)", "y = SequenceConstruct (x)", "answers a list"),
        ("(float[n,c,h,w] x) => (float[n,5] y)", "s = Constant <value_ints = [-1, 5]> () y = Reshape (x, s)", "run"),
    ],
)
def test_models_of_others_that_take_no_images(signature, body, message):
    with pytest.raises(CctError, match=message):
        run(parsed(signature, body), np.zeros((2, 3, 8, 8), np.float32))


def test_an_output_of_the_whole_batch_is_the_answer_to_each_image():
    body = "y = Relu (x) z = ReduceMax <keepdims: int = 0> (x)"
    opened = parsed("(float[n,3,8,8] x) => (float[n,3,8,8] y, float z)", body)
    images = np.zeros((3, 3, 8, 8), np.float32)
    images[1] = np.inf
    outputs = run(opened, images)
    assert [output.shape for output in outputs] == [(3, 3, 8, 8), (3,)]
    assert not_finite(outputs[:1]).tolist() == [False, True, False]
    assert not_finite(outputs).all()
