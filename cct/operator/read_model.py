"""Reading ONNX files that are not trusted."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
from onnx_ir.external_data import set_base_dir

from cct.errors import CctError
from cct.messages import printable
from cct.operator.check_expansion import check_expansion
from cct.operator.read_node import read_pattern_conv
from cct.operator.spec import DOMAIN, NAME, NAMES
from cct.regular_file import check_regular

_REASON = 200  # characters of what the checker says


def read_model(path: Path) -> ir.Model:
    """Read an ONNX file and check every PatternConv in it.

    Weights may lie in other files of the same folder, unless the model has a PatternConv: those are one file.

    Raises:
        CctError: the file is no ONNX model, keeps weights where it must not, or would grow without measure when its
            functions are written out.
        OperatorError: a PatternConv breaks its specification.
    """
    check_regular(path)
    try:
        onnx.checker.check_model(os.fspath(path))  # with the path it also checks where outside data lies
        proto = onnx.load(path, format="protobuf", load_external_data=False)
    except Exception as error:  # protobuf and the checker raise many kinds
        raise _invalid(path, error) from error
    if _holds_sparse(proto):
        raise CctError(f"{path} has sparse tensors, which ONNX Runtime makes dense: save them dense")
    check_expansion(path, proto)
    try:
        model = ir.from_proto(proto)
        for graph in (model.graph, *(function.graph for function in model.functions.values())):
            set_base_dir(graph, path.parent)  # goes into every subgraph: what can't be gone into ends here
    except Exception as error:  # so does this
        raise _invalid(path, error) from error
    external = _check_tensors(path, model)
    if any(is_pattern_conv(node) for f in model.functions.values() if f.domain != DOMAIN for node in f.all_nodes()):
        raise CctError(
            f"{path} has a {NAME} inside a function, where its weights can't be checked: inline the function"
        )
    nodes = pattern_convs(model)
    if nodes and external:
        raise CctError(f"{path}: keeps weights in other files: save it as one file")
    for node in nodes:
        read_pattern_conv(node)
    return model


def model_bytes(path: Path, model: ir.Model) -> int:
    """How many bytes a model takes on disk: its file, and every other file that one of its tensors lies in.

    Each file counts once and whole, however little of it is used: it has to be shipped.

    Args:
        path: the file.
        model: what `read_model` read from it.

    Raises:
        CctError: a file is missing, or is none.
    """
    files = {os.path.realpath(path), *map(os.path.realpath, _external_files(path, model))}
    for file in sorted(files):
        check_regular(Path(file))
    return sum(os.path.getsize(file) for file in files)


def pattern_convs(model: ir.Model) -> list[ir.Node]:
    """The PatternConv nodes of the graph, those of If and Loop too."""
    return [node for node in model.graph.all_nodes() if is_pattern_conv(node)]


def is_pattern_conv(node: ir.Node) -> bool:
    """Whether a node is ours."""
    return node.domain == DOMAIN and node.op_type in NAMES


def _check_tensors(path: Path, model: ir.Model) -> set[Path]:
    """Refuse tensors that claim more numbers than their file has bits: for some types memory is taken before a look.

    Returns:
        The other files that tensors lie in, none of them outside of the model's folder.
    """
    external = _external_files(path, model)
    for file in external:
        inner = file.relative_to(path.parent) if file.is_relative_to(path.parent) else file
        if inner.is_absolute() or ".." in inner.parts:  # the checker does not look at a function's attributes
            raise CctError(f"{path}: keeps weights outside of its folder, in {file}: put them beside it")
    sizes = {}
    for file in (path, *external):
        check_regular(file)
        sizes[file] = os.path.getsize(file)
    for tensor in _tensors(model):
        file = path.parent / tensor.location if isinstance(tensor, ir.ExternalTensor) else path
        if tensor.size > 8 * sizes[file]:
            raise CctError(f"{path} is damaged: {printable(tensor.name)} claims {tensor.size} numbers")
    return external


def _external_files(path: Path, model: ir.Model) -> set[Path]:
    """The other files that tensors of a model lie in."""
    return {path.parent / tensor.location for tensor in _tensors(model) if isinstance(tensor, ir.ExternalTensor)}


def _tensors(model: ir.Model) -> Iterator[ir.TensorProtocol]:
    """Every tensor of a model: initializers and attributes, of the graph, its subgraphs, and of functions."""
    functions = model.functions.values()
    graphs = [*model.graphs(), *(g for f in functions for g in (f.graph, *f.subgraphs()))]
    attributes = [a for graph in graphs for node in graph for a in node.attributes.values()]
    attributes += [a for function in functions for a in function.attributes.values()]
    for graph in graphs:
        yield from (v.const_value for v in graph.initializers.values() if v.const_value is not None)
    for attribute in attributes:
        if attribute.is_ref():
            continue
        if attribute.type == ir.AttributeType.TENSOR:
            yield attribute.as_tensor()
        elif attribute.type == ir.AttributeType.TENSORS:
            yield from attribute.as_tensors()


def _holds_sparse(message: Any) -> bool:
    """Whether a sparse tensor lies anywhere in a message of protobuf, which are nested 100 deep at most."""
    for field, value in message.ListFields():
        kind = field.message_type
        if kind is None or kind.name in ("TensorProto", "TypeProto", "StringStringEntryProto"):
            continue
        if kind.name == "SparseTensorProto":
            return True
        if any(map(_holds_sparse, value if isinstance(value, Iterable) else [value])):
            return True
    return False


def _invalid(path: Path, error: Exception) -> CctError:
    reason = " ".join(str(error).split())[:_REASON]
    return CctError(f"{path}: no valid ONNX model ({printable(reason)})")
