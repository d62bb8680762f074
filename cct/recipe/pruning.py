"""`Pruning`: what of a network goes, how it is chosen, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from cct.operator.spec import LARGEST
from cct.recipe.blocks import LayerBlock
from cct.recipe.knob import COUNT, MOST, NOT_NEGATIVE, SHARE, Range, Section, knob, require
from cct.recipe.target import TARGETS

Pattern = tuple[int, ...]

_POOL_SIZE = 126  # all that keep 4 of 9
_COMPRESSION = Range(1, MOST, f"1 or more, at most {MOST}")
_BLOCK = Range(1, LARGEST, f"two whole numbers from 1 to {LARGEST}")


@dataclass(frozen=True, kw_only=True)
class Pruning(Section):
    """What of a network goes, and when: see the help of each knob."""

    compression: float = knob(
        4.0,
        _COMPRESSION,
        "Weights / kept weights over the prunable convolutions; 4 in the default recipe.",
        "--compression",
    )
    block: tuple[int, int] = knob(
        TARGETS["cpu"].block,
        _BLOCK,
        "Output x input channels whose kernels share one pattern and one connectivity.",
        "--block",
        items=int,
        length=2,
    )
    blocks: tuple[str, ...] = knob(
        (),
        LayerBlock.parse,
        "Other blocks for single layers, each LAYER=OUTxIN, LAYER a name or a shell pattern: layer1.*=2x1; the first "
        "that fits a layer holds.",
        items=str,
        words="LAYER=OUTxIN each",
    )
    include: tuple[str, ...] = knob(
        (), None, "Prune it too, though it would stay dense: layer1.*", "--include LAYER", items=str
    )
    exclude: tuple[str, ...] = knob((), None, "Leave it dense; wins over --include.", "--exclude LAYER", items=str)
    importance: str = knob(
        "magnitude",
        ("magnitude", "taylor"),
        "What a weight is worth: w^2, or (w * dL/dw)^2, which needs importance_batches steps.",
    )
    importance_batches: int = knob(1, COUNT, "Steps over which taylor is summed.")
    entries: int = knob(
        4,
        (4, 1),
        "Of a pattern: 4 are ClickTrain's; 1 frees kernels up to 3x3 of patterns: each position of a block stays or "
        "goes by itself, at any compression, and pool has no say.",
    )
    pool: str | tuple[Pattern, ...] = knob(
        "greedy",
        None,
        "Where the patterns come from: greedy (what keeps most importance), frequent (most often a kernel's best), or "
        "a list of patterns, each of 4 ascending positions 0..8 (row-major).",
        items=tuple,
        words='"greedy", "frequent", 1 to 126 patterns',
    )
    pool_size: int = knob(
        _POOL_SIZE,
        Range(1, _POOL_SIZE, f"between 1 and {_POOL_SIZE}"),
        f"Patterns in a generated pool; {_POOL_SIZE} is all that keep 4 of 9.",
    )
    connectivity: str = knob(
        "uniform",
        ("uniform", "global"),
        "How blocks compete to stay: each layer keeps the same share of what its patterns leave, or one ranking, by "
        "which small early layers keep more, and with them most of the network's time.",
    )
    floor: float = knob(0.1, SHARE, "Share of the mean share that every layer keeps in any case, for global.")
    grouping: str = knob("swap", ("swap", "none"), "swap puts like output channels into one block, none neighbours.")
    choose_at: float = knob(
        0.0,
        SHARE,
        "When pool, blocks and patterns are chosen, as a share of all steps: 0 if the network is trained, else 1/3.",
    )
    cut_at: float = knob(0.25, SHARE, "When the last weight is cut, likewise, not before choose_at.")
    easing: str = knob(
        "ramp",
        ("ramp", "lasso"),
        "What happens between the two: ramp cuts to the patterns at once and takes blocks away step by step; lasso "
        "leaves all weights, with a group lasso on those that will go, and cuts them at cut_at.",
    )
    lasso: float = knob(0.0, NOT_NEGATIVE, "Weight of the group lasso in the loss.")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.cut_at >= self.choose_at, "cut_at", self.cut_at, f"choose_at ({self.choose_at}) or later")
        require(self.lasso == 0 or self.easing == "lasso", "lasso", self.lasso, '0 unless easing is "lasso"')
        require(self.lasso == 0 or self.entries > 1, "lasso", self.lasso, "0 if entries is 1: it is for patterns")
        _check_pool(self.pool)


def is_pattern(positions: Sequence[Any]) -> bool:
    """Whether these are 4 ascending positions 0..8."""
    whole = len(positions) == 4 and all(type(position) is int for position in positions)
    return whole and positions[0] >= 0 and positions[-1] <= 8 and all(a < b for a, b in pairwise(positions))


def _check_pool(pool: str | tuple[Pattern, ...]) -> None:
    if isinstance(pool, str):
        require(pool in ("greedy", "frequent"), "pool", pool, "greedy, frequent, or a list of patterns")
        return
    for pattern in pool:
        require(is_pattern(pattern), "pool", list(pattern), "patterns of 4 ascending positions 0..8")
    right = 1 <= len(set(pool)) == len(pool) <= _POOL_SIZE
    require(right, "pool", len(pool), f"1 to {_POOL_SIZE} different patterns")
