"""`cct inspect` on an ONNX file: every convolution, ours and others, and what the file says of itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir

from cct.errors import CctError
from cct.operator.read_model import is_pattern_conv, pattern_convs, read_model
from cct.operator.read_node import read_pattern_conv
from cct.operator.spec import NAME
from cct.operator.types import types_of_node
from cct.passes.graph.describe_convolutions import describe_convolution, describe_packed, is_dense_convolution
from cct.report.inspection import Inspection, Row
from cct.report.layer import Layer

_FLOAT = 4  # bytes


def inspect_onnx(path: Path) -> Inspection:
    """Look at every convolution of an ONNX file that is not trusted.

    Raises:
        CctError: the file is no valid ONNX model.
    """
    model = read_model(path)
    ours = len(pattern_convs(model))
    facts = {
        "ours": f"{ours} {NAME}" if ours else f"no {NAME}: cct's library has nothing to run in it",
        "opset": ", ".join(f"{domain or 'ai.onnx'} {version}" for domain, version in model.opset_imports.items()),
        "ir version": str(model.ir_version),
        "producer": f"{model.producer_name or '?'} {model.producer_version or ''}".strip(),
        "inputs": ", ".join(map(_signature, model.graph.inputs)),
        "outputs": ", ".join(map(_signature, model.graph.outputs)),
        **dict(sorted(model.metadata_props.items())),
    }
    try:
        rows = [row for node in model.graph.all_nodes() if (row := _row(node)) is not None]
    except (ValueError, TypeError, OSError) as error:  # a weight whose bytes do not fit its shape
        raise CctError(f"{path}: a weight can't be read ({' '.join(str(error).split())})") from error
    return Inspection(path.name, path.stat().st_size, "packed", rows, facts)


def _row(node: ir.Node) -> Row | None:
    """The row of a convolution, None for any other node."""
    if is_pattern_conv(node):
        packed, bias = read_pattern_conv(node)
        shape = packed.out_channels, packed.in_channels // packed.group, *packed.kernel_shape
        output = node.outputs[0].shape
        pixels = [d for d in output[2:] if isinstance(d, int)] if output is not None else []
        size = int(np.prod(shape))
        macs = int(size * np.prod(pixels)) if len(pixels) == len(packed.kernel_shape) else 0
        layer = Layer(str(node.name), NAME, shape, size, int(np.count_nonzero(packed.W)), macs)
        describe_packed(layer, packed)
        types = types_of_node(str(bias.dtype), str(packed.W.dtype))
        widths = dict.fromkeys(str(8 * np.dtype(name).itemsize) for name in (types.activations, types.weights))
        return Row(layer, _FLOAT * size, counted=True, types="/".join(widths))
    if not is_dense_convolution(node):
        return None
    layer = describe_convolution(node)
    weight = node.inputs[1]
    bits = weight.dtype.bitwidth if weight is not None and weight.dtype is not None else 8 * _FLOAT
    dense = layer.weights * bits // 8
    return Row(layer, dense, counted=False, why_not=f"a {node.op_type}", types=str(bits))


def _signature(value: ir.Value) -> str:
    """Name, type and shape of an input or output."""
    shape = "?" if value.shape is None else "x".join(str(d) for d in value.shape)
    return f"{value.name} {value.dtype} {shape}"
