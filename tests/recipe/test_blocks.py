from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cct.errors import RecipeError
from cct.recipe.blocks import LayerBlock, format_blocks, parse_block
from cct.recipe.recipe import Recipe

SIDES = st.integers(1, 999_999_999)


@given(st.text(min_size=1), SIDES, SIDES)
def test_an_entry_survives_its_text(layers: str, height: int, width: int) -> None:
    entry = LayerBlock(layers, (height, width))
    assert LayerBlock.parse(str(entry)) == entry
    assert Recipe.from_toml(Recipe(blocks=(str(entry),)).to_toml()).blocks == (str(entry),)


def test_the_first_entry_that_fits_a_layer_holds() -> None:
    recipe = Recipe(block=(4, 2), blocks=("layer1.0.*=1x1", "layer1.*=2x1", "a=b=8x1"))
    found = {name: recipe.block_of(name) for name in ("layer1.0.conv1", "layer1.1.conv1", "layer10", "a=b")}
    assert found == {"layer1.0.conv1": (1, 1), "layer1.1.conv1": (2, 1), "layer10": (4, 2), "a=b": (8, 1)}


@pytest.mark.parametrize(
    "text", ["", "a", "a=", "=2x1", "a=2", "a=2x", "a=2x0", "a=0x1", "a=-2x1", "a=2x1x1", "a=2X1", "a= 2x1", "a=²x1"]
)
def test_what_is_no_entry_is_one_line(text: str) -> None:
    with pytest.raises(RecipeError, match=r"write LAYER=OUTxIN, such as layer1\.\*=2x1"):
        LayerBlock.parse(text)
    with pytest.raises(RecipeError) as caught:
        Recipe(blocks=(f"{text}\n",))
    assert "\n" not in str(caught.value)


def test_each_block_is_named_once_and_the_finest_first() -> None:
    assert format_blocks((4, 1)) == "4x1"
    assert format_blocks((4, 1), (1, 1), (4, 1), (2, 2), (8, 1)) == "1x1, 2x2, 4x1 and 8x1"
    assert parse_block("64x8") == (64, 8)
