// Pattern convolution with windows of 1x1, stride 1 and no padding, that reads X itself: a product of
// matrices as in gather, whose pixels of a slab lie in shared memory as they lie in X, a row for each of its
// 32 or 16 channels. What loads them for the tensor cores transposes them, and rounds float32.
//
// The pixels of all images are one sequence, so that small images share a tile. No copy of 8 or 4 pixels is
// of two images, since planes of X are multiples of them.
#pragma once

#include <type_traits>

#include "cuda/slab_products.h"

namespace cct::cuda {

#if defined(CCT_EMULATE) || __CUDA_ARCH__ >= 800

// Bytes of a channel in a slab.
template <int kTile>
constexpr int kPixelRow = kTiles[kTile].pixels() * static_cast<int>(sizeof(Number<kTile>));

// What the place of 16 bytes of a channel is exclusive-ored with. What is loaded together lies then in
// different banks: 8 pixels of 8 channels, which are 16 bytes each; or, of float32, 8 pixels of 4 channels.
// So do the copies of 128 bytes of a channel.
template <int kTile>
CCT_DEVICE constexpr uint32_t swizzle(int channel) {
  return (sizeof(Number<kTile>) == 2 ? channel % 8 : channel % 4 * 2) * 16;
}

// Where 16 bytes of a channel's pixels lie in a slab.
template <int kTile>
CCT_DEVICE uint32_t place_of_pixels(int channel, int sixteen) {
  return channel * kPixelRow<kTile> + (sixteen * 16 ^ swizzle<kTile>(channel));
}

// What this thread copies of each slab: the same pixels of every kAtATime-th channel. In a row of the table
// the channels of a thread are side by side.
template <int kTile>
struct PointwiseCopies {
  using T = Number<kTile>;
  static constexpr Tile kOf = kTiles[kTile];
  static constexpr int kBytes = kOf.copy_pixels * sizeof(T), kAcross = kPixelRow<kTile> / kBytes;
  static constexpr int kAtATime = kThreads / kAcross, kCount = kSlab<T> / kAtATime;  // channels

  // Which of the slab's channels place i of a row is for.
  CCT_DEVICE static int channel(int i) { return i / kCount + i % kCount * kAtATime; }

  const T* from;        // if the channel began where the image does
  uint32_t to, in_row;  // of the first channel: the place in the slab, and in a row of the table

  // Beyond the last pixel it copies the first ones: nobody asks for their sums.
  CCT_DEVICE PointwiseCopies(const PointwiseArguments& arguments, int first_pixel) {
    const int across = thread_index() % kAcross, pixel = first_pixel + across * kOf.copy_pixels;
    const int inside = pixel < arguments.images * arguments.plane ? pixel : 0;
    const int64_t image = inside / arguments.plane;
    from = kept(static_cast<const T*>(arguments.x) + image * arguments.channels * arguments.plane +
                inside % arguments.plane);
    const int first = thread_index() / kAcross;
    in_row = kept<uint32_t>(first * kCount * 4);
    to = place_of_pixels<kTile>(first, across * kBytes / 16) + across * kBytes % 16;
  }

  CCT_DEVICE void start(uint32_t stage, uint32_t table_row) const {
    using Found = std::conditional_t<kCount == 2, int2, int4>;  // distances at a time
    constexpr int kTimes = kCount * 4 / sizeof(Found);
    Found found[kTimes];
    CCT_UNROLL for (int i = 0; i < kTimes; ++i) {
      found[i] = load_shared<Found>(table_row + in_row + i * sizeof(Found));
    }
    CCT_UNROLL for (int i = 0; i < kCount; ++i) {
      const uint32_t at = stage + (to ^ swizzle<kTile>(i * kAtATime)) + i * kAtATime * kPixelRow<kTile>;
      start_one(at, reinterpret_cast<const int32_t*>(found)[i]);
    }
  }

