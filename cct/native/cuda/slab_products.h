// What halo, pointwise and gather have in common: which slabs a block of threads adds up, and the products of
// one.
#pragma once

#include "cuda/ending.h"

namespace cct::cuda {

#if defined(CCT_EMULATE) || __CUDA_ARCH__ >= 800

// In tables of the distances of channels: none, and where it leads is aligned as they are.
constexpr int32_t kNoChannel = INT32_MIN;

// This block's slabs of its out tile.
struct Part {
  const unsigned char* weights;  // of the first one
  const Step* steps;
  int count;
};

CCT_DEVICE Part part_of(const Slabs& slabs, int out_tile, int out_channels) {
  const int64_t count = load_global(slabs.counts + out_tile);
  const int first = static_cast<int>(count * block_z() / grid_z());
  const int end = static_cast<int>(count * (block_z() + 1) / grid_z());
  const int64_t slab = static_cast<int64_t>(out_tile) * slabs.max_slabs + first;
  return {slabs.weights + slab * out_channels * kSlabBytes, slabs.steps + slab * kSlabSteps, end - first};
}

// Rows of a slab's operand have 64 bytes: 4 steps of 16 bytes. Step s of row r lies at place s ^ (r / 2 %
// 4), so that 8 rows of one step are in different banks.
CCT_DEVICE uint32_t place_in_slab(int row, int step) {
  return row * kSlabBytes + (step ^ (row >> 1 & 3)) * kChunkBytes;
}

// The threads of a block copy 16 bytes each to this many rows of an operand, here to the first of them; those
// that follow, kRows further on each time, have the same places in their rows.
constexpr int kRows = kThreads / kSlabSteps;

CCT_DEVICE uint32_t place_of_thread() {
  return place_in_slab(thread_index() / kSlabSteps, thread_index() % kSlabSteps);
}

// Copies this thread's share of the weights of a slab: `to` is its place, `from` the slab's weights + 16 *
// thread.
template <int kTile>
CCT_DEVICE void load_weights(uint32_t to, const unsigned char* from, bool inside) {
  CCT_UNROLL for (int i = 0; i < kTiles[kTile].out_channels / kRows; ++i) {
    copy_async(to + i * kRows * kSlabBytes, from + i * kThreads * kChunkBytes, inside);
  }
}

// Where a lane of load_matrices finds its row of the weights: 16 output channels x 2 steps.
CCT_DEVICE uint32_t weights_of_lane(int first_channel, int lane) {
  return place_in_slab(first_channel + lane % 8 + lane / 16 * 8, lane / 8 % 2);
}

// Adds the products of two steps, half a slab. `pixels(i)` is the address of the lane's row of the i-th 16
// pixels, `weights` that of weights_of_lane in the slab. A row has the steps of a pixel; in pointwise it has
// the pixels of a channel. Where float32 lies as in X, no instruction loads what transposes it: `pixels(i,
// q)` is the address of the lane's number q of multiply_add's a, which is rounded here.
template <int kTile, class Pixels>
CCT_DEVICE void add_products(Sums<kTile>& sums, Pixels pixels, uint32_t weights) {
  constexpr int kPixels = kTiles[kTile].warp_pixels / 16, kChannels = kTiles[kTile].warp_channels / 16;
  uint32_t a[kPixels][4], b[kChannels][4];
  CCT_UNROLL for (int i = 0; i < kPixels; ++i) {
    if constexpr (kTiles[kTile].way != Way::kGather && kTiles[kTile].type == Type::kTf32) {
      CCT_UNROLL for (int q = 0; q < 4; ++q) a[i][q] = operand_of(load_shared<float>(pixels(i, q)));
    } else if constexpr (kTiles[kTile].way == Way::kPointwise) {
      load_transposed(a[i], pixels(i));
    } else {
      load_matrices(a[i], pixels(i));
    }
  }
  CCT_UNROLL for (int j = 0; j < kChannels; ++j) load_matrices(b[j], weights + j * 16 * kSlabBytes);
  CCT_UNROLL for (int i = 0; i < kPixels; ++i) {
    CCT_UNROLL for (int j = 0; j < kChannels; ++j) {
      multiply_add<Number<kTile>>(sums[i][2 * j], a[i], b[j][0], b[j][1]);
      multiply_add<Number<kTile>>(sums[i][2 * j + 1], a[i], b[j][2], b[j][3]);
    }
  }
}

#endif

}  // namespace cct::cuda
