"""What a slab takes, by the sizes of its tile: the compiler's loops are held against it, budgets start from it."""

from __future__ import annotations

from tests.native.cuda.launch import SLAB_STEPS, THREADS, Tile

BLOCKS = 2  # that the registers of a multiprocessor hold, for each kernel with tensor cores: CCT_KERNEL's last argument


def products(tile: Tile) -> int:
    """Mma instructions of a warp: 16 pixels x 8 output channels x 2 steps each, whatever a step has."""
    return tile.warp_pixels // 16 * (tile.warp_channels // 8) * 2


def pixel_loads(tile: Tile) -> int:
    """Ldmatrix instructions of a warp that bring pixels to its products, four matrices each."""
    return 0 if rounds(tile) else tile.warp_pixels // 16 * 2


def rounds(tile: Tile) -> bool:
    """Whether pixels are float32 as in X: loaded one by one, and rounded then."""
    return tile.type == "tf32" and tile.way != "gather"


def rounded_loads(tile: Tile) -> int:
    """Loads of a warp that bring those to its products, a number for each lane."""
    return tile.warp_pixels // 16 * 2 * 4 if rounds(tile) else 0


def weight_loads(tile: Tile) -> int:
    """The same of weights."""
    return tile.warp_channels // 16 * 2


def pixel_pieces(tile: Tile) -> int:
    """16-byte pieces of the input that the block copies: pixels of a channel or, in gather, channels of a pixel."""
    return tile.halo_pixels if tile.halo else tile.pixels * SLAB_STEPS


def weight_pieces(tile: Tile) -> int:
    """16-byte pieces of the weights that the block copies: 8 channels of a step each."""
    return tile.out_channels * SLAB_STEPS


def copies(tile: Tile) -> int:
    """cp.async instructions of a thread: those of pixels take 16 bytes or, in kernels for multiples of 4 pixels, 8."""
    of_piece = tile.chunk // (tile.copy_pixels or tile.chunk)  # as many pixels of a channel as channels of a pixel
    pixels = pixel_pieces(tile)
    if tile.halo:  # all threads copy as much; of float32 each channel is filled up
        pixels = -(-pixels // THREADS) * THREADS if tile.transposes else -(-pixels // 4 // 64) * 64 * 4
    return pixels * of_piece // THREADS + -(-weight_pieces(tile) // THREADS)
