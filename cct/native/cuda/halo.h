// Pattern convolution with windows of 3x3, stride 1 and padding 1, that reads X itself: a slab's 8 channels
// are copied once, with the pixels around the tile, and a tap is a distance in shared memory.
//
// A slab's pixels take two forms. As they are copied, each group of 8 pixels of a row is an 8x8 matrix with a
// row for each channel; copies of 8 or 4 pixels outside of the image are zeros, and none is partly outside,
// since rows of X are multiples of them. Transposed, with a row for each pixel, the groups of a row of the
// image are one sequence of pixels, and what a tap reads may begin anywhere in it. While slab s is
// multiplied, slab s + 1 is transposed; so one barrier a slab will do.
#pragma once

#include "cuda/halo_tile.h"

namespace cct::cuda {

#if defined(CCT_EMULATE) || __CUDA_ARCH__ >= 800

constexpr int kGroup = 8;  // pixels
constexpr int kGroupBytes = kGroup * kChunkBytes;

// Shared memory: the stages, two buffers of transposed pixels, and the table. A stage has the pixels of a
// slab as copied, and the weights of the slab before, for both are needed at the same time.
template <int kTile>
struct HaloMemory {
  static constexpr Tile kOf = kTiles[kTile];
  static constexpr int kPixels = kOf.pixel_bytes(), kStage = kPixels + kOf.weight_bytes();
  static constexpr int kTransposed = kOf.stages * kStage, kTable = kOf.pipeline_bytes();
  static constexpr int kTableRow = 48, kChannels = 16;           // a row: 4 taps, then 8 channels
  static constexpr int kRow = kOf.halo_columns() * kChunkBytes;  // of transposed pixels
};

// The distances of what each slab reads: its channels in X, and its taps in the transposed pixels. Lanes 0-15
// of load_matrices read the steps 0 and 2, lanes 16-31 the others: each pair is 8 bytes. The row after the
// last has no channels: what the pipeline loads and transposes beyond the end is zero.
template <int kTile>
CCT_DEVICE void store_table(const HaloArguments& arguments, const Part& part) {
  using Memory = HaloMemory<kTile>;
  for (int i = thread_index(); i < (part.count + 1) * kChunk<Half>; i += kThreads) {
    const int slab = i / kChunk<Half>, j = i % kChunk<Half>, step_number = j % kSlabSteps;
    const uint32_t row = Memory::kTable + slab * Memory::kTableRow;
    int32_t channel = -1;
    if (slab < part.count) {
      const int2 step =
          load_global(reinterpret_cast<const int2*>(part.steps + slab * kSlabSteps + step_number));
      channel = load_global(arguments.inputs + step.x * kChunk<Half> + j);
      if (j < kSlabSteps) {
        const int2 tap = load_global(reinterpret_cast<const int2*>(arguments.slabs.taps) + step.y);
        store_shared(row + (j % 2 * 2 + j / 2) * 4, tap.x * Memory::kRow + tap.y * kChunkBytes);
      }
    }
    store_shared(row + Memory::kChannels + j * 4,
                 channel < 0 ? kNoChannel : channel * arguments.height * arguments.width);
  }
}

// What this thread copies of each slab: the same pixels of one channel in every so many groups.
template <int kTile>
struct HaloCopies {
  static constexpr Tile kOf = kTiles[kTile];
  static constexpr int kColumns = kOf.halo_columns() / kGroup;
  static constexpr int kBytes = kOf.copy_pixels * 2, kAtATime = kThreads * kBytes / kGroupBytes;
  static constexpr int kCount = kOf.halo_groups() / kAtATime;

  const Half* image;
  uint32_t from[kCount];  // from the start of the channel
  bool inside[kCount];

  CCT_DEVICE static int channel() { return thread_index() * kBytes / 16 % kChunk<Half>; }

  CCT_DEVICE HaloCopies(const HaloArguments& arguments, const HaloTile<kTile>& of) {
    const int64_t pixels = static_cast<int64_t>(arguments.height) * arguments.width;
    image = kept(static_cast<const Half*>(arguments.x) + of.image * arguments.channels * pixels);
    CCT_UNROLL for (int i = 0; i < kCount; ++i) {
      const int group = thread_index() * kBytes / kGroupBytes + i * kAtATime;
      const int row = of.first_row - 1 + group / kColumns;
      const int column = of.first_column + (group % kColumns - 1) * kGroup + thread_index() * kBytes % 16 / 2;
      from[i] = static_cast<uint32_t>(row) * arguments.width + column;  // may wrap where the row is outside
      inside[i] = of.in_image(row, column) && group < kOf.halo_rows() * kColumns;
    }
  }

