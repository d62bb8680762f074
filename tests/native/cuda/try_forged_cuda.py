"""Makes convolutions of forged numbers on the driver of the tests, which runs nothing, and counts what comes of it.

    python -m tests.native.cuda.try_forged_cuda LIBRARY DRIVER COUNT SEED

The last line on stdout is JSON: outcomes by name.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Callable

import numpy as np

from tests.native.cuda.host import DEVICES, CudaConv, Gpu
from tests.native.forged.base_model import base
from tests.native.forged.forge import forge_arguments, odd_shape
from tests.native.native_binding import NativeError, PatternConv
from tests.support.cases import TYPES

SMALL = 2**18  # numbers or bytes


def said_by(make: Callable[[], object]) -> str:
    """Why a convolution was refused; empty if it was not."""
    try:
        make()
    except NativeError as error:
        return str(error)
    return ""


def trial(gpu: Gpu, seed: int) -> str:
    """What happened; the CPU's routines accept the same weights."""
    rng = np.random.default_rng(seed)
    case = base(seed % 60).cast(str(rng.choice(list(TYPES))))
    arguments, device = forge_arguments(rng, case), DEVICES[str(rng.choice(["8.0", "7.5", "12.0"]))]
    on_cpu, on_gpu = said_by(lambda: PatternConv(arguments)), said_by(lambda: CudaConv(gpu, arguments, device))
    assert on_gpu == on_cpu or "the GPU" in on_gpu, (on_cpu, on_gpu)
    if on_gpu:
        return "refused"
    conv = CudaConv(gpu, arguments, device, tf32=bool(rng.integers(2)))
    outcome = "made"
    for _ in range(6):
        shape = odd_shape(rng, case.packed.in_channels)
        try:
            dims, size = conv.prepare(shape)
            if max(math.prod(shape), math.prod(dims), size) < SMALL:
                conv.run(np.ones(shape))
                outcome = "run"
        except NativeError:
            continue
    return outcome


if __name__ == "__main__":
    library, driver, count, first = sys.argv[1:]
    on = Gpu(library, driver)
    print(json.dumps(Counter(trial(on, seed) for seed in range(int(first), int(first) + int(count)))))
