from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from cct.errors import CctError
from cct.measure.parity import check_parity, parity, relative_error
from cct.operator.types import TYPES
from tests.support.cases import draw_packed, draw_values

RNG = np.random.default_rng(0)
LOGITS = RNG.standard_normal((64, 10)).astype(np.float32)


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    return draw_values(rng, draw_packed(rng, out_channels=8, in_channels=4), (2, 4, 8, 8), {"pads": (1, 1, 1, 1)})


@pytest.mark.parametrize("masked", [1, 5, 9])
@pytest.mark.parametrize("value", [-1e9, 1e30, -3e4])
def test_large_outputs_hide_nothing(masked, value):
    """Another network, both with the same masked classes."""
    a, b = LOGITS.copy(), RNG.standard_normal((64, 10)).astype(np.float32)
    a[:, :masked] = b[:, :masked] = value
    assert relative_error(a, b) > 0.5
    assert float(abs(a - b).max() / abs(b).max()) < 1e-3  # by the largest of all outputs they were alike


@pytest.mark.parametrize("images", [1, 30])
def test_images_with_large_answers_hide_nothing(images):
    a, b = LOGITS.copy(), RNG.standard_normal((64, 10)).astype(np.float32)
    a[:images] = b[:images] = 1e9
    assert relative_error(a, b) > 0.5


def test_every_axis_has_its_own_scale():
    """Boxes in pixels beside scores, whichever way round."""
    scores = RNG.random((4, 50, 3))
    boxes = np.concatenate([np.full((4, 50, 4), 640.0), scores], axis=2)
    other = np.concatenate([np.full((4, 50, 4), 640.0), scores[::-1]], axis=2)
    assert relative_error(boxes, other) > 0.3
    assert relative_error(boxes.transpose(0, 2, 1), other.transpose(0, 2, 1)) > 0.3


def test_rounding_is_no_error():
    for scale in (1e-6, 1.0, 1e6):
        b = (LOGITS * scale).astype(np.float32)
        assert relative_error(b * np.float32(1 + 1e-6), b) < 2e-5
    b = LOGITS.copy()
    b[:, 3] = 1e-7 * LOGITS[:, 3]  # an output that is always next to nothing
    assert relative_error(b + np.float32(1e-7), b) < 1e-4
    assert relative_error(np.zeros((3, 4)), np.zeros((3, 4))) == 0
    assert relative_error(np.full((3, 4), 1e-9), np.zeros((3, 4))) < 1e-6
    assert relative_error(np.zeros((3, 0)), np.zeros((3, 0))) == 0


def test_what_is_added_to_all_classes_hides_nothing():
    offset = np.float32(2e5)
    assert relative_error(LOGITS + offset, -LOGITS + offset) > 0.5
    assert relative_error(LOGITS + offset, LOGITS + offset) == 0


def test_one_place_is_enough():
    a = LOGITS.copy()
    a[63, 9] += 1
    assert relative_error(a, LOGITS) > 0.1


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_no_agreement(odd):
    a = LOGITS.copy()
    a[17, 4] = odd
    for pair in ((a, LOGITS), (LOGITS, a), (a, a)):
        assert math.isnan(relative_error(*pair))
        with pytest.raises(CctError, match="answers wrongly"):
            check_parity({"body": relative_error(*pair)}, TYPES["float32"])


def test_all_ways_agree(case, tmp_path):
    onnx.save(case.model(), tmp_path / "m.onnx")
    errors = parity(tmp_path / "m.onnx", [case.x, case.x[:1]])
    assert set(errors) == {"body", "body one by one", "one by one", "onnx.reference"}
    assert max(errors.values()) < 1e-5


def test_weights_of_another_network(case, tmp_path):
    onnx.save(case.model(), tmp_path / "m.onnx")
    with pytest.raises(CctError, match="it is of another network"):
        parity(tmp_path / "m.onnx", [case.x], torch.nn.Conv2d(4, 3, 1))


def test_a_model_that_takes_one_image_at_a_time(case, tmp_path):
    one = replace(case, x=case.x[:1])
    onnx.save(one.model(), tmp_path / "m.onnx")
    errors = parity(tmp_path / "m.onnx", [np.concatenate([case.x, case.x])])
    assert set(errors) == {"body", "body one by one", "one by one", "onnx.reference"}
    assert max(errors.values()) < 1e-5


def test_a_model_whose_answer_depends_on_the_batch(tmp_path):
    text = """<ir_version: 10, opset_import: ["": 18]> g (float[n,3,8,8] x) => (float[n,3,8,8] y)
    { axes = Constant <value_ints: ints = [0]> () mean = ReduceMean (x, axes) y = Sub (x, mean) }"""
    onnx.save(onnx.parser.parse_model(text), tmp_path / "m.onnx")
    images = RNG.standard_normal((4, 3, 8, 8)).astype(np.float32)
    assert parity(tmp_path / "m.onnx", [images], reference=False)["one by one"] > 0.5
