from __future__ import annotations

import numpy as np
import onnx
from cases import draw_packed, draw_values

from cct.bench import Timing, compare, machine


def model(size: int) -> bytes:
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=16, in_channels=16)
    case = draw_values(rng, packed, (1, 16, size, size), {"pads": (1, 1, 1, 1)}, "relu")
    return case.model().SerializeToString()


def test_every_model_is_timed_in_turns():
    times = compare({"small": model(8), "large": model(200)}, rounds=5)
    assert list(times) == ["small", "large"]
    for timing in times.values():
        assert isinstance(timing, Timing)
        assert timing.runs == 10
        assert 0 < timing.low <= timing.median <= timing.high


def test_a_free_batch_takes_the_given_one(tmp_path):
    text = '<ir_version: 10, opset_import: ["": 18]> g (float[n,3,4,4] x) => (float[n,3,4,4] y) { y = Relu (x) }'
    onnx.save(onnx.parser.parse_model(text), tmp_path / "m.onnx")
    assert compare({"m": tmp_path / "m.onnx"}, batch=5, rounds=1)["m"].runs == 2


def test_the_machine_is_named():
    assert "cores" in machine()
