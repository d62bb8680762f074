"""`cct.export`: a torch module with pruned weights becomes one ONNX file with packed convolutions."""

from __future__ import annotations

import os
from collections.abc import Mapping
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

from cct.atomic_files import write
from cct.errors import CctError, UnsupportedModel
from cct.exporter.metadata import write_metadata
from cct.exporter.trace import trace
from cct.operator.read_model import pattern_convs
from cct.operator.spec import NAME
from cct.operator.types import OLDEST_RUNTIME, choose_types
from cct.passes.graph.absorb_activation import AbsorbActivation
from cct.passes.graph.absorb_residual import AbsorbResidual
from cct.passes.graph.add_functions import AddFunctions
from cct.passes.graph.inline_functions import InlineFunctions
from cct.passes.graph.pack_convolutions import PackConvolutions
from cct.passes.graph.use_float16 import UseFloat16
from cct.report.layer import Layer

_LARGEST_FILE = 2**31 - 1  # bytes of a protobuf
# by the type of activations
_CONVERSIONS: dict[str, tuple[type[ir.passes.InPlacePass], ...]] = {"float32": (), "float16": (UseFloat16,)}


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
    model = trace(module, example if isinstance(example, tuple) else (example,))
    layers: list[Layer] = []
    passes: list[ir.passes.PassBase] = [ClearMetadataAndDocStringPass(), RemoveUnusedNodesPass()]
    if pack:
        passes += [PackConvolutions(layers, types), AbsorbResidual(), AbsorbActivation()]
    passes += [conversion() for conversion in _CONVERSIONS[types.activations]]
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
    write_metadata(model, {"minimum_onnxruntime": runtime, "packed": operators, **(metadata or {})})
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