  CCT_DEVICE void start_one(uint32_t at, int32_t distance) const {
    if constexpr (kBytes == 16) {
      copy_async(at, from + distance, distance != kNoChannel);
    } else {
      copy_async_8(at, from + distance, distance != kNoChannel);
    }
  }
};

template <int kTile>
CCT_DEVICE void pointwise(const PointwiseArguments& arguments) {
  using T = Number<kTile>;
  constexpr Tile tile = kTiles[kTile];
  constexpr int kStage = tile.pixel_bytes() + tile.weight_bytes(), kEnd = tile.stages * kStage;
  const int thread = thread_index(), lane = thread % 32, warp = thread / 32;
  const int out_tile = block_x() % arguments.slabs.out_tiles;
  const int first_pixel = block_x() / arguments.slabs.out_tiles * tile.pixels();
  const Part part = part_of(arguments.slabs, out_tile, tile.out_channels);

  // Where the channels of each slab begin in an image.
  for (int i = thread; i < part.count * kSlab<T>; i += kThreads) {
    const int of_slab = PointwiseCopies<kTile>::channel(i % kSlab<T>), number = of_slab / kChunk<T>;
    const Step* steps = part.steps + i / kSlab<T> * kSlabSteps;
    const int2 step = load_global(reinterpret_cast<const int2*>(steps + number));
    const int32_t channel = load_global(arguments.inputs + step.x * kChunk<T> + of_slab % kChunk<T>);
    store_shared(kEnd + i * 4, channel < 0 ? kNoChannel : channel * arguments.plane);
  }
  const PointwiseCopies<kTile> copies(arguments, first_pixel);
  barrier();

  // The next slab to load.
  const unsigned char* weights = part.weights + thread * kChunkBytes;
  const uint32_t table_end = kEnd + tile.table_bytes(part.count);
  uint32_t row = kEnd;
  const auto load = [&](uint32_t stage) {
    if (row < table_end) {
      copies.start(stage, row);
      load_weights<kTile>(stage + place_of_thread() + tile.pixel_bytes(), weights, true);
    }
    commit_copies();
    row += tile.table_bytes(1);
    weights += tile.weight_bytes();
  };

  // This lane's row of the operands, a channel of one of two steps and 8 pixels; or its first number of
  // float32.
  constexpr int kAcross = tile.pixels() / tile.warp_pixels;
  const int first_sixteen = warp % kAcross * tile.warp_pixels * static_cast<int>(sizeof(T)) / 16;
  uint32_t pixels_at;
  if constexpr (sizeof(T) == 2) {
    pixels_at = place_of_pixels<kTile>(lane % 8 + lane / 16 * kChunk<T>, first_sixteen + lane / 8 % 2);
  } else {
    pixels_at = place_of_pixels<kTile>(lane % 4, first_sixteen + lane / 16) + lane / 4 % 4 * 4;
  }
  const uint32_t weights_at = tile.pixel_bytes() + weights_of_lane(warp / kAcross * tile.warp_channels, lane);
  Sums<kTile> sums = {};

  for (int s = 0; s < tile.stages - 1; ++s) load(s * kStage);
  uint32_t stage = 0, stage_before = kEnd - kStage;
  while (row < table_end + tile.table_bytes(tile.stages - 1)) {  // it is so many slabs ahead of the products
    wait_copies<tile.stages - 2>();
    barrier();  // the slab is here, and the one before it is done with: the next load overwrites it
    load(stage_before);
    CCT_UNROLL for (int half = 0; half < 2; ++half) {
      const uint32_t channels = stage + half * 2 * kChunk<T> * kPixelRow<kTile>;
      const auto pixels = [&](int i, int q = 0) {  // q: the second 8 of the 16, channels of the other step
        const uint32_t beside = (i * 16 + q % 2 * 8) * sizeof(T);
        return channels + q / 2 * kChunk<T> * kPixelRow<kTile> + (pixels_at ^ beside % 128) +
               beside / 128 * 128;
      };
      add_products<kTile>(sums, pixels, stage + (weights_at ^ half * 32));
    }
    stage_before = stage;
    stage = stage == kEnd - kStage ? 0 : stage + kStage;
  }

  end_tile<kTile>(sums, arguments.ending, out_tile, arguments.slabs.out_tiles, [&](int p) {
    const int pixel = first_pixel + p, plane = arguments.plane;
    return pixel < arguments.images * plane ? Pixel{pixel / plane, pixel % plane} : Pixel{-1, 0};
  });
}

#endif

}  // namespace cct::cuda