  CCT_DEVICE void start(uint32_t stage, uint32_t table_row) const {
    const int channel =
        load_shared<int>(table_row + HaloMemory<kTile>::kChannels + HaloCopies::channel() * 4);
    CCT_UNROLL for (int i = 0; i < kCount; ++i) {
      const uint32_t to = stage + (thread_index() + i * kThreads) * kBytes;
      const bool here = inside[i] && channel >= 0;
      if constexpr (kBytes == 16) {
        copy_async(to, image + (channel + from[i]), here);
      } else {
        copy_async_8(to, image + (channel + from[i]), here);
      }
    }
  }
};

// What this warp transposes of each slab: four groups at a time, in two halves.
template <int kTile>
struct HaloTransposing {
  static constexpr int kTimes = kTiles[kTile].halo_groups() / 4 / kTiles[kTile].warps();
  uint32_t pixels[(kTimes + 1) / 2][4];

  CCT_DEVICE static constexpr int first(int half) { return half * ((kTimes + 1) / 2); }
  CCT_DEVICE static constexpr int end(int half) { return half ? kTimes : first(1); }

  CCT_DEVICE void load(uint32_t stage, int half) {
    CCT_UNROLL for (int i = first(half); i < end(half); ++i) {
      load_transposed(pixels[i - first(half)], stage + (thread_index() + i * kThreads) * 16);
    }
  }

  CCT_DEVICE void store(uint32_t transposed, int half) const {
    const uint32_t to = transposed + thread_index() / 32 * 4 * kGroupBytes + thread_index() % 32 * 4;
    CCT_UNROLL for (int i = first(half); i < end(half); ++i) {
      CCT_UNROLL for (int q = 0; q < 4; ++q) {
        store_shared(to + i * kThreads * 16 + q * kGroupBytes, pixels[i - first(half)][q]);
      }
    }
  }
};

template <int kTile>
CCT_DEVICE void halo(const HaloArguments& arguments) {
  using Memory = HaloMemory<kTile>;
  constexpr Tile tile = kTiles[kTile];
  const int thread = thread_index(), lane = thread % 32, warp = thread / 32;

  const HaloTile<kTile> of(arguments);
  const Part part = part_of(arguments.slabs, of.out_tile, tile.out_channels);
  store_table<kTile>(arguments, part);
  const HaloCopies<kTile> copies(arguments, of);
  barrier();

  // The next stage to load: pixels of slab `slab`, weights of the one before.
  const unsigned char* weights = part.weights + thread * kChunkBytes;
  uint32_t stage_to_load = 0, row_to_load = Memory::kTable;
  int slab = 0;
  const auto next = [&](uint32_t stage) {
    return stage == Memory::kTransposed - Memory::kStage ? 0 : stage + Memory::kStage;
  };
  const auto load = [&](bool first) {
    copies.start(stage_to_load, row_to_load);
    load_weights<kTile>(stage_to_load + Memory::kPixels + place_of_thread(), weights,
                        !first && slab <= part.count);
    commit_copies();
    if (!first) weights += tile.weight_bytes();
    if (slab < part.count) row_to_load += Memory::kTableRow;
    ++slab;
    stage_to_load = next(stage_to_load);
  };

  load(true);
  for (int s = 1; s < tile.stages; ++s) load(false);
  HaloTransposing<kTile> transposing;
  wait_copies<tile.stages - 1>();
  barrier();
  CCT_UNROLL for (int half = 0; half < 2; ++half) {
    transposing.load(0, half);
    transposing.store(Memory::kTransposed, half);
  }

  // This lane's pixel and weights in the operands, and the row of the table.
  constexpr int kAcross = tile.pixels() / tile.warp_pixels;
  static_assert(tile.warp_pixels % tile.columns == 0 && tile.columns % 16 == 0);
  const int pixel = warp % kAcross * tile.warp_pixels + lane % 16;
  const uint32_t pixel_at = kept<uint32_t>((pixel / tile.columns + 1) * Memory::kRow +
                                           (pixel % tile.columns + kGroup) * kChunkBytes);
  const uint32_t weights_at = Memory::kPixels + weights_of_lane(warp / kAcross * tile.warp_channels, lane);
  uint32_t row = Memory::kTable + lane / 16 * 8;

  Sums<kTile> sums = {};
  uint32_t stage = Memory::kStage, transposed = Memory::kTransposed;
  for (int s = 0; s < part.count; ++s) {
    wait_copies<tile.stages - 2>();
    barrier();  // slab s is transposed and slab s + 1 is here; the stage and the pixels before are done with
    load(false);
    const int2 taps = load_shared<int2>(row);
    const uint32_t other = 2 * Memory::kTransposed + Memory::kPixels - transposed;
    CCT_UNROLL for (int half = 0; half < 2; ++half) {
      transposing.load(stage, half);
      const uint32_t pixels = transposed + (pixel_at + (half ? taps.y : taps.x));
      add_products<kTile>(
          sums,
          [&](int i) {
            return pixels + i * 16 / tile.columns * Memory::kRow + i * 16 % tile.columns * kChunkBytes;
          },
          stage + (weights_at ^ half * 32));
      transposing.store(other, half);
    }
    row += Memory::kTableRow;
    stage = next(stage);
    transposed = other;
  }
  wait_copies<0>();

  end_tile<kTile>(sums, arguments.ending, of.out_tile, arguments.slabs.out_tiles, of);
}

#endif

}  // namespace cct::cuda
