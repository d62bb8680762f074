"""The scratch of a run on machines of many cores: bounded by X, Y and a cache, whatever shape the images have."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.native.cpu.scratch_sizes import scratch_cases

HERE = Path(__file__).parent
MOST_WORKERS, SLOT_CACHES = 64, 2  # job.h, plan.h
SHARES = 16  # of the images, whose sums of gradients are in the scratch: weight_gradient.cpp


def sizes_on(environment: dict[str, str]) -> list[list[list[int]]]:
    """Of each case, of each ISA row: the convolution's scratch and the gradient's."""
    command = [sys.executable, str(HERE / "scratch_sizes.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answer: list[list[list[int]]] = json.loads(done.stdout)
    return answer


def cache() -> int:
    """What a plan takes of the second-level cache, as plan.cpp has it."""
    done = subprocess.run(["getconf", "LEVEL2_CACHE_SIZE"], capture_output=True, text=True)
    stated = int(done.stdout) if done.stdout.strip().isdigit() else 0
    return min(max(stated * 3 // 4, 256 << 10), 2 << 20) if stated > 0 else 512 << 10


def test_scratch_does_not_grow_with_the_cores(many_cores):
    one, many, more = (sizes_on(many_cores(cores)) for cores in (1, 64, 1000))
    for (kernel, geometry, shape, block), *sizes in zip(scratch_cases(), one, many, more, strict=True):
        images, channels, height, width = shape
        top, left, bottom, right = geometry.get("pads", (0,) * 4)
        step, dilations = geometry.get("strides", (1, 1)), geometry.get("dilations", (1, 1))
        padded = height + top + bottom, width + left + right
        out = [(padded[i] - (kernel[i] - 1) * dilations[i] - 1) // step[i] + 1 for i in range(2)]
        x, y = images * channels * height * width * 4, images * 32 * out[0] * out[1] * 4
        together = x + y + MOST_WORKERS * SLOT_CACHES * cache()
        sums = SHARES * 32 * channels * kernel[0] * kernel[1] * 4
        # One slot: a few copies of X with its padding, in rows of whole vectors.
        one_slot = max(4 * (channels * padded[0] * (padded[1] + 64) * 4 + y / images), 4 * cache())
        for alone, *on_many in zip(*sizes, strict=True):  # of an ISA row
            for beside, slot, *scratch in zip((0, sums), alone, *on_many, strict=False):
                case = f"{kernel} {geometry} {shape} {block}: {slot} with one core, {scratch} with 64 and 1000"
                assert max(scratch) <= max(together, slot) + beside + 4096, case
                assert slot <= one_slot + beside, case
