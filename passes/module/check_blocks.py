"""Make sure that blocks which a recipe gives to single layers have layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from cct.errors import RecipeError
from cct.messages import printable
from cct.recipe.blocks import LayerBlock


def check_blocks(blocks: Sequence[str], reasons: Mapping[str, str | None]) -> None:
    """Make sure that each entry fits a convolution that is pruned, or would be if the recipe did not exclude it.

    Args:
        blocks: entries as a recipe has them, "layer1.*=2x1".
        reasons: why each convolution of the network is not pruned, None if it is; as `prunable` tells.

    Raises:
        RecipeError: an entry fits none.
    """
    layers = [name for name, reason in reasons.items() if reason in (None, "excluded")]
    for entry in map(LayerBlock.parse, blocks):
        if any(map(entry.fits, layers)):
            continue
        fault = f"blocks has {printable(str(entry))}"
        dense = next(filter(entry.fits, reasons), None)
        if dense is not None:
            raise RecipeError(
                f"{fault}, but {dense} is not pruned ({reasons[dense]}): include it, or leave the entry out"
            )
        near = get_close_matches(entry.layers, layers, n=1) or layers[:1]
        raise RecipeError(f"{fault}, and no convolution is named so; is it {' '.join(near) or 'another network'}?")
