"""What an ONNX file of ours says of itself, beside its version."""

from __future__ import annotations

from collections.abc import Sequence

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
