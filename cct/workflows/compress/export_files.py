"""`export_files`: the pruned network as packed and as dense ONNX, in the run's folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cct.exporter.export import export
from cct.exporter.metadata import file_metadata
from cct.report.layer import Layer
from cct.workflows.compress.choose_recipe import Plan
from cct.workflows.compress.outputs import Outputs
from cct.workflows.compress.read_inputs import Inputs


@dataclass(frozen=True)
class Files:
    """What was exported.

    Attributes:
        packed: the files of the run, where they are made; only the ONNX file is there yet.
        dense: the same weights as dense convolutions, to compare with.
        layers: one row a convolution of the packed file.
    """

    packed: Outputs
    dense: Path
    layers: Sequence[Layer]


def export_files(inputs: Inputs, plan: Plan, folder: Path) -> Files:
    """Export both.

    Raises:
        UnsupportedModel: torch can't export the network.
    """
    module, images, recipe = inputs.model.module, inputs.images, plan.recipe
    packed, dense = Outputs.beside(folder / "packed.onnx"), folder / "dense.onnx"
    layers = export(
        module,
        images.example(),
        packed.onnx,
        metadata=file_metadata(
            inputs.model.sha256,
            images.size,
            mean=images.mean,
            std=images.std,
            classes=images.classes,
            recipe=recipe,
        ),
        weights=recipe.weights,
        activations=recipe.activations,
        portable=recipe.portable,
    )
    export(module, images.example(), dense, pack=False)
    return Files(packed, dense, layers)
