// The sizes that the tensor core kernels are compiled for. The host chooses by this table, and each kernel is
// made from its row of it.
#pragma once

#include "cuda/launch.h"

#ifdef __CUDACC__
#define CCT_BOTH __host__ __device__
#else
#define CCT_BOTH
#endif

namespace cct::cuda {

enum class Way { kHalo, kPointwise, kGather };

// Of X and Y, and what tensor cores multiply of it.
enum class Type { kFloat16, kTf32 };

// A tile is the part of Y that a block of threads computes: pixels x output channels, cut into one rectangle
// for each of its warps.
struct Tile {
  const char* kernel;  // its name in the module
  Way way;
  Type type;
  int rows, columns;  // output pixels; but for halo one row: consecutive pixels of all images
  int out_channels;   // BN
  int warp_pixels, warp_channels;
  int stages;       // slabs that are in shared memory at a time
  int copy_pixels;  // that halo and pointwise copy at a time: rows (halo) or planes of X are multiples of it

  CCT_BOTH constexpr int pixels() const { return rows * columns; }
  CCT_BOTH constexpr int warps() const { return pixels() / warp_pixels * (out_channels / warp_channels); }

  CCT_BOTH constexpr bool halo() const { return way == Way::kHalo; }

  // Of a slab of pointwise.
  CCT_BOTH constexpr int slab_channels() const { return type == Type::kFloat16 ? kSlab<Half> : kSlab<float>; }

  // Weights of a slab.
  CCT_BOTH constexpr int weight_bytes() const { return out_channels * kSlabBytes; }

  CCT_BOTH constexpr bool transposes() const { return halo() && type == Type::kFloat16; }

  // halo copies groups of 8 pixels, or of 4 of float32, and so a row starts one before the tile and ends one
  // after it.
  CCT_BOTH constexpr int halo_rows() const { return rows + 2; }
  CCT_BOTH constexpr int halo_columns() const { return columns + (type == Type::kFloat16 ? 16 : 8); }

  // Groups of 8 pixels of 8 channels, filled up to what all threads copy at a time, and all warps transpose.
  CCT_BOTH constexpr int halo_groups() const { return (halo_rows() * halo_columns() / 8 + 15) / 16 * 16; }

  // float32: groups of a channel, filled up to what divides the threads, and its bytes. The 4 channels of a
  // slab lie 8 banks apart.
  CCT_BOTH constexpr int halo_pieces() const { return (halo_rows() * halo_columns() / 4 + 63) / 64 * 64; }
  CCT_BOTH constexpr int halo_plane() const { return halo_pieces() * 16 + 32; }

  // Pixels of a slab.
  CCT_BOTH constexpr int pixel_bytes() const {
    if (!halo()) return pixels() * kSlabBytes;
    return transposes() ? halo_groups() * 8 * kChunkBytes : kChunk<float> * halo_plane();
  }

  // Everything but the table. What transposes has two buffers of transposed pixels beside the stages.
  CCT_BOTH constexpr int pipeline_bytes() const {
    return stages * (pixel_bytes() + weight_bytes()) + (transposes() ? 2 * pixel_bytes() : 0);
  }

  // A row of the table for each slab; what transposes has one more. halo: 4 distances of taps, 8 or 4 of
  // channels; pointwise: distances of the slab's channels; gather: 4 x (distance, tap).
  CCT_BOTH constexpr int table_bytes(int slabs) const {
    if (transposes()) return (slabs + 1) * 48;
    return slabs * (way == Way::kPointwise ? slab_channels() * 4 : kSlabSteps * 8);
  }

  // The sums pass through shared memory in this many rounds, in the memory of the pipeline.
  CCT_BOTH constexpr int rounds() const { return pixels() * out_channels > 8192 ? 2 : 1; }
  CCT_BOTH constexpr int sums_pitch() const { return pixels() + 4; }  // floats of an output channel
  CCT_BOTH constexpr int sums_bytes() const { return out_channels / rounds() * sums_pitch() * 4; }

