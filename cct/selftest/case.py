"""Whole PatternConv cases: a call with values from a seed, what it means, and how far a routine may be from that."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from cct.operator import spec
from cct.operator.body import body
from cct.operator.packed import Packed, check
from cct.operator.reference import reference
from cct.operator.types import TYPES

EPS = 2.0**-23
TF32_ROUNDING = (1 + 2.0**-11) ** 2 - 1  # of a product, whose factors are each rounded to 11 bits
CLIPS = {"none": (-math.inf, math.inf), "relu": (0.0, math.inf), "clip": (-0.25, 1.5)}


@dataclass(frozen=True)
class Case:
    """One call of the operator: input, packed weights, bias, residual and attributes."""

    x: NDArray[np.floating]
    packed: Packed
    bias: NDArray[np.floating]
    z: NDArray[np.floating] | None
    geometry: dict[str, Any]
    act: str

    def cast(self, types: str) -> Case:
        """The same case with its values rounded to one of `TYPES`."""
        row = TYPES[types]
        z = None if self.z is None else self.z.astype(row.activations)
        packed = replace(self.packed, W=self.packed.W.astype(row.weights))
        return replace(self, x=self.x.astype(row.activations), packed=packed, bias=self.bias.astype(row.bias), z=z)

    @property
    def clip(self) -> dict[str, Any]:
        """The activation, as attributes."""
        return dict(zip(("clip_min", "clip_max"), CLIPS[self.act], strict=True))

    def expected(self) -> NDArray[np.float64]:
        """What the operator means."""
        return reference(self.x, self.packed, self.bias, self.z, **self.geometry, **self.clip)

    def bound(self, factor: float = 8 * EPS, rounding: float = 0.0) -> NDArray[np.float64]:
        """The error that a routine may make.

        factor * (conv(|X|, |W|) + |B| + |Z|), half a step of a float16 Y, and rounding * conv(|X|, |W|) where it rounds
        X and W before it multiplies them.
        """
        packed = replace(self.packed, W=abs(self.packed.W))
        z = None if self.z is None else abs(self.z)
        error = factor * reference(abs(self.x), packed, abs(self.bias), z, **self.geometry)
        if rounding:
            error += rounding * reference(abs(self.x), packed, 0 * self.bias, **self.geometry)
        return error if self.x.dtype == np.float32 else error + half_step(abs(self.expected()) + error)

    @property
    def products(self) -> int:
        """Products that a single output may sum: n of the bound for constant and positive data."""
        p = self.packed
        return p.in_channels // p.group * p.kernel_shape[0] * p.kernel_shape[1]

    def feeds(self) -> dict[str, NDArray[np.floating]]:
        """Inputs of `model`."""
        return {"X": self.x} if self.z is None else {"X": self.x, "Z": self.z}

    def model(self) -> onnx.ModelProto:
        """A model of this one node, with its function."""
        variant = self.act + ("" if self.z is None else "_add")
        helper = onnx.helper
        inputs = ["X", *spec.CONSTANTS, *([] if self.z is None else ["Z"])]
        attributes = spec.attributes(self.packed, **self.geometry, **self.clip)
        node = helper.make_node(spec.VARIANTS[variant], inputs, ["Y"], domain=spec.DOMAIN, **attributes)
        arrays = {n: self.bias if n == "B" else getattr(self.packed, n) for n in spec.CONSTANTS}
        kind = helper.np_dtype_to_tensor_dtype(self.x.dtype)
        graph = helper.make_graph(
            [node],
            "case",
            [helper.make_tensor_value_info(n, kind, a.shape) for n, a in self.feeds().items()],
            [helper.make_tensor_value_info("Y", kind, self.expected().shape)],
            [onnx.numpy_helper.from_array(a, n) for n, a in arrays.items()],
        )
        return helper.make_model(
            graph,
            functions=[ir.serde.serialize_function(body(variant))],
            opset_imports=[helper.make_opsetid("", spec.OPSET), helper.make_opsetid("cct", spec.VERSION)],
            ir_version=spec.IR_VERSION,
        )


def half_step(magnitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """What rounding to float16 may change: 11 bits are kept, and nothing below 2^-24."""
    return np.maximum(magnitude * 2.0**-11, 2.0**-25)


def draw_packed(
    rng: np.random.Generator,
    *,
    out_channels: int,
    in_channels: int,
    group: int = 1,
    kernel: tuple[int, int] = (3, 3),
    entries: int = 4,
    patterns: int = 8,
    block: tuple[int, int] = (4, 1),
    keep: float = 0.5,
) -> Packed:
    """Random packed weights, normal values: permuted orders, padding anywhere, kernels of several patterns."""
    taps = kernel[0] * kernel[1]
    every = list(itertools.islice(itertools.combinations(rng.permutation(taps).tolist(), entries), 500))
    chosen = rng.choice(len(every), min(patterns, len(every)), replace=False)
    pool = np.array([sorted(every[i]) for i in chosen], np.int64)
    orders, blocks = [], []
    for channels, size in ((out_channels, block[0]), (in_channels, block[1])):
        count = -(-(channels // group) // size)
        blocks.append(count)
        places = np.full((group, count * size), -1, np.int32)
        for g in range(group):
            at = rng.permutation(count * size)[: channels // group]
            places[g, at] = rng.permutation(channels // group) + g * (channels // group)
        orders.append(places)
    rows = []
    for f, c in itertools.product(range(group * blocks[0]), range(blocks[1])):
        used: set[int] = set()
        if rng.random() < keep:
            for p in rng.permutation(len(pool))[: 1 + rng.integers(2)].tolist():
                if not used & set(pool[p].tolist()):
                    used |= set(pool[p].tolist())
                    rows.append((f, c, p))
    filters, channels, ids = np.array(sorted(rows), np.int32).reshape(-1, 3).T
    weights = rng.standard_normal((len(rows), block[1], entries, block[0])).astype(np.float32)
    order, in_order = (places.reshape(-1) for places in orders)
    weights[np.broadcast_to((order.reshape(-1, block[0])[filters] < 0)[:, None, None, :], weights.shape)] = 0
    inputs = in_order.reshape(-1, block[1])[filters // blocks[0] * blocks[1] + channels]
    weights[np.broadcast_to((inputs < 0)[:, :, None, None], weights.shape)] = 0
    packed = Packed(
        W=weights.reshape(-1, block[1] * entries, block[0]),
        filters=np.ascontiguousarray(filters),
        channels=np.ascontiguousarray(channels),
        patterns=ids.astype(np.uint8),
        order=order,
        in_order=in_order,
        pool=pool,
        block=block,
        kernel_shape=kernel,
        group=group,
        in_channels=in_channels,
        out_channels=out_channels,
    )
    check(packed)
    return packed


def draw_values(
    rng: np.random.Generator,
    packed: Packed,
    shape: tuple[int, ...],
    geometry: dict[str, Any],
    act: str = "none",
    residual: bool = False,
) -> Case:
    """A case with normal X, B and Z."""
    x = rng.standard_normal(shape).astype(np.float32)
    bias = rng.standard_normal(packed.out_channels).astype(np.float32)
    case = Case(x, packed, bias, None, geometry, act)
    if residual:
        case = replace(case, z=rng.standard_normal(case.expected().shape).astype(np.float32))
    return case
