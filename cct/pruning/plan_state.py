"""The decisions about a network as plain values, and back, with every value checked as one of a stranger's file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from cct.errors import StateError
from cct.passes.module.choose_pool import ALL_PATTERNS, ENTRIES
from cct.passes.module.plan_masks import Plan, by_position
from cct.passes.module.tiling import Blocks
from cct.recipe.pruning import Pattern, is_pattern
from cct.recipe.recipe import Recipe


def write_plan(plan: Plan, patterns: Mapping[str, Tensor], kept: Mapping[str, Tensor]) -> dict[str, Any]:
    """Put the decisions into tensors on the CPU, numbers and lists.

    Args:
        plan: pool and blocks.
        patterns: 1 where a block keeps if it stays, (rows, columns, kh*kw) per layer.
        kept: True where a block stays, bool (rows, columns, 1) per layer; or its positions, (rows, columns, kh*kw).
    """
    layers = {
        name: {
            "row": blocks.row.cpu().clone(),
            "column": blocks.column.cpu().clone(),
            "patterned": name in plan.patterned,
            "patterns": patterns[name].bool().cpu(),
            "kept": kept[name].cpu().clone(),
        }
        for name, blocks in plan.blocks.items()
    }
    return {"pool": [list(pattern) for pattern in plan.pool], "layers": layers}


def read_plan(
    values: Any, weights: Mapping[str, Tensor], groups: Mapping[str, int], recipe: Recipe
) -> tuple[Plan, dict[str, Tensor], dict[str, Tensor]]:
    """Take the values apart: plan, patterns and kept blocks as `write_plan` was given them.

    Args:
        values: what `write_plan` returned; not trusted.
        weights: (O, C/group, kh, kw) per layer; the tensors of the answer are on their devices.
        groups: groups of each convolution.
        recipe: gives each layer's largest block and `entries`.

    Raises:
        StateError: a value is none that `write_plan` gives for these weights.
    """
    _require(isinstance(values, dict) and set(values) == {"pool", "layers"}, "the plan has not its two parts")
    pool, layers = _read_pool(values["pool"]), values["layers"]
    _require(isinstance(layers, dict) and list(layers) == list(weights), "the plan is for other layers")
    blocks, patterns, kept = {}, {}, {}
    for name, weight in weights.items():
        layer = layers[name]
        fields = {"row", "column", "patterned", "patterns", "kept"}
        _require(isinstance(layer, dict) and set(layer) == fields, f"{name} has not the parts of a layer")
        blocks[name] = _read_blocks(name, layer, weight, groups[name], recipe.block_of(name))
        patterns[name] = _read_patterns(name, layer, weight, blocks[name], pool)
        rows, columns, positions = patterns[name].shape
        units = rows, columns, positions if by_position(recipe, positions) else 1
        kept[name] = _tensor(name, layer, "kept", torch.bool, units).to(weight.device)
        _require(bool(kept[name].any()), f"{name} keeps nothing")
    patterned = frozenset(name for name, layer in layers.items() if layer["patterned"])
    return Plan(pool, blocks, patterned), patterns, kept


def _read_pool(pool: Any) -> tuple[Pattern, ...]:
    _require(isinstance(pool, list) and all(isinstance(pattern, list) for pattern in pool), "the pool is no list")
    for pattern in pool:
        _require(is_pattern(pattern), f"a pattern is not {ENTRIES} ascending positions 0..8")
    chosen = tuple(tuple(pattern) for pattern in pool)
    _require(len(set(chosen)) == len(chosen) <= len(ALL_PATTERNS), "the pool holds a pattern twice")
    return chosen


def _read_blocks(name: str, layer: dict[str, Any], weight: Tensor, groups: int, largest: tuple[int, int]) -> Blocks:
    """The tiling: all numbers from 0 on are in use, no block is too large, none crosses a group."""
    places = []
    for axis, side in enumerate(("row", "column")):
        place = _tensor(name, layer, side, torch.int64, weight.shape[axis : axis + 1])
        within = int(place.min()) >= 0 and int(place.max()) < len(place)
        sizes = torch.bincount(place) if within else torch.zeros(1)
        _require(int(sizes.min()) >= 1 and int(sizes.max()) <= largest[axis], f"{name} has no valid {side}s of blocks")
        places.append(place)
    rows = [set(part.tolist()) for part in places[0].chunk(groups)]
    _require(sum(map(len, rows)) == len(set().union(*rows)), f"a block of {name} crosses a group")
    return Blocks(places[0].to(weight.device), places[1].to(weight.device))


def _read_patterns(
    name: str, layer: dict[str, Any], weight: Tensor, blocks: Blocks, pool: tuple[Pattern, ...]
) -> Tensor:
    """What each block keeps: a pattern of the pool, or everything where the layer has none."""
    taps = weight[0, 0].numel()
    found = _tensor(name, layer, "patterns", torch.bool, (blocks.rows, blocks.columns, taps))
    _require(type(layer["patterned"]) is bool, f"{name} does not say whether it has patterns")
    if layer["patterned"]:
        _require(taps == 9, f"{name} has patterns, and no 3x3 kernels")
        codes = (found.long() << torch.arange(9)).sum(2)
        known = torch.tensor([sum(1 << position for position in pattern) for pattern in pool], dtype=torch.int64)
        _require(bool(torch.isin(codes, known).all()), f"a pattern of {name} is not in the pool")
    else:
        _require(bool(found.all()), f"{name} has a pattern, and should have none")
    return found.to(weight)


def _tensor(name: str, layer: dict[str, Any], key: str, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    found = layer[key]
    _require(is_plain(found, dtype, shape), f"{key} of {name} is no {str(dtype).removeprefix('torch.')} {tuple(shape)}")
    return torch.as_tensor(found).contiguous()


def is_plain(value: object, dtype: torch.dtype, shape: tuple[int, ...]) -> bool:
    """Whether a value is a dense tensor on the CPU, of this type and shape."""
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and value.dtype == dtype
        and value.shape == shape
    )


def _require(holds: bool, fault: str) -> None:
    if not holds:
        raise StateError(f"the state can't be continued: {fault}")
