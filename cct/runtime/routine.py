"""Which routine of the library computes a PatternConv, as far as type and window say."""

from __future__ import annotations

import os

_MOST_TAPS = 32  # of the tensor core routines: kMostTaps of native/cuda/launch.h


def which_routine(
    provider: str, tf32: bool, positions: int, isa: str, capability: tuple[int, int] | None, group: int = 1
) -> str:
    """Name of the routine.

    Args:
        provider: "cpu" or "cuda".
        tf32: whether tensor cores would round the image, which is float32.
        positions: of the window that any kernel keeps; 0 if nothing is kept.
        isa: row that the library runs on the CPU.
        capability: of the GPU; None stands for one that has all.
        group: groups of the convolution.

    Returns:
        The ISA row on the CPU; on CUDA "tensor cores", with "tf32" where they round float32, or "plain". The library
        decides when it has the weights, and takes plain for those that are too few to fill a tile. Both names are
        said only where that is likely: a group of few channels would fill tensor cores with zeros.
    """
    if provider == "cpu":
        return isa
    forbidden = tf32 and os.environ.get("NVIDIA_TF32_OVERRIDE") == "0"
    fits = 0 < positions <= _MOST_TAPS and (capability is None or capability >= (8, 0))
    if forbidden or not fits:
        return "plain"
    routine = "tensor cores, tf32" if tf32 else "tensor cores"
    return routine if group == 1 else f"{routine} or plain"
