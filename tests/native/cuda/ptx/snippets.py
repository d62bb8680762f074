"""Functions written by hand, to test the interpreter itself with."""

from __future__ import annotations

import numpy as np

from tests.native.cuda.ptx.counters import Counters
from tests.native.cuda.ptx.global_memory import GlobalMemory
from tests.native.cuda.ptx.parse import Function, parse
from tests.native.cuda.ptx.registers import Array
from tests.native.cuda.ptx.run import launch

# %i is the thread's number, %in and %out are where its 16 bytes of X and Y lie.
FRAME = """
.version 9.0
.target sm_80
.address_size 64
.extern .shared .align 128 .b8 pool[];
.visible .entry snippet(.param .u64 .ptr .global .align 16 snippet_0, .param .u64 snippet_1)
{
    .reg .pred %p<8>;
    .reg .b16 %h<8>;
    .reg .b32 %r<16>; .reg .b32 %i;
    .reg .f32 %f<16>;
    .reg .b64 %d<16>; .reg .b64 %in; .reg .b64 %out;
    mov.u32 %r0, %ctaid.x; mov.u32 %r1, %ntid.x; mov.u32 %r2, %tid.x;
    mad.lo.s32 %i, %r0, %r1, %r2;
    mul.wide.u32 %d0, %i, 16;
    ld.param.u64 %d1, [snippet_0]; cvta.to.global.u64 %d1, %d1; add.s64 %in, %d1, %d0;
    ld.param.u64 %d2, [snippet_1]; add.s64 %out, %d2, %d0;
    BODY
    ret;
}
"""


def function(body: str) -> Function:
    """The body as a function."""
    return parse(FRAME.replace("BODY", body))["snippet"]


def run(
    body: str, x: Array | None = None, threads: int = 32, blocks: int = 1, counters: Counters | None = None
) -> Array:
    """Y, 16 bytes a thread, as four 32-bit integers.

    Args:
        body: statements.
        x: 16 bytes a thread.
        threads: of a block.
        blocks: that run.
        counters: for the accesses.
    """
    memory = GlobalMemory()
    both = _aligned(2 * threads * blocks * 16 + 256)  # with room between the two
    given, y = both[: threads * blocks * 16], both[-threads * blocks * 16 :].view(np.uint32).reshape(-1, 4)
    given[:] = 0 if x is None else x.reshape(-1).view(np.uint8)
    addresses = [memory.add("X", given), memory.add("Y", y, written=False)]
    memory.begin_launch({"Y"})
    parameters = [np.uint64(address).tobytes() for address in addresses]
    launch(function(body), (blocks, 1, 1), (threads, 1, 1), parameters, memory, 4096, counters)
    return y


def _aligned(size: int) -> Array:
    memory = np.empty(size + 256, np.uint8)
    start = -memory.ctypes.data % 256
    return memory[start : start + size]
