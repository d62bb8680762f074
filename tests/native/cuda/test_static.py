"""What the compiler made of the kernels, for the GPUs that matter most: gates on what decides their speed."""

from __future__ import annotations

import pytest

from tests.native.cuda import sass
from tests.native.cuda.launch import SLAB_STEPS, THREADS, TILES
from tests.native.cuda.slab_work import BLOCKS, copies, pixel_loads, products, rounded_loads, rounds, weight_loads
from tests.native.cuda.toolchain import compile_kernels

# At most this many instructions for each on the tensor cores, by the pixels and channels of a warp's tile. On A100 a
# quarter of a multiprocessor takes 8 cycles for one of those and issues an instruction in each: less than half of what
# it could is the room in which other warps hide the waits.
ISSUED = {(64, 64): 3.2, (64, 32): 3.2, (32, 32): 4.5}
# Where float32 is rounded as it is loaded: four loads instead of one, and two instructions for each to round it.
ROUNDING = {(64, 64): 3.8, (32, 32): 6.8}
REGISTERS = 65536  # of a multiprocessor
SHARED = {"sm_80": 164 * 1024, "sm_90": 228 * 1024}  # bytes of a multiprocessor; each block takes 1 KB beside its own
CHANNELS = {"halo": 3 * 512, "gather": 3 * 512, "pointwise": 1024}  # a chunk a slab: 512 at up to 12 taps; 4096 at one

every_architecture = pytest.mark.parametrize("architecture", sorted(SHARED))
every_tile = pytest.mark.parametrize("tile", TILES.values(), ids=list(TILES))


@pytest.fixture(scope="session")
def loops(nvcc, nvdisasm):
    """The product loops, by architecture and kernel."""
    return {
        architecture: {
            name: (kernel, kernel.product_loop)
            for name, kernel in sass.kernels(compile_kernels(architecture).path).items()
        }
        for architecture in SHARED
    }


@every_architecture
def test_nothing_spills_and_two_blocks_fit(nvcc, architecture):
    found = sass.resources(compile_kernels(architecture).log)
    assert set(TILES) < set(found)
    for name, needs in found.items():
        assert (needs.stack, needs.spill_stores, needs.spill_loads) == (0, 0, 0), name
        by_warps = -(-needs.registers // 8) * 8  # registers are given out in eights
        assert by_warps * THREADS * BLOCKS <= REGISTERS, name
    for tile in TILES.values():
        slabs = CHANNELS[tile.way] // tile.chunk
        assert (tile.shared_bytes(slabs) + 1024) * BLOCKS <= SHARED[architecture], tile


@every_architecture
@every_tile
def test_the_product_loop(loops, architecture, tile):
    kernel, loop = loops[architecture][tile.kernel]
    slabs = loop.count("HMMA") // products(tile)  # of an iteration
    assert loop.count("HMMA") == slabs * products(tile) > 0
    assert loop.copies == slabs * copies(tile)
    transposed = pixel_loads(tile) if tile.way == "pointwise" else 0  # halo also transposes what it copied
    assert slabs * rounded_loads(tile) <= loop.names["LDS"] <= slabs * (rounded_loads(tile) + 16)  # 16: of tables
    assert loop.names["LDSM.16.M88.4"] == slabs * (pixel_loads(tile) + weight_loads(tile) - transposed)
    assert tile.transposes or loop.names["LDSM.16.MT88.4"] == slabs * transposed
    assert loop.count("BAR") == slabs
    # Neither local nor global memory, nor what may be either; no calls and no branches through tables.
    assert not [
        name for name in loop.names if name.split(".")[0] in ("LDL", "STL", "LDG", "STG", "LD", "ST", "CALL", "BRX")
    ]
    # No loop in it, or its operations would not be all that a warp issues.
    numbers = {id(operation) for operation in loop.operations}
    assert not [inner for inner in kernel.loops if {id(operation) for operation in inner} < numbers]
    assert loop.issued_per_product <= (ROUNDING if rounds(tile) else ISSUED)[tile.warp_pixels, tile.warp_channels]


LISTING = """
.text.small:
        /*0000*/                   MOV R1, c[0x0][0x28] ;              /* 0x00000a0000017a02 */
                                                                       /* 0x000fe40000000f00 */
.L_x_1:
        /*0010*/                   LDSM.16.M88.4 R4, [R2] ;            /* 0x000000000204783b */
                                                                       /* 0x000e620000000200 */
        /*0020*/              @!P0 BRA `(.L_x_2) ;                     /* 0x0000013000008947 */
                                                                       /* 0x000fea0003800000 */
.L_x_3:
        /*0030*/                   HMMA.16816.F32 R8, R4, R2, R8 ;     /* 0x000000020408723c */
                                                                       /* 0x002ff00000001808 */
        /*0040*/               @P1 BRA `(.L_x_1) ;                     /* 0xffffff8000008947 */
                                                                       /* 0x000fea000383ffff */
        /*0050*/                   EXIT ;                              /* 0x000000000000794d */
                                                                       /* 0x000fea0003800000 */
.L_x_2:
        /*0060*/               @P2 LDGSTS.E.BYPASS.128 [R3], [R6.64] ; /* 0x0000000006037fae */
                                                                       /* 0x000fe2000b901d48 */
        /*0070*/                   BRA `(.L_x_3) ;                     /* 0xffffffe000007947 */
                                                                       /* 0x000fea000383ffff */
"""


def test_a_loop_has_what_lies_behind_its_end():
    """The compiler moves rare branches there."""
    loop = sass.parse(LISTING)["small"].product_loop
    expected = ["LDSM.16.M88.4", "BRA", "HMMA.16816.F32", "BRA", "LDGSTS.E.BYPASS.128", "BRA"]
    assert [operation.name for operation in loop.operations] == expected
    assert [operation.stall for operation in loop.operations] == [1, 5, 8, 5, 1, 5]
    assert (loop.copies, loop.issued_per_product, loop.stall, loop.count("LDS")) == (1, 6, 25, 0)


def test_resources_are_read():
    log = """ptxas info    : Compiling entry function 'f' for 'sm_80'
ptxas info    : Function properties for f
    8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 37 registers, used 0 barriers, 456 bytes cmem[0]"""
    assert sass.resources(log) == {"f": sass.Resources(8, 4, 12, 37)}


def test_the_work_of_a_slab():
    """By hand: 128 pixels x 128 channels of gather, by four warps of 64x64."""
    tile = TILES["cct_gather_128x128"]
    assert (products(tile), pixel_loads(tile), weight_loads(tile), copies(tile)) == (64, 8, 8, 8)
    for tile in TILES.values():
        of_product = 16 * 8 * 2 * tile.chunk
        assert products(tile) * of_product * THREADS // 32 == tile.pixels * tile.out_channels * SLAB_STEPS * tile.chunk
