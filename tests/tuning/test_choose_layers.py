"""The rule by which layers stay dense, on given times: nothing is measured here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import pytest

from cct.errors import CctError, UnsupportedModel
from cct.measure.layer_times import LayerTime
from cct.passes.module.prunable import prunable
from cct.recipe.recipe import Recipe
from cct.tuning.choose_layers import LayerTrial, NetworkTrial, choose_layers
from cct.tuning.layer_choice import LayerChoice


@dataclass(frozen=True)
class Given:
    """A layer of 100 weights: milliseconds packed, for each number of threads, and dense."""

    packed: Sequence[float]
    dense: float = 1.0
    kept: int = 25
    not_packed: str = ""


def machine(
    layers: dict[str, Given], overhead: Callable[[list[str]], float] = lambda packed: 0.0
) -> tuple[Callable[[Recipe], NetworkTrial], list[list[str]]]:
    """What stands for the measuring: the layers' times, and what the whole network takes beyond them."""
    tried: list[list[str]] = []

    def time(names: list[str]) -> float:
        packed = [name for name in names if not layers[name].not_packed]
        return sum(max(g.packed) if n in packed else g.dense for n, g in layers.items()) + overhead(packed)

    def try_recipe(recipe: Recipe) -> NetworkTrial:
        names = [name for name in layers if not any(fnmatchcase(name, pattern) for pattern in recipe.exclude)]
        tried.append(names)
        rows = {}
        for name in names:
            given = layers[name]
            times = [LayerTime(1 + i, ms, given.dense) for i, ms in enumerate(given.packed)]
            rows[name] = LayerTrial(100, given.kept, [] if given.not_packed else times, given.not_packed)
        return NetworkTrial(rows, [sum(g.dense for g in layers.values()) / time(names) for names in tried])

    return try_recipe, tried


def chosen(layers: dict[str, Given], recipe: Recipe | None = None, **more: Callable[[list[str]], float]) -> LayerChoice:
    return choose_layers(recipe or Recipe(), machine(layers, **more)[0], lambda line: None)


def reasons(choice: LayerChoice) -> dict[str, str]:
    return {layer.name: layer.reason for layer in choice.layers}


FAST = Given([0.2])


def test_what_would_be_slower_stays_dense_and_the_row_says_both_times() -> None:
    choice = chosen({"a": FAST, "b": Given([1.2]), "c": FAST})
    assert reasons(choice) == {"a": "", "b": "packed, it would not be 5% faster", "c": ""}
    assert (choice.layers[1].threads, choice.layers[1].packed, choice.layers[1].dense) == (1, 1.2, 1.0)
    assert choice.applied_to(Recipe(exclude=("stem",))).exclude == ("stem", "b")


@pytest.mark.parametrize(("milliseconds", "stays"), [(0.94, ""), (0.96, "packed, it would not be 5% faster")])
def test_a_gain_within_the_noise_is_none(milliseconds: float, stays: str) -> None:
    assert reasons(chosen({"a": FAST, "b": Given([milliseconds])}))["b"] == stays


def test_a_layer_must_gain_with_every_number_of_threads() -> None:
    choice = chosen({"a": FAST, "b": Given([0.5, 1.1])})
    assert (choice.layers[1].threads, choice.layers[1].packed) == (2, 1.1)
    assert reasons(choice)["b"]


def test_all_layers_that_gain_leave_the_recipe_as_it_was() -> None:
    recipe = Recipe(compression=3.9)
    choice = chosen({"a": FAST, "b": FAST}, recipe)
    assert choice.applied_to(recipe) == recipe
    assert choice.to_text() == "keep-faster  all 2 layers stay packed\n"


def test_what_is_pruned_and_dense_in_the_file_is_not_pruned_for_nothing() -> None:
    choice = chosen({"a": FAST, "b": Given([], kept=90, not_packed="only 10% of its weights are zero")})
    assert reasons(choice)["b"].endswith("dense all the same: only 10% of its weights are zero")
    assert choice.compression == 4
    assert choice.layers[1].threads == 0
    assert "b                    -         -        -  pruned" in choice.to_text()


def test_what_stays_packed_keeps_its_weights() -> None:
    choice = chosen({"a": replace(FAST, kept=10), "b": Given([1.2], kept=40)}, Recipe(compression=4))
    assert choice.compression == 10


