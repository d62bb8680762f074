from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from cct.errors import StateError
from cct.pruning.clicktrain import ClickTrain
from cct.recipe.recipe import Recipe
from cct.tuning.block_choice import BlockChoice, BlockRow
from cct.tuning.choice_file import read_choice, write_choice

CHOICE = BlockChoice(
    "4x1",
    1.02,
    (1, 2),
    (
        BlockRow("features[1]", "2x1", {"1x1": (0.5, 0.25), "2x1": (0.4, 0.2), "4x1": (0.4, 0.2)}),
        BlockRow("features1", "4x1", {"4x1": (1.0, 0.75), "8x1": (1.0, 0.75)}),
        BlockRow("last", "4x1", {}),
    ),
)


def test_text_shows_each_layer_with_all_times() -> None:
    assert CHOICE.to_text().splitlines() == [
        "block auto   1.02x as fast as with 4x1 in every layer",
        "",
        "pruned layer  block       1x1 ms       2x1 ms       4x1 ms       8x1 ms  threads",
        "features[1]   2x1    0.500/0.250  0.400/0.200  0.400/0.200            -      1/2",
        "features1     4x1              -            -  1.000/0.750  1.000/0.750      1/2",
        "last          4x1              -            -            -            -      1/2",
    ]


def test_the_recipe_names_layers_exactly() -> None:
    recipe = CHOICE.applied_to(Recipe(block=(1, 1), blocks=("old=8x1",), compression=3))
    assert recipe == Recipe(compression=3, blocks=("features[[]1]=2x1",))
    names = ("features[1]", "features1", "last")
    assert [recipe.block_of(name) for name in names] == [(2, 1), (4, 1), (4, 1)]
    network = nn.Module()
    for name in ("stem", *names):
        network.add_module(name, nn.Conv2d(8, 8, 3))
    pruner = ClickTrain(network, recipe, 0)
    assert pruner.plan is not None
    assert {name: blocks.rows for name, blocks in pruner.plan.blocks.items()} == {names[0]: 4, names[1]: 2, names[2]: 2}


def test_a_written_choice_reads_as_it_was(tmp_path: Path) -> None:
    write_choice(CHOICE, tmp_path / "blocks.json")
    assert read_choice(tmp_path / "blocks.json", BlockChoice) == CHOICE


def choice(**changes: Any) -> dict[str, Any]:
    return {"block": "4x1", "ratio": 1.0, "threads": [1, 2], "layers": []} | changes


def layer(**changes: Any) -> dict[str, Any]:
    return choice(layers=[{"name": "a", "block": "4x1", "milliseconds": {"4x1": [1.0, 1.0]}} | changes])


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {"block": "4x1"},
        choice(block=[4, 1]),
        choice(block="4"),
        choice(ratio=1),
        choice(ratio=float("nan")),
        choice(threads=[1.0]),
        choice(layers={}),
        choice(layers=["a"]),
        layer(name=1),
        layer(name="", block="2x1"),
        layer(block="0x1"),
        layer(milliseconds=[]),
        layer(milliseconds={"4x1": 1.0}),
        layer(milliseconds={"4x1": [1.0]}),
        layer(milliseconds={"4x1": [1.0, 1]}),
        layer(milliseconds={"4": [1.0, 1.0]}),
        layer(more=1),
    ],
    ids=lambda content: json.dumps(content)[:60],
)
def test_a_damaged_choice_is_one_line(tmp_path: Path, content: object) -> None:
    (tmp_path / "blocks.json").write_text(json.dumps(content))
    with pytest.raises(StateError, match=r"it is missing or damaged: delete .* to start anew") as caught:
        read_choice(tmp_path / "blocks.json", BlockChoice)
    assert "\n" not in str(caught.value)
