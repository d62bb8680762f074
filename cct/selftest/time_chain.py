"""`time_chain`: convolutions in a row, packed against dense, on one device."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cct.measure.interleaved import compare
from cct.messages import first_line
from cct.recipe.target import TARGETS
from cct.report.timing import Ratio, Timing
from cct.selftest.chain import chain_models

SHAPES = ((64, 56), (128, 28), (256, 14), (512, 7))  # channels, pixels a side
COMPRESSION = 4
TIMED_TYPES = {"cpu": ("float32",), "cuda": ("float16", "float32")}  # keys of `TYPES`, the target's first
_BATCH = {"cpu": 1, "cuda": 8}


@dataclass(frozen=True)
class ChainTime:
    """One chain of 3x3 convolutions with ReLU.

    Attributes:
        channels, side, batch: of the images throughout.
        dtype: a key of `cct.operator.types.TYPES`.
        block: of the packed chain.
        dense, packed: milliseconds a run; None if either failed.
        ratio: how many times faster the packed chain is, likewise.
        problem: why it failed, else empty.
    """

    channels: int
    side: int
    batch: int
    dtype: str
    block: tuple[int, int]
    dense: Timing | None = None
    packed: Timing | None = None
    ratio: Ratio | None = None
    problem: str = ""


def time_chain(channels: int, side: int, dtype: str, provider: str, rounds: int) -> ChainTime:
    """Time both in turns, with the block of the target that is named as the provider."""
    block, batch = TARGETS[provider].block, _BATCH[provider]
    chain = ChainTime(channels, side, batch, dtype, block)
    try:
        models = chain_models(channels, side, batch, dtype, block, COMPRESSION)
        times = compare(models, provider=provider, rounds=rounds)
        return replace(chain, dense=times.models["dense"], packed=times.models["packed"], ratio=times.ratios["packed"])
    except Exception as failed:  # ONNX Runtime raises many kinds; the report of the cases must not be lost
        return replace(chain, problem=first_line(failed))
