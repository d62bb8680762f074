from __future__ import annotations

import numpy as np
import onnx

from cct.measure.proof import proof
from tests.support.cases import draw_packed, draw_values


def test_proof_counts_the_nodes_that_ran(tmp_path):
    rng = np.random.default_rng(0)
    case = draw_values(rng, draw_packed(rng, out_channels=8, in_channels=4), (2, 4, 8, 8), {"pads": (1, 1, 1, 1)})
    onnx.save(case.model(), tmp_path / "m.onnx")
    assert proof(tmp_path / "m.onnx", case.x) == 1
