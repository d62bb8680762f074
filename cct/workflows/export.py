"""`export_checkpoint`: pruned weights become an ONNX file, which is checked before it is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch.utils._pytree import tree_leaves

from cct.atomic_files import check_output, temporary_folder, write
from cct.checkpoint.load_model import load_model
from cct.checkpoint.loaded_model import LoadedModel
from cct.checkpoint.random_images import random_images
from cct.errors import CctError
from cct.exporter.export import check_weights, export
from cct.exporter.metadata import file_metadata
from cct.measure.parity import check_parity, parity
from cct.measure.proof import proof
from cct.measure.run_module import answer
from cct.model_source import ModelSource
from cct.operator.types import choose_types
from cct.recipe.recipe import Recipe
from cct.recipe.target import TARGETS
from cct.report.export_report import ExportReport
from cct.runtime.session import PROVIDERS

_IMAGES = 8  # so many that no output is near zero for all of them by chance


def export_checkpoint(
    model: ModelSource,
    output: Path,
    *,
    size: tuple[int, int] | None = None,
    target: str | None = None,
    weights: str | None = None,
    activations: str | None = None,
    portable: bool = False,
) -> ExportReport:
    """Export what a file holds, compare the result with torch, write it.

    Args:
        model: the network, pruned by whomever.
        output: the ONNX file, written whole or not at all.
        size: (height, width) of the images; the checkpoint's if None.
        target: where the file is to run, a key of `TARGETS`; None: as the checkpoint's recipe says.
        weights, activations: as `cct.export` takes them; None: as the target says, or the recipe if that is its target.
        portable: likewise, False by default.

    Raises:
        CctError: the input can't be used, or the exported file answers wrongly; nothing is written.
    """
    check_output(output, [model.path])
    loaded = load_model(model)
    check_weights(loaded.module)
    recipe = _recipe(loaded)
    stated = recipe or Recipe()
    usual = stated if target in (None, stated.target) else TARGETS[target]
    target = target or stated.target
    weights, activations = weights or usual.weights, activations or usual.activations
    types = choose_types(weights, activations)
    if recipe is not None:  # its block is the one of the pruning, whatever the target
        recipe = replace(recipe, target=target, weights=weights, activations=activations, portable=portable)
    images = random_images(loaded, size, _IMAGES)
    _check_answer(answer(loaded.module, images[:1]))  # what does not run in torch is no fault of the export
    with temporary_folder() as folder:
        onnx_file = folder / "model.onnx"
        layers = export(
            loaded.module,
            images[:1],
            onnx_file,
            metadata=file_metadata(
                loaded.sha256,
                images.shape[2:],
                mean=loaded.mean,
                std=loaded.std,
                classes=loaded.classes,
                recipe=recipe,
            ),
            weights=weights,
            activations=activations,
            portable=portable,
        )
        errors = parity(onnx_file, [images.numpy()], loaded.module, reference=False)
        check_parity(errors, types)
        result = ExportReport(
            source={"file": model.path.name, "sha256": loaded.sha256, "arch": model.arch or loaded.arch or ""},
            layers=layers,
            parity=errors,
            provider=PROVIDERS["cpu"],
            proven=proof(onnx_file, images.numpy()),
            images=_IMAGES,
            bytes=onnx_file.stat().st_size,
            target=target,
            types={"weights": types.weights, "activations": types.activations},
            portable=portable,
            output=str(output),
        )
        write(output, onnx_file.read_bytes())
    return result


def _check_answer(outputs: object) -> None:
    """Make sure that there is something to compare."""
    tensors = [leaf for leaf in tree_leaves(outputs) if isinstance(leaf, torch.Tensor)]
    if not all(tensor.isfinite().all() for tensor in tensors):
        raise CctError("the network answers NaN or infinity for random images: nothing can be compared")


def _recipe(loaded: LoadedModel) -> Recipe | None:
    """By which the weights were made; None if the checkpoint does not say, or not in words of this version."""
    if loaded.recipe is None:
        return None
    try:
        return Recipe.from_toml(loaded.recipe)
    except CctError:
        return None
