"""`cct.export`: a torch module with pruned weights becomes one ONNX file with packed convolutions."""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Mapping
from contextlib import redirect_stderr
from pathlib import Path

import onnx_ir as ir
import torch
from onnx_ir.passes.common import (
    CheckerPass,
    ClearMetadataAndDocStringPass,
    RemoveUnusedNodesPass,
    RemoveUnusedOpsetsPass,
    ShapeInferencePass,
)

import cct
from cct.atomic_files import write
from cct.errors import CctError, UnsupportedModel
from cct.messages import first_line
from cct.operator.read_model import pattern_convs
from cct.operator.spec import IR_VERSION, NAME, OPSET
from cct.operator.types import OLDEST_RUNTIME, choose_types
from cct.passes.graph.absorb_activation import AbsorbActivation
from cct.passes.graph.absorb_residual import AbsorbResidual
from cct.passes.graph.add_functions import AddFunctions
from cct.passes.graph.inline_functions import InlineFunctions
from cct.passes.graph.pack_convolutions import PackConvolutions
from cct.passes.graph.use_float16 import UseFloat16
from cct.report.layer import Layer

_LARGEST_FILE = 2**31 - 1  # bytes of a protobuf


def export(
    module: torch.nn.Module,
    example: torch.Tensor | tuple[torch.Tensor, ...],
    path: str | os.PathLike[str],
    *,
    metadata: Mapping[str, str] | None = None,
    pack: bool = True,
    weights: str = "float32",
    activations: str = "float32",
    portable: bool = False,
) -> list[Layer]:
    """Write `module` to `path` as ONNX, every pattern-sparse convolution as a `cct::PatternConv`.

    Whoever pruned the weights: their zeros alone say what is packed. The batch size stays free where the module allows.

    Args:
        module: is put into eval mode for the export and left as it was.
        example: an input, or a tuple of inputs; float32 images are (N, C, H, W).
        path: the file, written whole or not at all.
        metadata: further `cct.*` properties; the keys get the prefix.
        pack: False writes the same graph with dense convolutions.
        weights: how a PatternConv stores its weights, "float32" or "float16": half the bytes, a relative error up to
            2^-11, and zero for what is not above 2^-25.
        activations: "float32", or "float16" from a Cast behind each input to a Cast before each output, which stay
            float32. All weights become float16 too.
        portable: True writes plain ONNX without a function or operator of ours, for runtimes that know neither. The
            pruned weights are stored dense, so the file is as large as with `pack=False`.

    Returns:
        One row a convolution: what was packed, and why not.

    Raises:
        UnsupportedModel: torch can't export the module, or a number in it is beyond float16.
        CctError: a precision that does not exist, or the file can't be written; nothing is left behind.
    """
    types = choose_types(weights, activations)
    check_weights(module)
    model = _to_graph(module, example if isinstance(example, tuple) else (example,))
    layers: list[Layer] = []
    passes: list[ir.passes.PassBase] = [ClearMetadataAndDocStringPass(), RemoveUnusedNodesPass()]
    if pack:
        passes += [PackConvolutions(layers, types), AbsorbResidual(), AbsorbActivation()]
    if types.activations == "float16":
        passes += [UseFloat16()]
    passes += [AddFunctions()]
    if portable:
        passes += [InlineFunctions()]
    passes += [RemoveUnusedNodesPass(), RemoveUnusedOpsetsPass(), ShapeInferencePass()]
    try:
        model = ir.passes.Sequential(*passes)(model).model
    except ir.passes.PassError as error:
        raise (error.__cause__ if isinstance(error.__cause__, CctError) else error) from error
    packed = not portable and any(layer.op == NAME for layer in layers)
    runtime = types.oldest_runtime if packed else OLDEST_RUNTIME
    operators = str(len(pattern_convs(model)))
    _describe(model, {"minimum_onnxruntime": runtime, "packed": operators, **(metadata or {})})
    CheckerPass(full_check=True)(model)
    write(Path(path), ir.serde.serialize_model(model).SerializeToString())
    return [_as_dense(layer) if portable and layer.op == NAME else layer for layer in layers]


