from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from cct.errors import CctError
from cct.measure.profile import profile
from tests.support.cases import draw_packed, draw_values


def test_a_profile_that_can_not_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime says nothing when the disk is full."""
    rng = np.random.default_rng(0)
    case = draw_values(rng, draw_packed(rng, out_channels=8, in_channels=4), (1, 4, 8, 8), {"pads": (1, 1, 1, 1)})
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(CctError, match=r"profile can't be written to .*: make room there, or set TMPDIR"):
        profile(case.model().SerializeToString(), lambda _: [shutil.rmtree(folder) for folder in tmp_path.iterdir()])
