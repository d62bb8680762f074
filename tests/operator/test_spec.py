"""Names and attributes of the operator."""

from __future__ import annotations

import math

from cct.operator.spec import activation


def test_the_activation_follows_from_the_clip():
    assert activation(-math.inf, math.inf) == "none"
    assert activation(0, math.inf) == "relu"
    assert activation(0, 6) == "clip"
