from __future__ import annotations

import numpy as np
import onnx
import pytest

import cct
from cct.errors import CctError
from cct.measure.interleaved import compare
from cct.runtime.random_feeds import random_feeds
from tests.support.cases import draw_packed, draw_values


def model(size: int = 8, outputs: int = 16) -> bytes:
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=outputs, in_channels=16)
    case = draw_values(rng, packed, (1, 16, size, size), {"pads": (1, 1, 1, 1)}, "relu")
    return case.model().SerializeToString()


def parsed(signature: str, body: str, opset: int = 18) -> bytes:
    text = f'<ir_version: 10, opset_import: ["": {opset}]> g {signature} {{ {body} }}'
    return onnx.parser.parse_model(text).SerializeToString()


def test_every_model_is_timed_in_turns():
    times = compare({"large": model(outputs=512), "small": model()}, rounds=5)
    assert list(times.models) == ["large", "small"]
    for timing in times.models.values():
        assert timing.clock == "cpu"
        assert timing.runs >= 10
        assert 0 < timing.ms <= timing.median <= timing.high
    assert list(times.ratios) == ["small"]
    assert times.ratios["small"].seen == times.models["large"].ms / times.models["small"].ms


def test_several_threads_are_timed_by_the_wall_clock():
    assert compare({"m": model()}, threads=2, rounds=2).models["m"].clock == "wall"


FOUR = "s = Constant <value_ints: ints = [1, 4]> ()"
FREE = parsed("(float[n,3,h,w] x) => (float[n,3,h,w] y)", "y = Relu (x)")
FIXED = parsed("(float[1,3,4,4] x) => (float[1,3,4,4] y)", "y = Relu (x)")


def test_free_dimensions_take_what_is_given():
    assert random_feeds(cct.session(FREE), 5, 0, (6, 7))["x"].shape == (5, 3, 6, 7)
    assert random_feeds(cct.session(FIXED), 5, 0, (6, 7))["x"].shape == (1, 3, 4, 4)
    assert compare({"m": FREE, "n": FIXED}, size=(4, 4), rounds=1).models["m"].runs >= 2


@pytest.mark.parametrize(
    ("models", "batch", "message"),
    [
        ({"m": FREE}, 1, "dimension 2: give --size"),
        ({"m": model(8), "n": model(9)}, 1, "m takes 1x16x8x8 and n 1x16x9x9"),
        ({"m": parsed("(float[n,k] x) => (float[n,k] y)", "y = Relu (x)")}, 1, "dimension 1: give a file with fixed"),
        ({"m": parsed("(string[1] x) => (string[1] y)", "y = Identity (x)")}, 1, "numbers only"),
        ({"m": parsed("(float[n,2] x) => (float[1,4] y)", f"{FOUR} y = Reshape (x, s)")}, 3, "m does not run on 3x2"),
    ],
)
def test_inputs_that_can_not_be_made_or_compared(models, batch, message):
    with pytest.raises(CctError, match=message) as caught:
        compare(models, batch=batch, rounds=1)
    assert "\n" not in str(caught.value)


def test_several_inputs_of_several_types():
    text = "(float[n,4] x, int64[2] at, bool[n,4] keep) => (float[n,2] y)"
    body = "z = Constant <value_float: float = 0.0> () k = Where (keep, x, z) y = Gather <axis: int = 1> (k, at)"
    assert compare({"m": parsed(text, body)}, batch=3, rounds=1).models["m"].runs >= 2
