"""Whole QLinearPatternConv cases: any shape that the operator allows, with values that meet clamps and ties."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from hypothesis import strategies as st
from numpy.typing import NDArray

from cct.operator import spec
from cct.operator.packed import Packed, unpack
from cct.operator.qlinear_body import qlinear_body
from cct.operator.qlinear_reference import qlinear_reference
from cct.operator.qlinear_spec import VARIANTS, attributes, choose_variant, inputs
from cct.operator.quantization import LARGEST, LARGEST_SUM, SMALLEST, Quantization, check_quantization
from cct.operator.reference import convolve
from tests.support.cases import convolutions, draw_packed

Bytes = NDArray[np.uint8]

# Outputs often at n + 1/2; all over 0..255; at the zero point; clamped; all over, by scales far from 1.
SCALINGS = ("ties", "spread", "tiny", "huge", "far scales")
ENDS = {"tiny": SMALLEST, "huge": LARGEST}  # of M and S
ZERO_POINTS = (0, 1, 127, 128, 255)
BIASES = ("like sums", "as large as may be", "beyond float32")
SMALL = 64  # weights up to here never make a pair of products pass int16


@dataclass(frozen=True)
class QLinearCase:
    """One call of the operator: input, packed weights, bias, quantization, residual and attributes."""

    x: Bytes
    packed: Packed
    bias: NDArray[np.int32]
    quantization: Quantization
    z: Bytes | None
    geometry: dict[str, Any]

    @property
    def variant(self) -> str:
        return choose_variant(self.z is not None, self.quantization.table is not None)

    def expected(self) -> Bytes:
        """What the operator means."""
        return qlinear_reference(self.x, self.packed, self.bias, self.quantization, self.z, **self.geometry)

    def feeds(self) -> dict[str, Bytes]:
        """Inputs of `model`."""
        return {"X": self.x} if self.z is None else {"X": self.x, "Z": self.z}

    def model(self) -> onnx.ModelProto:
        """A model of this one node, with its function."""
        names = inputs(self.variant)
        node = onnx.helper.make_node(
            VARIANTS[self.variant], names, ["Y"], domain=spec.DOMAIN, **attributes(self.packed, **self.geometry)
        )
        return self._model(node, [ir.serde.serialize_function(qlinear_body(self.variant))])

    def dense_model(self) -> onnx.ModelProto:
        """ONNX Runtime's own QLinearConv of the dense weight: what the case is without residual and table."""
        names = ("X", "x_scale", "x_zero_point", "dense", "w_scale", "w_zero_point", "y_scale", "y_zero_point", "B")
        node = onnx.helper.make_node("QLinearConv", names, ["Y"], group=self.packed.group, **self.geometry)
        return self._model(node, [])

    def _model(self, node: onnx.NodeProto, functions: list[onnx.FunctionProto]) -> onnx.ModelProto:
        helper = onnx.helper
        arrays = {
            **vars(self.packed),
            **vars(self.quantization),
            "B": self.bias,
            "dense": unpack(self.packed),
            "w_zero_point": np.zeros(self.packed.out_channels, np.int8),
        }
        uint8 = onnx.TensorProto.UINT8
        graph = helper.make_graph(
            [node],
            "case",
            [helper.make_tensor_value_info(n, uint8, a.shape) for n, a in self.feeds().items()],
            [helper.make_tensor_value_info("Y", uint8, self.expected().shape)],
            [onnx.numpy_helper.from_array(np.asarray(arrays[n]), n) for n in node.input if n not in self.feeds()],
        )
        return helper.make_model(
            graph,
            functions=functions,
            opset_imports=[helper.make_opsetid("", spec.OPSET), helper.make_opsetid("cct", spec.VERSION)],
            ir_version=spec.IR_VERSION,
        )


