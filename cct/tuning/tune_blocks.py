"""`--block auto`: measure every layer with several blocks on this machine; take the finest that costs no time.

A coarser block costs accuracy everywhere, and in some layers (few channels, small planes, 1x1 kernels) gains no time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import torch
from torch import nn

from cct.atomic_files import temporary_folder
from cct.errors import UnsupportedModel
from cct.measure.layer_times import packed_times
from cct.recipe.blocks import Block, format_blocks
from cct.recipe.recipe import Recipe
from cct.recipe.target import TARGETS
from cct.tuning.block_choice import BlockChoice, BlockRow
from cct.tuning.choose_blocks import CANDIDATES, Times, choose_blocks
from cct.tuning.trial import PrunedNetwork, Trials

UNIFORM = TARGETS["cpu"].block  # what the mixed network is compared with


def tune_blocks(
    module: nn.Module, example: torch.Tensor, recipe: Recipe, log: Callable[[str], None] = lambda line: None
) -> BlockChoice:
    """Choose a block for each layer that the recipe prunes, for this machine.

    The network is pruned at once with each candidate block in all layers, at the same density in each, and every layer
    timed within it: one image, one thread and as many as there are cores. Of a layer, those blocks are candidates whose
    height does not exceed its output channels per group; of them `finest` takes one, and `choose_blocks` looks at the
    whole network, pruned as the recipe says.

    Args:
        module: the baseline; stays as it is.
        example: an input.
        recipe: of the run; its own `block` and `blocks` have no say.
        log: takes one line per measurement.

    Raises:
        UnsupportedModel: no layer can be pruned, or the compression can't be reached with any block.
    """
    with temporary_folder() as folder:
        trials = Trials(module, example, folder, log)
        block, reference = _reference(trials, recipe)
        times = _times(module, [row.name for row in reference.layers], trials, recipe)

        def choice(blocks: Mapping[str, Block], ratio: float) -> BlockChoice:
            rows = (BlockRow(name, format_blocks(blocks[name]), _by_text(times[name])) for name in times)
            return BlockChoice(format_blocks(block), ratio, tuple(trials.threads), tuple(rows))

        def ratio_of(blocks: Mapping[str, Block]) -> float:
            try:
                mixed = trials.prune(choice(blocks, 0.0).applied_to(recipe))
            except UnsupportedModel:  # these blocks come to no such compression
                return 0.0
            return trials.ratios(reference.path, [mixed.path])[0]

        return choice(*choose_blocks(times, block, ratio_of, log))


def _reference(trials: Trials, recipe: Recipe) -> tuple[Block, PrunedNetwork]:
    """The network with `UNIFORM` in all layers; with a finer block where that can't reach the compression."""
    blocks = [block for block in CANDIDATES if block <= UNIFORM]
    while True:
        block = blocks.pop()
        try:
            return block, trials.prune(replace(recipe, block=block, blocks=()))
        except UnsupportedModel:
            if not blocks:
                raise


def _times(module: nn.Module, names: Sequence[str], trials: Trials, recipe: Recipe) -> dict[str, Times]:
    """The milliseconds of each pruned layer with each block that it has channels for and is packed with.

    All at the same density: by one ranking over all layers ("global") a layer would keep more of its weights in finer
    blocks, and in coarser ones look faster than they make it.
    """
    pruned: dict[Block, PrunedNetwork] = {}
    for block in CANDIDATES:
        with suppress(UnsupportedModel):  # it is too coarse for the compression
            pruned[block] = trials.prune(replace(recipe, block=block, blocks=(), connectivity="uniform"))
    paths = [network.path for network in pruned.values()]
    by_threads = [dict(zip(pruned, packed_times(paths, threads), strict=True)) for threads in trials.threads]
    answer: dict[str, Times] = {}
    for name in names:
        convolution = module.get_submodule(name)
        assert isinstance(convolution, nn.Conv2d)
        channels = convolution.out_channels // convolution.groups
        fitting = [b for b in pruned if b[0] <= channels and all(name in found[b] for found in by_threads)]
        answer[name] = {b: [found[b][name] for found in by_threads] for b in fitting}
    return answer


def _by_text(times: Times) -> dict[str, tuple[float, ...]]:
    return {format_blocks(block): tuple(milliseconds) for block, milliseconds in times.items()}