def check_weights(module: torch.nn.Module) -> None:
    """Make sure that a network's weights fit into one ONNX file, which also the dense one of a comparison is.

    Raises:
        UnsupportedModel: they don't.
    """
    tensors = [*module.parameters(), *module.buffers()]
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    if size > _LARGEST_FILE:
        raise UnsupportedModel(f"the network's weights take {size / 1e9:.1f} GB: one ONNX file holds at most 2 GB")


def _as_dense(layer: Layer) -> Layer:
    """The row of a convolution that was packed, and is dense again in the file."""
    stated = (layer.name, "Conv", layer.shape, layer.weights, layer.kept, layer.macs)
    return Layer(*stated, reason="the file is portable")


def _to_graph(module: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> ir.Model:
    """The module as an ONNX graph, batch normalization folded into the convolutions by torch's own optimizer."""
    training = {part: part.training for part in module.modules()}  # parts may differ: frozen batch normalization
    module.eval()
    try:
        model = _with_free_batch(module, example) or _torch_export(module, example, None)
    finally:
        for part, mode in training.items():
            part.training = mode
    graph = model.graph
    if len(graph.inputs) == 1:
        graph.inputs[0].name = "input"
    if len(graph.outputs) == 1:
        graph.outputs[0].name = "output"
    return model


def _with_free_batch(module: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> ir.Model | None:
    """The module for any number of images; None when it fixes that number itself."""
    # From an example of one image torch concludes that the batch is one.
    several = tuple(torch.cat([t, t]) if t.ndim == 4 and len(t) == 1 else t for t in example)
    try:
        model = _torch_export(
            module, several, tuple({0: torch.export.Dim.AUTO} if t.ndim == 4 else {} for t in example)
        )
    except UnsupportedModel:
        return None
    free = [not isinstance(i.shape[0], int) for i in model.graph.inputs if i.shape is not None and len(i.shape) == 4]
    return model if all(free) else None


def _torch_export(
    module: torch.nn.Module, example: tuple[torch.Tensor, ...], dynamic_shapes: tuple[dict[int, object], ...] | None
) -> ir.Model:
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # torch tells at length, by dozens of loggers and by print, what it raises
    try:
        with warnings.catch_warnings(), torch.no_grad(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module, example, dynamo=True, dynamic_shapes=dynamic_shapes, opset_version=OPSET, verbose=False
            )
    except MemoryError:
        raise
    except Exception as error:  # torch raises many kinds; the user needs the first line
        reason = first_line(error.__cause__ or error)
        raise UnsupportedModel(f"torch.onnx can't export {type(module).__name__}: {reason}") from error
    finally:
        logging.disable(before)
    assert program is not None
    return program.model


def _describe(model: ir.Model, metadata: Mapping[str, str]) -> None:
    """State who wrote the file and what it needs; no name of a machine, no time: same input, same bytes."""
    model.producer_name, model.producer_version, model.ir_version = "cct", cct.__version__, IR_VERSION
    model.doc_string = None
    values = [*model.graph.inputs, *model.graph.initializers.values(), *(v for n in model.graph for v in n.outputs)]
    for properties in (model.metadata_props, model.graph.metadata_props, *(v.metadata_props for v in values)):
        properties.clear()
    stated = {"version": cct.__version__, **metadata}
    model.metadata_props.update({f"cct.{key}": value for key, value in stated.items()})
    # "batch" for the free batch size, instead of the exporter's own symbol.
    first = model.graph.inputs[0].shape if model.graph.inputs else None
    batch = first[0] if first else None
    for value in [*model.graph.inputs, *(v for node in model.graph for v in node.outputs)]:
        if value.shape is not None and isinstance(batch, ir.SymbolicDim):
            value.shape = ir.Shape(["batch" if d == batch else d for d in value.shape])