  // Dynamic shared memory of a launch whose parts have at most `slabs` slabs each: ceil(max_slabs / parts).
  CCT_BOTH constexpr int shared_bytes(int slabs) const { return pipeline_bytes() + table_bytes(slabs); }
};

// Of those for the same type and output channels, larger ones come first.
enum TileNumber {
  kHalo8x32x64,
  kHalo16x16x64,
  kHalo8x32x64By4,
  kHalo8x16x128,
  kHalo4x32x128By4,
  kPointwise128x128,
  kPointwise256x64,
  kPointwise64x64,
  kPointwise128x128By4,
  kPointwise256x64By4,
  kPointwise64x64By4,
  kGather128x128,
  kGather256x64,
  kGather128x64,
  kGather64x64,
  kHalo8x32x64Tf32,
  kHalo16x16x64Tf32,
  kHalo8x16x128Tf32,
  kPointwise128x128Tf32,
  kPointwise256x64Tf32,
  kPointwise64x64Tf32,
  kGather128x128Tf32,
  kGather256x64Tf32,
  kGather128x64Tf32,
  kGather64x64Tf32
};

constexpr Tile kTiles[] = {
    {"cct_halo_8x32x64", Way::kHalo, Type::kFloat16, 8, 32, 64, 64, 64, 3, 8},
    {"cct_halo_16x16x64", Way::kHalo, Type::kFloat16, 16, 16, 64, 64, 64, 3, 8},
    {"cct_halo_8x32x64_by4", Way::kHalo, Type::kFloat16, 8, 32, 64, 64, 64, 3, 4},
    {"cct_halo_8x16x128", Way::kHalo, Type::kFloat16, 8, 16, 128, 64, 64, 3, 8},
    {"cct_halo_4x32x128_by4", Way::kHalo, Type::kFloat16, 4, 32, 128, 64, 64, 3, 4},
    {"cct_pointwise_128x128", Way::kPointwise, Type::kFloat16, 1, 128, 128, 64, 64, 3, 8},
    {"cct_pointwise_256x64", Way::kPointwise, Type::kFloat16, 1, 256, 64, 64, 64, 3, 8},
    {"cct_pointwise_64x64", Way::kPointwise, Type::kFloat16, 1, 64, 64, 32, 32, 4, 8},
    {"cct_pointwise_128x128_by4", Way::kPointwise, Type::kFloat16, 1, 128, 128, 64, 64, 3, 4},
    {"cct_pointwise_256x64_by4", Way::kPointwise, Type::kFloat16, 1, 256, 64, 64, 64, 3, 4},
    {"cct_pointwise_64x64_by4", Way::kPointwise, Type::kFloat16, 1, 64, 64, 32, 32, 4, 4},
    {"cct_gather_128x128", Way::kGather, Type::kFloat16, 1, 128, 128, 64, 64, 3, 0},
    {"cct_gather_256x64", Way::kGather, Type::kFloat16, 1, 256, 64, 64, 64, 3, 0},
    {"cct_gather_128x64", Way::kGather, Type::kFloat16, 1, 128, 64, 64, 32, 4, 0},
    {"cct_gather_64x64", Way::kGather, Type::kFloat16, 1, 64, 64, 32, 32, 4, 0},
    {"cct_halo_8x32x64_tf32", Way::kHalo, Type::kTf32, 8, 32, 64, 64, 64, 3, 4},
    {"cct_halo_16x16x64_tf32", Way::kHalo, Type::kTf32, 16, 16, 64, 64, 64, 3, 4},
    {"cct_halo_8x16x128_tf32", Way::kHalo, Type::kTf32, 8, 16, 128, 64, 64, 3, 4},
    {"cct_pointwise_128x128_tf32", Way::kPointwise, Type::kTf32, 1, 128, 128, 64, 64, 3, 4},
    {"cct_pointwise_256x64_tf32", Way::kPointwise, Type::kTf32, 1, 256, 64, 64, 64, 3, 4},
    {"cct_pointwise_64x64_tf32", Way::kPointwise, Type::kTf32, 1, 64, 64, 32, 32, 4, 4},
    {"cct_gather_128x128_tf32", Way::kGather, Type::kTf32, 1, 128, 128, 64, 64, 3, 0},
    {"cct_gather_256x64_tf32", Way::kGather, Type::kTf32, 1, 256, 64, 64, 64, 3, 0},
    {"cct_gather_128x64_tf32", Way::kGather, Type::kTf32, 1, 128, 64, 64, 32, 4, 0},
    {"cct_gather_64x64_tf32", Way::kGather, Type::kTf32, 1, 64, 64, 32, 32, 4, 0},
};
constexpr int kTileCount = sizeof kTiles / sizeof *kTiles;

constexpr bool tiles_fit() {
  for (const Tile& tile : kTiles) {
    if (tile.warps() * 32 != kThreads || tile.sums_bytes() > tile.pipeline_bytes()) return false;
  }
  return true;
}
static_assert(tiles_fit(), "a block of every kernel has kThreads threads");

}  // namespace cct::cuda

#undef CCT_BOTH
