"""`cct inspect` on a checkpoint: what may be pruned, and what its zeros would pack to."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch import nn

from cct.checkpoint.load_model import load_model
from cct.checkpoint.loaded_model import LoadedModel
from cct.checkpoint.random_images import random_images
from cct.measure.run_module import answer
from cct.model_source import ModelSource
from cct.passes.graph.describe_convolutions import describe_packed
from cct.passes.graph.pack_convolutions import pack_sparse
from cct.passes.module.prunable import prunable
from cct.report.inspection import Inspection, Row
from cct.report.layer import Layer

_FLOAT = 4  # bytes


def inspect_checkpoint(model: ModelSource, size: tuple[int, int] | None = None) -> Inspection:
    """Look at every convolution of a network.

    Args:
        model: the network.
        size: (height, width) of the images, for multiply-adds; the checkpoint's if None. Without either they are open.

    Raises:
        CctError: the file can't be read, or the network does not run on images of this size.
    """
    loaded = load_model(model)
    size = size or loaded.size
    macs = _multiply_adds(loaded, size) if size else Counter[str]()
    reasons = prunable(loaded.module)
    rows = []
    for name, reason in reasons.items():
        convolution = loaded.module.get_submodule(name)
        assert isinstance(convolution, nn.modules.conv._ConvNd)
        weight = convolution.weight.detach().numpy()
        kept = int((weight != 0).sum())
        layer = Layer(name, type(convolution).__name__, weight.shape, weight.size, kept, macs[name])
        if isinstance(convolution, nn.Conv2d):
            found = pack_sparse(weight, convolution.groups)
            if isinstance(found, str):
                layer.reason = found
            else:
                describe_packed(layer, found)
        else:
            layer.reason = "not a Conv2d"
        rows.append(Row(layer, _FLOAT * weight.size, counted=reason is None, why_not=reason or ""))
    arch = model.arch or loaded.arch
    facts = {"network": arch} if arch else {}
    facts |= {"images": f"{loaded.channels}x{size[0]}x{size[1]}"} if size else {}
    for name in ("mean", "std", "classes"):
        values = getattr(loaded, name)
        if values is not None:
            facts[name] = " ".join(str(value) for value in values)
    if loaded.recipe is not None:
        facts["recipe"] = loaded.recipe
    return Inspection(model.path.name, model.path.stat().st_size, "prunable", rows, facts)


def _multiply_adds(loaded: LoadedModel, size: tuple[int, int]) -> Counter[str]:
    """Of every convolution, for one image: the network is run once."""
    counted: Counter[str] = Counter()

    def count(name: str) -> Any:
        def hook(module: nn.modules.conv._ConvNd, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            # Each weight of a transposed convolution meets every pixel of its input, not of its output.
            image = inputs[0] if module.transposed else output
            counted[name] += module.weight.numel() * image[0, 0].numel()

        return hook

    named = loaded.module.named_modules()
    hooks = [m.register_forward_hook(count(n)) for n, m in named if isinstance(m, nn.modules.conv._ConvNd)]
    try:
        answer(loaded.module, random_images(loaded, size, 1))
    finally:
        for hook in hooks:
            hook.remove()
    return counted
