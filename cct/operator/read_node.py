"""A PatternConv node of a model that is not trusted, checked against the specification (docs/operator.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from cct.errors import OperatorError
from cct.operator.packed import Packed, check
from cct.operator.spec import CONSTANTS, LARGEST, NAME, VARIANTS, activation
from cct.operator.types import types_of_node

_INTS = ("kernel_shape", "strides", "pads", "dilations", "pool", "block")
_INT = ("group", "in_channels", "out_channels", "entries")
_FLOAT = ("clip_min", "clip_max")


def read_pattern_conv(node: ir.Node) -> tuple[Packed, NDArray[np.floating]]:
    """Packed weights and bias of a PatternConv node in a model, checked against the specification.

    Raises:
        OperatorError: an input or attribute is missing, has the wrong type, or breaks a rule; names the node.
    """
    try:
        values = {a.name: a.value for a in node.attributes.values() if not a.is_ref()}
        missing = [n for n in (*_INTS, *_INT, *_FLOAT, "layout") if n not in values]
        if missing:
            raise OperatorError(f"attribute {missing[0]} is missing")
        kinds = dict.fromkeys(_INTS, ir.AttributeType.INTS) | dict.fromkeys(_INT, ir.AttributeType.INT)
        kinds |= dict.fromkeys(_FLOAT, ir.AttributeType.FLOAT) | {"layout": ir.AttributeType.STRING}
        for name, kind in kinds.items():
            if node.attributes[name].type != kind:
                raise OperatorError(f"attribute {name} is {node.attributes[name].type.name}; must be {kind.name}")
        if values["layout"] != "NCHW":
            raise OperatorError(f"layout {values['layout']!r} is not known; NCHW is")
        for name, length in (("kernel_shape", 2), ("strides", 2), ("pads", 4), ("dilations", 2), ("block", 2)):
            low = 0 if name == "pads" else 1
            if len(values[name]) != length or min(values[name]) < low or max(values[name]) > LARGEST:
                raise OperatorError(f"{name} {list(values[name])}: must be {length} numbers from {low} to {LARGEST}")
        _check_form(node.op_type, values["clip_min"], values["clip_max"], node.inputs)
        entries = values["entries"]
        if entries < 1 or not values["pool"] or len(values["pool"]) % entries:
            raise OperatorError(f"pool of {len(values['pool'])} positions does not divide into {entries} entries each")
        arrays = {}
        for name, value in zip(CONSTANTS, node.inputs[1:], strict=False):
            if value is None or value.const_value is None or value.is_graph_input():
                raise OperatorError(f"input {name} must be a constant initializer")
            try:
                arrays[name] = value.const_value.numpy()
            except Exception as error:  # onnx_ir raises many kinds
                raise OperatorError(f"input {name} does not hold what its type and shape say") from error
        bias = arrays.pop("B")
        packed = Packed(
            **arrays,
            pool=np.array(values["pool"], np.int64).reshape(-1, entries),
            block=(values["block"][0], values["block"][1]),
            kernel_shape=(values["kernel_shape"][0], values["kernel_shape"][1]),
            group=values["group"],
            in_channels=values["in_channels"],
            out_channels=values["out_channels"],
        )
        dtypes = {
            "filters": np.int32,
            "channels": np.int32,
            "patterns": np.uint8,
            "order": np.int32,
            "in_order": np.int32,
        }
        for name, dtype in dtypes.items():
            if arrays[name].dtype != dtype:
                raise OperatorError(f"{name} is {arrays[name].dtype}; must be {np.dtype(dtype)}")
        _check_types(packed.W, bias, [value for value in (node.inputs[0], *node.inputs[8:]) if value is not None])
        check(packed)
        if bias.shape != (packed.out_channels,):
            raise OperatorError(f"B {bias.shape}: must be ({packed.out_channels},)")
    except OperatorError as error:
        raise OperatorError(f"{NAME} {node.name!r}: {error}") from error
    return packed, bias


def _check_form(name: str, clip_min: float, clip_max: float, inputs: Sequence[ir.Value | None]) -> None:
    """The name says what follows the convolution, for the body; the attributes and inputs must say the same."""
    if not clip_min <= clip_max:
        raise OperatorError(f"clip_min {clip_min} must be at most clip_max {clip_max}")
    act, _, add = next(variant for variant, own in VARIANTS.items() if own == name).partition("_")
    if act not in ("clip", activation(clip_min, clip_max)):
        raise OperatorError(f"clip_min {clip_min} and clip_max {clip_max} are not what {name} does")
    wanted = 1 + len(CONSTANTS) + bool(add)
    if len(inputs) != wanted or None in inputs:
        raise OperatorError(f"{len(inputs) - list(inputs).count(None)} inputs; {name} has {wanted}")


def _check_types(weight: NDArray[Any], bias: NDArray[Any], images: list[ir.Value]) -> None:
    """B and W are of a row of `TYPES`, and X and Z too."""
    types = types_of_node(str(bias.dtype), str(weight.dtype))
    for value in images:
        if value.dtype is not None and value.dtype != ir.DataType.from_numpy(np.dtype(types.activations)):
            raise OperatorError(f"{value.name} is {value.dtype.name} and B {bias.dtype}; must be one type")