@pytest.mark.parametrize(("asked", "kept", "left"), [(2.25, 48, 2.25), (2.25, 20, 5), (2.0, 25, 2.2499), (2.0, 50, 2)])
def test_patterns_come_and_go_by_the_compression_that_was_asked_for(asked: float, kept: int, left: float) -> None:
    choice = chosen({"a": replace(FAST, kept=kept), "b": Given([1.2], kept=44)}, Recipe(compression=asked))
    assert choice.compression == left


def test_reorders_that_the_choice_brings_are_measured_in_the_next_round() -> None:
    layers = {"a": FAST, "b": Given([1.2]), "c": Given([0.9])}
    measure, tried = machine(layers)

    def try_recipe(recipe: Recipe) -> NetworkTrial:
        found = measure(recipe)
        if "b" in found.layers:
            return found
        moved = replace(found.layers["c"], times=[LayerTime(1, 1.05, 1.0)]) if "c" in found.layers else None
        return replace(found, layers={**found.layers, **({"c": moved} if moved else {})})

    choice = choose_layers(Recipe(), try_recipe, lambda line: None)
    assert tried == [["a", "b", "c"], ["a", "c"], ["a"]]
    assert [layer.packed for layer in choice.layers] == [0.2, 1.2, 1.05]


def test_a_choice_that_makes_the_whole_slower_is_taken_back() -> None:
    layers = {"a": FAST, "b": Given([1.05]), "c": FAST}
    choice = chosen(layers, overhead=lambda packed: 0.0 if "b" in packed else 0.5)
    assert not any(reasons(choice).values())
    assert choice.compression == 4


def test_where_the_whole_is_not_faster_those_go_that_gain_least() -> None:
    layers = {"a": Given([0.2]), "b": Given([0.9]), "c": Given([0.8]), "d": Given([0.3])}
    choice = chosen(layers, overhead=lambda packed: 2.0 if len(packed) > 2 else 0.0)
    why = "with it the whole network would not be faster"
    assert reasons(choice) == {"a": "", "b": why, "c": why, "d": ""}


def test_where_nothing_is_faster_the_error_says_what_to_do() -> None:
    for layers in ({"a": Given([1.2]), "b": Given([1.0])}, {"a": Given([], kept=90, not_packed="no zeros")}):
        with pytest.raises(CctError, match=r"nothing would be faster than dense .* at compression 4 and block 4x1"):
            chosen(layers)
    with pytest.raises(CctError, match="nothing would be faster"):
        chosen({"a": FAST, "b": FAST, "c": FAST}, overhead=lambda packed: 5.0 if packed else 0.0)


def test_it_ends_though_the_times_never_settle() -> None:
    layers = {str(i): FAST for i in range(20)}
    measure, tried = machine(layers)

    def try_recipe(recipe: Recipe) -> NetworkTrial:
        found = measure(recipe)
        name = next(iter(found.layers))
        return replace(found, layers={**found.layers, name: replace(found.layers[name], times=[LayerTime(1, 2.0, 1)])})

    choose_layers(Recipe(), try_recipe, lambda line: None)
    assert len(tried) == 5


def test_a_later_round_that_no_blocks_come_to_ends_the_rounds() -> None:
    measure, tried = machine({"a": FAST, "b": FAST, "c": Given([0.99])})

    def try_recipe(recipe: Recipe) -> NetworkTrial:
        if tried:
            raise UnsupportedModel("compression 2.25 cannot be reached")
        return measure(recipe)

    assert reasons(choose_layers(Recipe(), try_recipe, lambda line: None)) == {"a": "", "b": "", "c": ""}
    with pytest.raises(UnsupportedModel):  # the first is what was asked for
        choose_layers(Recipe(), try_recipe, lambda line: None)


def test_a_name_is_no_pattern() -> None:
    from torch import nn

    names = ("a[1]", "a1", "b*")
    choice = chosen({"a[1]": Given([1.2]), "a1": FAST, "b*": Given([2.0])})
    network = nn.Module()
    for name in names:
        network.add_module(name, nn.Conv2d(8, 8, 3))
    found = prunable(network, include=names, exclude=choice.applied_to(Recipe()).exclude)
    assert found == {"a[1]": "excluded", "a1": None, "b*": "excluded"}
