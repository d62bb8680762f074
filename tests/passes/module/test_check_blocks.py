from __future__ import annotations

import pytest

from cct.errors import RecipeError
from cct.passes.module.check_blocks import check_blocks

REASONS = {"conv1": "first convolution", "layer1.0.conv1": None, "layer1.0.downsample.0": "shortcut", "fat": "excluded"}


@pytest.mark.parametrize("blocks", [(), ("layer1.*=2x1",), ("*=2x1", "layer1.0.conv1=1x1"), ("fat=8x1",)])
def test_what_has_a_layer_passes(blocks: tuple[str, ...]) -> None:
    check_blocks(blocks, REASONS)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("layer1.0.conv2=2x1", "has layer1.0.conv2=2x1, and no convolution is named so; is it layer1.0.conv1?"),
        ("*downsample*=2x1", "but layer1.0.downsample.0 is not pruned (shortcut): include it, or leave the entry out"),
        ("a\nb=2x1", r"blocks has a\nb=2x1, and no convolution"),
    ],
)
def test_what_has_none_is_one_line(entry: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        check_blocks(("layer1.*=2x1", entry), REASONS)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
