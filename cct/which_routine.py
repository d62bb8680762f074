"""Which routine of the library computes a PatternConv, as far as type and window say."""

from __future__ import annotations

_MOST_TAPS = 32  # of the tensor core routines: kMostTaps of native/cuda/launch.h


def which_routine(provider: str, x_type: str, positions: int, isa: str, capability: tuple[int, int] | None) -> str:
    """Name of the routine.

    Args:
        provider: "cpu" or "cuda".
        x_type: of the image, "float32" or "float16".
        positions: of the window that any kernel keeps.
        isa: row that the library runs on the CPU.
        capability: of the GPU; None stands for one that has all.

    Returns:
        The ISA row on the CPU; on CUDA "tensor cores" or "plain". Weights so few that tensor cores would compute mostly
        zeros, as those of depthwise convolutions are, go plain too; the library decides that when it has them.
    """
    if provider == "cpu":
        return isa
    fast = x_type == "float16" and positions <= _MOST_TAPS and (capability is None or capability >= (8, 0))
    return "tensor cores" if fast else "plain"
