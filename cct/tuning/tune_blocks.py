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
from cct.tuning.block_choice import BlockChoice, MeasuredLayer
from cct.tuning.trial import Pruned, Trials

CANDIDATES: tuple[Block, ...] = ((1, 1), (2, 1), (4, 1), (8, 1))  # the finest first
UNIFORM = TARGETS["cpu"].block  # what the mixed network is compared with
TOLERANCE = 0.05  # of the time: two sessions of one file differ by up to 3 %
CLOCK = 0.001  # milliseconds: ONNX Runtime's profile counts whole microseconds
_ROUNDING = 1e-6
_ROUNDS = 4  # of the whole network

Times = Mapping[Block, Sequence[float]]  # a layer's milliseconds by block, for each number of threads


def choose_blocks(
    module: nn.Module, example: torch.Tensor, recipe: Recipe, log: Callable[[str], None] = lambda line: None
) -> BlockChoice:
    """Choose a block for each layer that the recipe prunes, for this machine.

    The network is pruned at once with each candidate block in all layers, at the same density in each, and every layer
    timed within it: one image, one thread and as many as there are cores. Of a layer, those blocks are candidates whose
    height does not exceed its output channels per group; of them `finest` takes one, and `choose` looks at the whole
    network, pruned as the recipe says.

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
            rows = (MeasuredLayer(name, format_blocks(blocks[name]), _by_text(times[name])) for name in times)
            return BlockChoice(format_blocks(block), ratio, tuple(trials.threads), tuple(rows))

        def ratio_of(blocks: Mapping[str, Block]) -> float:
            try:
                mixed = trials.prune(choice(blocks, 0.0).applied_to(recipe))
            except UnsupportedModel:  # these blocks come to no such compression
                return 0.0
            return trials.ratios(reference.path, [mixed.path])[0]

        return choice(*choose(times, block, ratio_of, log))


def finest(times: Times) -> Block:
    """The finest block that costs no time worth having.

    With each number of threads a block may take `TOLERANCE` more time than the fastest candidate, and in any case
    `CLOCK` more, which is all that the profile tells apart. The finest block wins that stays within this with every
    number of threads. Where none does, since one block is the fastest with one thread and another with all, the bound
    is widened as far as the first one needs.

    Every number of threads counts, as the file may run with any; the finest wins and not the fastest, as it keeps most
    accuracy, and a difference within the tolerance is none.

    Args:
        times: milliseconds of one layer, for each number of threads, by block; at least one block.
    """
    fastest = [min(column) for column in zip(*times.values(), strict=True)]
    excess = {
        block: max((taken - least) / max(TOLERANCE * least, CLOCK) for taken, least in zip(row, fastest, strict=True))
        for block, row in times.items()
    }
    bound = max(1.0, min(excess.values())) + _ROUNDING
    return min(block for block in times if excess[block] <= bound)


def choose(
    times: Mapping[str, Times],
    block: Block,
    ratio_of: Callable[[Mapping[str, Block]], float],
    log: Callable[[str], None],
) -> tuple[dict[str, Block], float]:
    """Take each layer's finest block, and give it up where the whole network does not bear out what it is for.

    1. Each layer gets its `finest` block; one without times keeps the block of all.
    2. Coarser blocks than that of all cost accuracy, so they are to save time: the network with them alone must be
       faster than with one block in all layers, by `TOLERANCE`. If it is not, they get the `finest` up to that block.
    3. Finer ones are to cost none: the network with all these blocks may take `TOLERANCE` more time than with one block
       in all layers. If it takes more, half of the finer ones go back to that block: first those that lose least
       fineness (2x1 before 1x1), of equal ones those that measured slowest against it.
    4. So on, four rounds at most; then all finer ones go back.

    Args:
        times: of each layer, possibly none.
        block: of all layers in the network to compare with.
        ratio_of: prunes by the blocks given and measures: how many times faster than that network this one is.
        log: takes one line per measurement.

    Returns:
        The block of each layer, and what `ratio_of` measured for them; 1 if all have one block.
    """
    chosen = {name: _finest_of(by_block, CANDIDATES, block) for name, by_block in times.items()}
    coarser = {name: own for name, own in chosen.items() if own > block}
    alone = 1.0  # ratio of the network in which no layer has a finer block
    if coarser:
        alone = ratio_of(dict.fromkeys(times, block) | coarser)
        worth = alone >= 1 + TOLERANCE
        log(
            f"block auto: a coarser block than {format_blocks(block)} in {len(coarser)} of {len(chosen)} layers, "
            f"{alone:.2f}x as fast as with that alone, {'none' if worth else len(coarser)} to take a finer one"
        )
        if not worth:
            up_to = [candidate for candidate in CANDIDATES if candidate <= block]
            chosen |= {name: _finest_of(times[name], up_to, block) for name in coarser}
            alone = 1.0
    finer = sorted(
        (name for name, own in chosen.items() if own < block),
        key=lambda name: (-chosen[name][0], -_lost(times[name], chosen[name], block)),
    )
    for turn in range(1, _ROUNDS + 1):
        if not finer:
            break
        ratio = ratio_of(chosen)
        good = ratio >= 1 / (1 + TOLERANCE)
        back = [] if good else finer[: -(-len(finer) // 2)] if turn < _ROUNDS else finer
        log(
            f"block auto, round {turn}: a finer block than {format_blocks(block)} in "
            f"{len(finer)} of {len(chosen)} layers, {ratio:.2f}x as fast as with that alone, "
            f"{len(back) or 'none'} to go back to it"
        )
        if good:
            return chosen, ratio
        chosen |= dict.fromkeys(back, block)
        finer = finer[len(back) :]
    if all(own == block for own in chosen.values()):
        log(f"block auto: {format_blocks(block)} in every layer")
    return chosen, alone


def _finest_of(times: Times, candidates: Sequence[Block], block: Block) -> Block:
    """The `finest` of some blocks; one that is given where a layer was measured with none of them."""
    measured = {candidate: times[candidate] for candidate in candidates if candidate in times}
    return finest(measured) if measured else block


def _lost(times: Times, chosen: Block, block: Block) -> float:
    """Milliseconds that a layer loses by its own block, over all numbers of threads."""
    return sum(times[chosen]) - sum(times[block]) if block in times else 0.0


def _reference(trials: Trials, recipe: Recipe) -> tuple[Block, Pruned]:
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
    pruned: dict[Block, Pruned] = {}
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
