"""Reading ONNX files that are not trusted."""

from __future__ import annotations

import os
from pathlib import Path

import onnx
import onnx_ir as ir

from cct.errors import CctError
from cct.operator import DOMAIN, NAME, NAMES
from cct.read_pattern_conv import read_pattern_conv
from cct.text import printable

_REASON = 200  # characters of what the checker says


def read_model(path: Path) -> ir.Model:
    """Read an ONNX file and check every PatternConv in it.

    Weights may lie in other files of the same folder, unless the model has a PatternConv: those are one file.

    Raises:
        CctError: the file is no ONNX model, or keeps weights where it must not.
        OperatorError: a PatternConv breaks its specification.
    """
    try:
        onnx.checker.check_model(os.fspath(path))  # with the path it also checks where outside data lies
        sparse = onnx.load(path, load_external_data=False).graph.sparse_initializer
        model = None if sparse else ir.load(path)
    except Exception as error:  # protobuf and the checker raise many kinds
        reason = " ".join(str(error).split())[:_REASON]
        raise CctError(f"{path}: no valid ONNX model ({printable(reason)})") from error
    if model is None:
        raise CctError(f"{path} has sparse initializers, which ONNX Runtime makes dense: save them dense")
    _check_sizes(path, model)
    if any(is_pattern_conv(node) for f in model.functions.values() if f.domain != DOMAIN for node in f.all_nodes()):
        raise CctError(
            f"{path} has a {NAME} inside a function, where its weights can't be checked: inline the function"
        )
    nodes = pattern_convs(model)
    initializers = [value for graph in model.graphs() for value in graph.initializers.values()]
    if nodes and any(isinstance(value.const_value, ir.ExternalTensor) for value in initializers):
        raise CctError(f"{path}: keeps weights in other files: save it as one file")
    for node in nodes:
        read_pattern_conv(node)
    return model


def _check_sizes(path: Path, model: ir.Model) -> None:
    """Refuse tensors that claim more numbers than their file has bits: for some types memory is taken before a look."""
    weights = [value.const_value for graph in model.graphs() for value in graph.initializers.values()]
    attributes = [a for graph in model.graphs() for node in graph for a in node.attributes.values()]
    constants = [a.value for a in attributes if a.type == ir.AttributeType.TENSOR]
    for tensor in (*weights, *constants):
        file = tensor.path if isinstance(tensor, ir.ExternalTensor) else path
        if tensor is not None and tensor.size > 8 * os.path.getsize(file):
            raise CctError(f"{path} is damaged: {printable(tensor.name)} claims {tensor.size} numbers")


def pattern_convs(model: ir.Model) -> list[ir.Node]:
    """The PatternConv nodes of the graph, those of If and Loop too."""
    return [node for node in model.graph.all_nodes() if is_pattern_conv(node)]


def is_pattern_conv(node: ir.Node) -> bool:
    """Whether a node is ours."""
    return node.domain == DOMAIN and node.op_type in NAMES