def draw_qlinear_values(
    rng: np.random.Generator,
    packed: Packed,
    shape: tuple[int, ...],
    geometry: dict[str, Any],
    *,
    scaling: str = "ties",
    residual: bool = False,
    tables: int = 0,
    largest: int = 127,
    bias: str = "like sums",
    x: str = "any",
) -> QLinearCase:
    """A case of random bytes.

    Args:
        rng, packed: as `draw_packed` leaves them; the values of the weights are drawn anew.
        shape, geometry: of X; strides, pads and dilations.
        scaling: one of SCALINGS.
        residual: whether there is a Z.
        tables: 0, 1 for all channels, or one each.
        largest: of the weights' absolute values; 127 draws -128 too.
        bias: one of BIASES.
        x: "any", or "255" everywhere.
    """
    kept = rng.integers(-largest - (largest == 127), largest + 1, packed.W.shape)
    packed = replace(packed, W=np.where(packed.W != 0, kept, 0).astype(np.int8))
    weight = unpack(packed).astype(np.int64)
    room = LARGEST_SUM - 255 * abs(weight).sum((1, 2, 3))
    images = np.full(shape, 255, np.uint8) if x == "255" else rng.integers(0, 256, shape).astype(np.uint8)
    x_zero_point, y_zero_point, z_zero_point = (np.array(v, np.uint8) for v in rng.choice(ZERO_POINTS, 3))
    sums = convolve(images.astype(np.int64) - int(x_zero_point), weight, packed.group, **geometry)
    biases, odd, spread = _draw_bias(rng, bias, sums, room)

    def scale(value: Any) -> NDArray[np.float32]:
        return np.asarray(value, np.float32)

    y_scale, x_scale = (scale(s) for s in 2.0 ** rng.uniform(-9, 9, 2))
    if scaling == "ties":  # M = 1 / (2 * odd), but for the last bits
        ratio = 1 / (2 * odd)
    elif scaling == "spread":
        ratio = rng.uniform(50, 300, len(spread)) / spread
    elif scaling == "far scales":
        x_scale, y_scale, ratio = scale(2.0**100), scale(1.5 * 2.0**126), np.minimum(1, 128 / spread)
    else:
        ratio = np.full(len(spread), ENDS[scaling])
        x_scale = y_scale = scale(max(float(y_scale), 1))
    w_scale = scale(ratio * float(y_scale) / float(x_scale))
    quantization = Quantization(np.asarray(x_scale), x_zero_point, w_scale, np.asarray(y_scale), y_zero_point)
    z = None
    if residual:
        step = ENDS.get(scaling, 1 / (2 * rng.choice([1, 3, 5, 7, 9])))
        quantization = replace(quantization, z_scale=scale(step * float(y_scale)), z_zero_point=z_zero_point)
        z = rng.integers(0, 256, sums.shape).astype(np.uint8)
    if tables:
        size = (256,) if tables == 1 else (packed.out_channels, 256)
        quantization = replace(quantization, table=rng.integers(0, 256, size).astype(np.uint8))
    check_quantization(packed, biases.astype(np.int32), quantization)
    return QLinearCase(images, packed, biases.astype(np.int32), quantization, z, geometry)


def _draw_bias(rng: np.random.Generator, kind: str, sums: Any, room: Any) -> tuple[Any, Any, Any]:
    """For each channel a bias, an odd number (sums that it divides are ties of M = 1 / (2 * odd)), the largest sum."""
    spread = np.maximum(abs(sums).max((0, 2, 3)), 1) if sums.size else np.ones(len(room), np.int64)
    if kind == "beyond float32":  # 25 bits and more, and the last output of each channel within 3 of a tie
        odd = 2 * rng.integers(2**18, 2**20, len(room)) + 1
        last = sums[-1, :, -1, -1] if sums.size else 0
        biases = odd * (2 * rng.integers(64, 127, len(room)) + 1) - last + rng.integers(-3, 4, len(room))
        biases = np.clip(biases, -room, room)
        return biases, odd, spread + abs(biases)
    if kind == "like sums":
        within = np.minimum(spread, room)
        biases = rng.integers(-within, within + 1)
    else:
        biases = rng.choice([-1, 1], len(room)) * room
    spread = spread + abs(biases)
    return biases, 2 * (spread * rng.uniform(0.5, 2) // 512) + 1, spread


@st.composite
def qlinear_cases(draw: st.DrawFn, max_size: int = 16, largest: int = 127) -> QLinearCase:
    """Hypothesis chooses shapes, attributes, masks, kinds of values and a seed."""
    return draw_qlinear_values(
        *draw(convolutions(max_size)),
        scaling=draw(st.sampled_from(SCALINGS)),
        residual=draw(st.booleans()),
        tables=draw(st.sampled_from([0, 0, 1, 2])),
        largest=draw(st.sampled_from([v for v in (1, SMALL, 127) if v <= largest])),
        bias=draw(st.sampled_from(BIASES)),
        x=draw(st.sampled_from(["any", "any", "255"])),
    )


def draw_qlinear_case(seed: int, size: int = 12, out_channels: int = 16, **kind: Any) -> QLinearCase:
    """A case of 3x3 kernels on 16 channels in two groups, padded."""
    rng = np.random.default_rng(seed)
    packed = draw_packed(rng, out_channels=out_channels, in_channels=16, group=2)
    geometry = {"strides": (1, 1), "pads": (1, 1, 1, 1), "dilations": (1, 1)}
    return draw_qlinear_values(rng, packed, (1, 16, size, size), geometry, **kind)


def telling_cases() -> Iterator[QLinearCase]:
    """Cases whose bytes tell the meaning from others that are close to it, as `test_qlinear_reference.py` shows."""
    for seed, (largest, bias, residual) in enumerate(itertools.product((1, 5, SMALL, 127), BIASES, (False, True))):
        yield draw_qlinear_case(seed, residual=residual, largest=largest, bias=bias)
