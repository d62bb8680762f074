"""`trace`: a torch module as an ONNX graph, for any number of images where the module allows."""

from __future__ import annotations

import io
import logging
import warnings
from contextlib import redirect_stderr

import onnx_ir as ir
import torch

from cct.errors import UnsupportedModel
from cct.messages import first_line
from cct.operator.spec import OPSET


def trace(module: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> ir.Model:
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
