"""`time_chain`: convolutions in a row, packed against dense, on one device."""

from __future__ import annotations

from dataclasses import dataclass

from cct.bench import Timing, compare
from cct.selftest.chain import chain_models
from cct.target import TARGETS

SHAPES = ((64, 56), (128, 28), (256, 14), (512, 7))  # channels, pixels a side
COMPRESSION = 4
_BATCH = {"cpu": 1, "cuda": 8}


@dataclass(frozen=True)
class ChainTime:
    """One chain of 3x3 convolutions with ReLU.

    Attributes:
        channels, side, batch: of the images throughout.
        dtype: of everything.
        block: of the packed chain.
        dense, packed: milliseconds a run.
    """

    channels: int
    side: int
    batch: int
    dtype: str
    block: tuple[int, int]
    dense: Timing
    packed: Timing

    @property
    def ratio(self) -> float:
        """How many times faster the packed chain is."""
        return self.dense.median / self.packed.median


def time_chain(channels: int, side: int, provider: str, rounds: int) -> ChainTime:
    """Time both in turns, with block and types of the target that is named as the provider."""
    target, batch = TARGETS[provider], _BATCH[provider]
    models = chain_models(channels, side, batch, target.activations, target.block, COMPRESSION)
    times = compare(models, provider=provider, rounds=rounds)
    return ChainTime(channels, side, batch, target.activations, target.block, times["dense"], times["packed"])
