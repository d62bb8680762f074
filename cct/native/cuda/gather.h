// Pattern convolution as a product of matrices: a row is an output pixel, a column an output channel, and the
// pixels that a step needs are gathered from memory. For any stride, padding and small window.
//
// The pixels of all images are one sequence, so that small images share a tile.
#pragma once

#include "cuda/slab_products.h"

namespace cct::cuda {

#if defined(CCT_EMULATE) || __CUDA_ARCH__ >= 800

template <int kTile>
CCT_DEVICE void gather(const GatherArguments& arguments) {
  constexpr Tile tile = kTiles[kTile];
  constexpr int kStage = tile.pixel_bytes() + tile.weight_bytes(), kEnd = tile.stages * kStage;
  constexpr int kCopies = tile.pixels() / kRows;  // of each thread: one step of so many pixels

  const int thread = thread_index(), lane = thread % 32, warp = thread / 32;
  const int out_tile = block_x() % arguments.slabs.out_tiles;
  const int first_pixel = block_x() / arguments.slabs.out_tiles * tile.pixels();
  const int plane = arguments.height * arguments.width, out_plane = arguments.ending.out_plane;
  const int pixel_count = arguments.images * out_plane;
  const Part part = part_of(arguments.slabs, out_tile, tile.out_channels);

  // For each step the distance of what it reads from what an output pixel lies at, in chunks.
  for (int i = thread; i < part.count * kSlabSteps; i += kThreads) {
    const int2 step = load_global(reinterpret_cast<const int2*>(part.steps) + i);  // chunk, tap
    const int2 tap = load_global(reinterpret_cast<const int2*>(arguments.slabs.taps) + step.y);
    store_shared(kEnd + i * 8, int2{step.x * plane + tap.x * arguments.width + tap.y, step.y});
  }

  // Where this thread's pixels lie, and a bit for each tap that is within the image there.
  int from[kCopies], rows[kCopies], columns[kCopies];
  uint32_t inside[kCopies];
  CCT_UNROLL for (int i = 0; i < kCopies; ++i) {
    const int pixel = first_pixel + thread / kSlabSteps + i * kRows;
    const int image = pixel / out_plane, at = pixel % out_plane;
    rows[i] = at / arguments.out_width * arguments.stride[0];
    columns[i] = at % arguments.out_width * arguments.stride[1];
    from[i] = image * arguments.chunk_count * plane + rows[i] * arguments.width + columns[i];
    inside[i] = 0;
  }
  CCT_NO_UNROLL for (int t = 0; t < arguments.slabs.tap_count; ++t) {
    const int2 tap = load_global(reinterpret_cast<const int2*>(arguments.slabs.taps) + t);
    CCT_UNROLL for (int i = 0; i < kCopies; ++i) {
      const bool here = static_cast<uint32_t>(rows[i] + tap.x) < static_cast<uint32_t>(arguments.height) &&
                        static_cast<uint32_t>(columns[i] + tap.y) < static_cast<uint32_t>(arguments.width) &&
                        first_pixel + thread / kSlabSteps + i * kRows < pixel_count;
      inside[i] |= static_cast<uint32_t>(here) << t;
    }
  }
  barrier();

  // The next slab to load.
  const uint32_t to = place_of_thread();
  const unsigned char* weights = part.weights + thread * kChunkBytes;
  uint32_t step_of_load = kEnd + thread % kSlabSteps * 8;
  const uint32_t table_end = kEnd + tile.table_bytes(part.count);
  uint32_t stage_to_load = 0;
  const auto load = [&] {
    if (step_of_load < table_end) {
      const int2 step = load_shared<int2>(step_of_load);
      CCT_UNROLL for (int i = 0; i < kCopies; ++i) {
        copy_async(stage_to_load + to + i * kRows * kSlabBytes,
                   arguments.chunks + static_cast<int64_t>(from[i] + step.x) * kChunkBytes,
                   inside[i] >> step.y & 1);
      }
      load_weights<kTile>(stage_to_load + to + tile.pixel_bytes(), weights, true);
    }
    commit_copies();
    step_of_load += tile.table_bytes(1);
    weights += tile.weight_bytes();
    stage_to_load = stage_to_load == kEnd - kStage ? 0 : stage_to_load + kStage;
  };

  constexpr int kAcross = tile.pixels() / tile.warp_pixels;
  uint32_t pixels_of_lane = place_in_slab(warp % kAcross * tile.warp_pixels + lane % 16, lane / 16);
  uint32_t weights_at = tile.pixel_bytes() + weights_of_lane(warp / kAcross * tile.warp_channels, lane);
  Sums<kTile> sums = {};

  for (int s = 0; s < tile.stages - 1; ++s) load();
  uint32_t stage = 0;
  for (int s = 0; s < part.count; ++s) {
    wait_copies<tile.stages - 2>();
    barrier();  // the slab is here, and the one before it is done with: the next load overwrites it
    load();
    CCT_UNROLL for (int half = 0; half < 2; ++half) {
      // The other two steps of a row lie 32 bytes away, in either direction.
      const uint32_t pixels = stage + (pixels_of_lane ^ half * 32);
      add_products<kTile>(
          sums, [&](int i) { return pixels + i * 16 * kSlabBytes; }, stage + (weights_at ^ half * 32));
    }
    stage = stage == kEnd - kStage ? 0 : stage + kStage;
  }

  end_tile<kTile>(sums, arguments.ending, out_tile, arguments.slabs.out_tiles, [&](int p) {
    const int pixel = first_pixel + p;
    return pixel < pixel_count ? Pixel{pixel / out_plane, pixel % out_plane} : Pixel{-1, 0};
  });
}

#endif

}  // namespace cct::cuda
