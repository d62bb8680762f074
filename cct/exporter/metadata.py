"""What an ONNX file of ours says of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx_ir as ir

from cct.__version__ import __version__
from cct.operator.spec import IR_VERSION
from cct.recipe.recipe import Recipe


def file_metadata(
    sha256: str,
    size: Sequence[int],
    *,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    classes: Sequence[str] | None,
    recipe: Recipe | None,
) -> dict[str, str]:
    """The `cct.*` properties, as `cct.export` takes them; what is None is left out.

    Args:
        sha256: of the checkpoint that the file was made of.
        size: height and width of the images in pixels.
        mean: per channel, of pixels scaled to 0..1.
        std: likewise.
        classes: names, by output.
        recipe: by which the weights were made.
    """
    stated = {"source_sha256": sha256, "input": "normalized NCHW", "size": " ".join(map(str, size))}
    for name, values in (("mean", mean), ("std", std)):
        if values is not None:
            stated[name] = " ".join(repr(float(value)) for value in values)  # all digits: validate normalizes by them
    if classes is not None:
        stated["classes"] = "\n".join(classes)
    if recipe is not None:
        stated |= {"recipe": recipe.to_toml(), "seed": str(recipe.seed), "compression": f"{recipe.compression:g}"}
    return stated


def write_metadata(model: ir.Model, metadata: Mapping[str, str]) -> None:
    """State who wrote the file and what it needs; no name of a machine, no time: same input, same bytes."""
    model.producer_name, model.producer_version, model.ir_version = "cct", __version__, IR_VERSION
    model.doc_string = None
    values = [*model.graph.inputs, *model.graph.initializers.values(), *(v for n in model.graph for v in n.outputs)]
    for properties in (model.metadata_props, model.graph.metadata_props, *(v.metadata_props for v in values)):
        properties.clear()
    stated = {"version": __version__, **metadata}
    model.metadata_props.update({f"cct.{key}": value for key, value in stated.items()})
    # "batch" for the free batch size, instead of the exporter's own symbol.
    first = model.graph.inputs[0].shape if model.graph.inputs else None
    batch = first[0] if first else None
    for value in [*model.graph.inputs, *(v for node in model.graph for v in node.outputs)]:
        if value.shape is not None and isinstance(batch, ir.SymbolicDim):
            value.shape = ir.Shape(["batch" if d == batch else d for d in value.shape])
