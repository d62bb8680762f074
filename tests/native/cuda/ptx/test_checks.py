"""What the interpreter refuses, on functions written by hand: an error each, and the right neighbour of it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.native.cuda.ptx.counters import Counters
from tests.native.cuda.ptx.errors import PtxError
from tests.native.cuda.ptx.snippets import run

# %r9 is the thread's own word of shared memory, %r10 that of its neighbour in the same block.
WORDS = """
    mov.u32 %r8, pool; mov.u32 %r1, %tid.x; shl.b32 %r9, %r1, 2; add.s32 %r9, %r8, %r9;
    xor.b32 %r10, %r1, 1; shl.b32 %r10, %r10, 2; add.s32 %r10, %r8, %r10;
"""
COPY = "mov.u32 %r8, pool; mov.u32 %r1, %tid.x; shl.b32 %r9, %r1, 4; add.s32 %r9, %r8, %r9;"
COPY_16 = f"{COPY} cp.async.cg.shared.global [%r9], [%in], 16;"


def refused(body: str, message: str, **how: int) -> None:
    with pytest.raises(PtxError, match=message):
        run(body, **how)


def test_exchange_needs_a_barrier():
    body = WORDS + "st.shared.u32 [%r9], %i; {} ld.shared.u32 %r11, [%r10]; st.global.u32 [%out], %r11;"
    refused(body.replace("{}", ""), "race: shared byte 4 is read after another thread wrote it")
    right = run(body.replace("{}", "bar.sync 0;"), threads=64, blocks=2)[:, 0]
    assert right.tolist() == [i ^ 1 for i in range(128)]


def test_reuse_needs_a_barrier():
    body = WORDS + "st.shared.u32 [%r9], %i; bar.sync 0; ld.shared.u32 %r11, [%r10]; {} st.shared.u32 [%r9], 7;"
    refused(body.replace("{}", ""), "race: shared byte 0 is written after another thread read it")
    run(body.replace("{}", "bar.sync 0;"))


def test_a_word_that_all_read_is_nobodys():
    body = WORDS + "setp.eq.s32 %p1, %i, 0; @%p1 st.shared.u32 [pool], 7; bar.sync 0; ld.shared.u32 %r11, [pool]; {}"
    run(body.replace("{}", ""))
    refused(body.replace("{}", "@%p1 st.shared.u32 [pool], 7;"), "written after another thread read it")


def test_two_lanes_write_one_word():
    refused("st.shared.u32 [pool], %i;", "two lanes write shared byte 0 at once")
    refused(WORDS + "st.shared.u32 [%r9], 1; st.shared.u32 [%r10], 1;", "written after another thread wrote it")


def test_halves_of_a_word_are_two_threads():
    """The unit of the checks is what the function accesses least."""
    body = """mov.u32 %r8, pool; shl.b32 %r9, %i, 1; add.s32 %r9, %r8, %r9;
        cvt.u16.u32 %h1, %i; st.shared.u16 [%r9], %h1;
        bar.sync 0; shl.b32 %r9, %i, 2; add.s32 %r9, %r8, %r9; setp.lt.s32 %p1, %i, 16;
        mov.u32 %r11, 0; @%p1 ld.shared.u32 %r11, [%r9]; st.global.u32 [%out], %r11;"""
    assert run(body)[:3, 0].tolist() == [0x00010000, 0x00030002, 0x00050004]


def test_shared_bounds_alignment_and_values():
    refused("ld.shared.u32 %r11, [pool];", "shared memory is read at byte 0, never written")
    refused("setp.eq.s32 %p1, %i, 0; @%p1 st.shared.u32 [pool+4096], 1;", "out of bounds: bytes 4096 to 4100 of 4096")
    refused("setp.eq.s32 %p1, %i, 0; @%p1 st.shared.u32 [pool+2], 1;", "not aligned to 4")
    run("setp.eq.s32 %p1, %i, 0; @%p1 st.shared.u32 [pool+4092], 1;")


def test_barriers_take_the_whole_block():
    body = "setp.lt.u32 %p1, %r2, 32; @%p1 bra SKIP; bar.sync 0; SKIP:"
    refused(body, "not all threads", threads=64)
    run("setp.eq.s32 %p1, %r0, 1; @%p1 bra SKIP; bar.sync 0; SKIP:", threads=64, blocks=2)
    run("setp.lt.u32 %p1, %r2, 32; @%p1 ret; bar.sync 0;", threads=64)  # who has left is not waited for
    refused("bar.sync 1, 32;", "part of a block")


def test_matrices_take_the_whole_warp():
    body = COPY_16 + "cp.async.wait_all; bar.sync 0; {} ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r11}, [%r9];"
    run(body.replace("{}", ""))
    refused(body.replace("{}", "setp.lt.u32 %p1, %i, 16; @%p1"), "16 of the warp's 32 lanes")


def test_a_copy_is_there_after_the_wait_and_for_others_after_a_barrier():
    load = "ld.shared.v4.u32 {%r4, %r5, %r6, %r7}, [%r9]; st.global.v4.u32 [%out], {%r4, %r5, %r6, %r7};"
    x = np.arange(128, dtype=np.uint32).reshape(32, 4)
    refused(COPY_16 + load, "byte 0 is used while a copy to it is in flight")
    refused(COPY_16 + "st.shared.u32 [%r9], 1;", "in flight")
    refused(COPY_16, "in flight when the kernel ends")
    refused(COPY_16 + "cp.async.commit_group;", "in flight when the kernel ends")
    refused(COPY_16 + "cp.async.commit_group; cp.async.wait_group 1;" + load, "in flight")
    refused(COPY_16 + "cp.async.wait_group 0;" + load, "in flight")  # it is in no group yet
    np.testing.assert_array_equal(run(COPY_16 + "cp.async.commit_group; cp.async.wait_group 0;" + load, x), x)
    np.testing.assert_array_equal(run(COPY_16 + "cp.async.wait_all;" + load, x), x)
    others = "xor.b32 %r9, %r9, 16;" + load
    refused(COPY_16 + "cp.async.wait_all;" + others, "read after another thread wrote it")
    np.testing.assert_array_equal(run(COPY_16 + "cp.async.wait_all; bar.sync 0;" + others, x), x[np.arange(32) ^ 1])


def test_groups_arrive_in_order():
    second = "add.s32 %r9, %r9, 512; cp.async.cg.shared.global [%r9], [%in], 16; cp.async.commit_group;"
    load = "ld.shared.v4.u32 {%r4, %r5, %r6, %r7}, [%r9]; cp.async.wait_all;"
    body = COPY_16 + "cp.async.commit_group;" + second + "cp.async.wait_group 1;"
    run(body + "sub.s32 %r9, %r9, 512;" + load)
    refused(body + load, "in flight")


@pytest.mark.parametrize("size", [0, 1, 6, 16])
def test_a_copy_fills_with_zeros(size):
    x = np.arange(512, dtype=np.uint8).reshape(32, 16)
    body = COPY + f"mov.u32 %r10, {size}; cp.async.cg.shared.global [%r9], [%in], 16, %r10; cp.async.wait_all;"
    load = "ld.shared.v4.u32 {%r4, %r5, %r6, %r7}, [%r9]; st.global.v4.u32 [%out], {%r4, %r5, %r6, %r7};"
    got = run(body + load, x).view(np.uint8)
    np.testing.assert_array_equal(got, np.where(np.arange(16) < size, x, 0))


def test_a_copy_has_no_more_than_its_bytes():
    refused(COPY + "mov.u32 %r10, 16; cp.async.ca.shared.global [%r9], [%in], 8, %r10;", "a copy of 8 bytes from 16")


def test_global_bounds_and_alignment():
    refused("ld.global.u32 %r11, [%in+16];", "out of bounds: byte 512 of X, which has 512")
    refused("ld.global.u32 %r11, [%in+-4];", "out of bounds: byte -4 of X")
    refused("ld.global.u32 %r11, [%in+2];", "not aligned to 4")
    ahead = COPY + "mov.u32 %r10, {}; cp.async.cg.shared.global [%r9], [%in+16], 16, %r10; cp.async.wait_all;"
    refused(ahead.replace("{}", "1"), "out of bounds: byte 512 of X")
    run(ahead.replace("{}", "0"))  # nothing is read
    refused(COPY + "cp.async.cg.shared.global [%r9], [%in+8], 16, 4;", "not aligned to 16")
    refused(COPY + "cp.async.cg.shared.global [%r9], [%in+8], 16, 0;", "not aligned to 16")


def test_global_bytes_are_written_once_by_whom_may():
    refused("st.global.u32 [%in], 1;", "X is written at byte 0: it is an input")
    refused("st.global.u32 [%out], 1; st.global.u32 [%out], 1;", "Y is written at byte 0, which this launch has")
    refused("ld.param.u64 %d3, [snippet_1]; st.global.u32 [%d3], 1;", "Y is written at byte 0")
    refused("ld.global.u32 %r11, [%out];", "Y is read at byte 0, never written")
    refused("st.global.u32 [%out], 1; ld.global.u32 %r11, [%out];", "Y is read at byte 0, which this launch writes")


def test_counters():
    counters = Counters()
    body = COPY + "st.shared.v4.u32 [%r9], {%i, %i, %i, %i}; bar.sync 0; ld.shared.u32 %r11, [%r9];"
    run(body + "ld.global.u32 %r11, [%in]; st.global.v4.u32 [%out], {%i, %i, %i, %i};", threads=64, counters=counters)
    assert counters.shared["store"].conflicts == 1  # 8 lanes of 16 bytes at a time
    assert counters.shared["load"].conflicts == 4  # every fourth word: 4 lanes a bank
    assert counters.global_["load", "X"].bytes_per_sector == 8
    assert counters.global_["store", "Y"].bytes_per_sector == 32
    assert (counters.global_["store", "Y"].requests, counters.global_["store", "Y"].moved) == (2, 32)
    assert counters.instructions["bar"] == 2


def test_a_word_that_all_read_is_one_wavefront():
    counters = Counters()
    run(
        "setp.eq.s32 %p1, %i, 0; @%p1 st.shared.u32 [pool], 7; bar.sync 0; ld.shared.u32 %r11, [pool];",
        counters=counters,
    )
    assert counters.shared["load"].conflicts == 1
