"""The rule by which `--block auto` gives each layer its block, on measured times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cct.recipe.blocks import Block, format_blocks

CANDIDATES: tuple[Block, ...] = ((1, 1), (2, 1), (4, 1), (8, 1))  # the finest first
TOLERANCE = 0.05  # of the time: two sessions of one file differ by up to 3 %
CLOCK = 0.001  # milliseconds: ONNX Runtime's profile counts whole microseconds
_ROUNDING = 1e-6
_ROUNDS = 4  # of the whole network

Times = Mapping[Block, Sequence[float]]  # a layer's milliseconds by block, for each number of threads


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


def choose_blocks(
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
            f"block auto, round {turn}: a finer block than {format_blocks(block)} in {len(finer)} of {len(chosen)} "
            f"layers, {ratio:.2f}x as fast as with that alone, {len(back) or 'none'} to go back to it"
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
