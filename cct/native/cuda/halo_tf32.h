// halo for float32: as it is for float16, but nothing is transposed. Numbers of 4 bytes are loaded for the
// tensor cores one by one, so that the pixels of a channel may stay as they lie in X, and a tap is a distance
// there too. The loads round them.
#pragma once

#include "cuda/halo_tile.h"

namespace cct::cuda {

#if defined(CCT_EMULATE) || __CUDA_ARCH__ >= 800

// A row of the table: the distances of a slab's 4 taps in shared memory, then of its 4 channels in X.
constexpr int kHaloTableRow = 32, kHaloTableChannels = 16;

template <int kTile>
CCT_DEVICE void store_halo_table(const HaloArguments& arguments, const Part& part, uint32_t table) {
  constexpr Tile tile = kTiles[kTile];
  for (int i = thread_index(); i < part.count * kSlabSteps; i += kThreads) {
    const int2 step = load_global(reinterpret_cast<const int2*>(part.steps) + i);  // chunk, tap
    const int2 tap = load_global(reinterpret_cast<const int2*>(arguments.slabs.taps) + step.y);
    const int32_t channel = load_global(arguments.inputs + step.x * kChunk<float> + i % kSlabSteps);
    const uint32_t at = table + i / kSlabSteps * kHaloTableRow + i % kSlabSteps * 4;
    store_shared(at, (tap.x * tile.halo_columns() + tap.y) * 4);
    store_shared(at + kHaloTableChannels,
                 channel < 0 ? kNoChannel : channel * arguments.height * arguments.width);
  }
}

// What this thread copies of each slab: the same 4 pixels of one, or of every other channel.
template <int kTile>
struct HaloRows {
  static constexpr Tile kOf = kTiles[kTile];
  static constexpr int kFours = kOf.halo_columns() / 4, kPieces = kOf.halo_pieces();
  static constexpr int kAtATime = kThreads / kPieces, kCount = kChunk<float> / kAtATime;  // channels
  static_assert(kThreads % kPieces == 0);

  const float* image;
  uint32_t from;  // from the start of the channel
  bool inside;

  CCT_DEVICE HaloRows(const HaloArguments& arguments, const HaloTile<kTile>& of) {
    const int64_t pixels = static_cast<int64_t>(arguments.height) * arguments.width;
    image = kept(static_cast<const float*>(arguments.x) + of.image * arguments.channels * pixels);
    const int piece = thread_index() % kPieces;
    const int row = of.first_row - 1 + piece / kFours, column = of.first_column + (piece % kFours - 1) * 4;
    from = static_cast<uint32_t>(row) * arguments.width + column;  // may wrap where the row is outside
    inside = of.in_image(row, column) && piece < kOf.halo_rows() * kFours;
  }

  CCT_DEVICE void start(uint32_t stage, uint32_t table_row) const {
    const int first = thread_index() / kPieces;
    const uint32_t to = stage + first * kOf.halo_plane() + thread_index() % kPieces * 16;
    CCT_UNROLL for (int i = 0; i < kCount; ++i) {
      const int distance = load_shared<int>(table_row + kHaloTableChannels + (first + i * kAtATime) * 4);
      copy_async(to + i * kAtATime * kOf.halo_plane(), image + (distance + from),
                 inside && distance != kNoChannel);
    }
  }
};

template <int kTile>
CCT_DEVICE void halo_tf32(const HaloArguments& arguments) {
  constexpr Tile tile = kTiles[kTile];
  constexpr int kStage = tile.pixel_bytes() + tile.weight_bytes(), kEnd = tile.stages * kStage;
  static_assert(kHaloTableRow == tile.table_bytes(1));
  const int thread = thread_index(), lane = thread % 32, warp = thread / 32;
  const HaloTile<kTile> of(arguments);
  const Part part = part_of(arguments.slabs, of.out_tile, tile.out_channels);
  store_halo_table<kTile>(arguments, part, kEnd);
  const HaloRows<kTile> copies(arguments, of);
  barrier();

  // The next slab to load.
  const unsigned char* weights = part.weights + thread * kChunkBytes;
  const uint32_t table_end = kEnd + tile.table_bytes(part.count);
  uint32_t row_to_load = kEnd, stage_to_load = 0;
  const auto next = [&](uint32_t stage) { return stage == kEnd - kStage ? 0 : stage + kStage; };
  const auto load = [&] {
    if (row_to_load < table_end) {
      copies.start(stage_to_load, row_to_load);
      load_weights<kTile>(stage_to_load + tile.pixel_bytes() + place_of_thread(), weights, true);
    }
    commit_copies();
    row_to_load += kHaloTableRow;
    weights += tile.weight_bytes();
    stage_to_load = next(stage_to_load);
  };

  // This lane's first number of the operands: pixel g of channel t, where g = lane / 4 and t = lane % 4. The
  // 8 pixels of the 4 channels are in different banks, wherever a tap begins.
  constexpr int kAcross = tile.pixels() / tile.warp_pixels, kRow = tile.halo_columns() * 4;
  static_assert(tile.warp_pixels % tile.columns == 0 && tile.columns % 16 == 0);
  const int row_in_tile = warp % kAcross * (tile.warp_pixels / tile.columns);
  const uint32_t pixels_at =
      kept<uint32_t>(lane % 4 * tile.halo_plane() + (row_in_tile + 1) * kRow + (lane / 4 + 4) * 4);
  const uint32_t weights_at = tile.pixel_bytes() + weights_of_lane(warp / kAcross * tile.warp_channels, lane);
  Sums<kTile> sums = {};

  for (int s = 0; s < tile.stages - 1; ++s) load();
  uint32_t stage = 0, row = kEnd;
  for (int s = 0; s < part.count; ++s) {
    wait_copies<tile.stages - 2>();
    barrier();  // the slab is here, and the one before it is done with: the next load overwrites it
    load();
    CCT_UNROLL for (int half = 0; half < 2; ++half) {
      const int2 taps = load_shared<int2>(row + half * 8);
      const uint32_t left = stage + pixels_at + taps.x, right = stage + pixels_at + taps.y;
      const auto pixels = [&](int i, int q) {  // of the i-th 16: 8, the next 8, then those of the other step
        return (q / 2 ? right : left) + q % 2 * 32 + i * 16 / tile.columns * kRow + i * 16 % tile.columns * 4;
      };
      add_products<kTile>(sums, pixels, stage + (weights_at ^ half * 32));
    }
    row += kHaloTableRow;
    stage = next(stage);
  }

  end_tile<kTile>(sums, arguments.ending, of.out_tile, arguments.slabs.out_tiles, of);
}

#endif

}  // namespace cct::cuda
