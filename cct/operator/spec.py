"""`cct::PatternConv`: its names, versions, attributes and limits (docs/operator.md).

Y = act(conv(X, unpack(W)) + B [+ Z])
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cct.operator.packed import Packed  # needs numpy, which `cct --help` does without

DOMAIN = "cct"
NAME = "PatternConv"
VARIANTS = {  # activation, with or without a residual; names, since onnxruntime 1.18 mixes up overloads of one name
    "none": NAME,
    "relu": f"{NAME}Relu",
    "clip": f"{NAME}Clip",
    "none_add": f"{NAME}Add",
    "relu_add": f"{NAME}AddRelu",
    "clip_add": f"{NAME}AddClip",
}
NAMES = frozenset(VARIANTS.values())
VERSION = 1
OPSET = 18  # of everything else in the file; the bodies need 18 (ScatterElements with add), the oldest runtime takes 21
LARGEST = 65535  # of kernel_shape, strides, pads, dilations, block: no product of two overflows anywhere
IR_VERSION = 10  # the newest that the oldest runtime reads
INDICES = ("filters", "channels", "patterns", "order", "in_order")
CONSTANTS = ("W", *INDICES, "B")  # inputs 1 to 7
LAYOUT = "NCHW"  # the only value of the attribute
INTS = ("kernel_shape", "strides", "pads", "dilations", "pool", "block")
INT = ("group", "in_channels", "out_channels", "entries")
FLOAT = ("clip_min", "clip_max")
ATTRIBUTES = (*INTS, *INT, *FLOAT, "layout")


def activation(clip_min: float, clip_max: float) -> str:
    """Which body the two clip attributes ask for: none, relu or clip."""
    return {(-math.inf, math.inf): "none", (0.0, math.inf): "relu"}.get((clip_min, clip_max), "clip")


def attributes(
    packed: Packed,
    strides: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilations: tuple[int, int] = (1, 1),
    clip_min: float = -math.inf,
    clip_max: float = math.inf,
) -> dict[str, Any]:
    """All attributes of a PatternConv node, in the order of the specification."""
    return {
        **convolution_attributes(packed, strides, pads, dilations),
        "clip_min": float(clip_min),
        "clip_max": float(clip_max),
        "layout": LAYOUT,
    }


def convolution_attributes(
    packed: Packed,
    strides: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilations: tuple[int, int] = (1, 1),
) -> dict[str, Any]:
    """The attributes that say how the weights are packed and where they are applied, whatever the numbers are."""
    return {
        "kernel_shape": list(packed.kernel_shape),
        "strides": list(strides),
        "pads": list(pads),
        "dilations": list(dilations),
        "pool": packed.pool.reshape(-1).tolist(),
        "block": list(packed.block),
        "group": packed.group,
        "in_channels": packed.in_channels,
        "out_channels": packed.out_channels,
        "entries": packed.entries,
    }
