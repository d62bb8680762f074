"""What nodes of ours hold, whatever their numbers: attributes and packed weights, of a model that is not trusted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from cct.errors import OperatorError
from cct.operator.packed import Packed
from cct.operator.spec import FLOAT, INDICES, INT, INTS, LARGEST, LAYOUT

_KINDS = {
    **dict.fromkeys(INTS, ir.AttributeType.INTS),
    **dict.fromkeys(INT, ir.AttributeType.INT),
    **dict.fromkeys(FLOAT, ir.AttributeType.FLOAT),
    "layout": ir.AttributeType.STRING,
}


def read_attributes(node: ir.Node, names: Collection[str]) -> dict[str, Any]:
    """The attributes of these names, each of its type and length.

    Raises:
        OperatorError: one is missing, or not what the specification says.
    """
    values = {a.name: a.value for a in node.attributes.values() if not a.is_ref()}
    missing = [n for n in names if n not in values]
    if missing:
        raise OperatorError(f"attribute {missing[0]} is missing")
    for name in names:
        if node.attributes[name].type != _KINDS[name]:
            raise OperatorError(f"attribute {name} is {node.attributes[name].type.name}; must be {_KINDS[name].name}")
    if values["layout"] != LAYOUT:
        raise OperatorError(f"layout {values['layout']!r} is not known; {LAYOUT} is")
    for name, length in (("kernel_shape", 2), ("strides", 2), ("pads", 4), ("dilations", 2), ("block", 2)):
        low = 0 if name == "pads" else 1
        if len(values[name]) != length or min(values[name]) < low or max(values[name]) > LARGEST:
            raise OperatorError(f"{name} {list(values[name])}: must be {length} numbers from {low} to {LARGEST}")
    return values


def read_packed(
    values: Mapping[str, Any], inputs: Mapping[str, ir.Value | None]
) -> tuple[Packed, dict[str, NDArray[Any]]]:
    """The packed weights, which `cct.operator.packed.check` has yet to see, and the other constants.

    Args:
        values: of `read_attributes`.
        inputs: the constants of the node by their names, all of `Packed` among them.

    Raises:
        OperatorError: an input is no constant, or an index has the wrong type.
    """
    entries = values["entries"]
    if entries < 1 or not values["pool"] or len(values["pool"]) % entries:
        raise OperatorError(f"pool of {len(values['pool'])} positions does not divide into {entries} entries each")
    arrays = {}
    for name, value in inputs.items():
        if value is None or value.const_value is None or value.is_graph_input():
            raise OperatorError(f"input {name} must be a constant initializer")
        try:
            arrays[name] = value.const_value.numpy()
        except Exception as error:  # onnx_ir raises many kinds
            raise OperatorError(f"input {name} does not hold what its type and shape say") from error
    packed = Packed(
        **{name: arrays.pop(name) for name in ("W", *INDICES)},
        pool=np.array(values["pool"], np.int64).reshape(-1, entries),
        block=(values["block"][0], values["block"][1]),
        kernel_shape=(values["kernel_shape"][0], values["kernel_shape"][1]),
        group=values["group"],
        in_channels=values["in_channels"],
        out_channels=values["out_channels"],
    )
    for name in INDICES:
        found, wanted = getattr(packed, name).dtype, np.uint8 if name == "patterns" else np.int32
        if found != wanted:
            raise OperatorError(f"{name} is {found}; must be {np.dtype(wanted)}")
    return packed, arrays
