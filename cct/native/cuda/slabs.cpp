#include "cuda/slabs.h"

#include <algorithm>
#include <cstring>

#include "cuda/tf32.h"
#include "format/fault.h"

namespace cct::cuda {
namespace {

// An out tile: places first..end of `order` in a group, and the kept kernels of the blocks that have one of
// them.
struct TileRange {
  int64_t group, first, end;
  int64_t first_kernel, end_kernel;
};

TileRange range_of(const Packed& packed, const SlabSteps& steps, int64_t tile) {
  TileRange range;
  range.group = tile / steps.tiles_per_group;
  range.first = tile % steps.tiles_per_group * steps.tile_channels;
  range.end = std::min(range.first + steps.tile_channels, packed.out_blocks * packed.bo);
  const int64_t blocks = range.group * packed.out_blocks;
  const auto first_kernel_of = [&](int64_t block) {  // kernels ascend by block
    return std::lower_bound(packed.filters, packed.filters + packed.kernels, block) - packed.filters;
  };
  range.first_kernel = first_kernel_of(blocks + range.first / packed.bo);
  range.end_kernel = first_kernel_of(blocks + divide_up(range.end, packed.bo));
  return range;
}

// Place of the i-th input channel of a kernel in its group's part of in_order; -1 on padding.
int64_t input_place(const Packed& packed, int64_t group, int64_t kernel, int64_t i) {
  const int64_t place = packed.channels[kernel] * packed.bi + i;
  return packed.in_order[group * packed.in_blocks * packed.bi + place] < 0 ? -1 : place;
}

// Writes a weight as tensor cores are given it.
void put_weight(const Packed& packed, int64_t from, unsigned char* to) {
  if (packed.half) {
    std::memcpy(to, static_cast<const Half*>(packed.weights.data) + from, sizeof(Half));
  } else {
    const float rounded = round_to_tf32(packed.weights[from]);
    std::memcpy(to, &rounded, sizeof rounded);
  }
}

bool one_by_one(const Packed& packed) { return packed.window.kernel[0] * packed.window.kernel[1] == 1; }

}  // namespace

SlabSteps::SlabSteps(const Packed& packed, const Positions& positions, int tile_channels)
    : tile_channels(tile_channels),
      chunk_channels(packed.half ? kChunk<Half> : kChunk<float>),
      tiles_per_group(divide_up(packed.out_blocks * packed.bo, tile_channels)),
      chunks_per_group(divide_up(packed.in_blocks * packed.bi, chunk_channels)),
      steps(packed.group * tiles_per_group) {
  std::vector<uint32_t> taps_of_pattern(positions.number.size() / packed.entries);
  for (size_t i = 0; i < positions.number.size(); ++i) {
    if (positions.number[i] >= 0) taps_of_pattern[i / packed.entries] |= 1u << positions.number[i];
  }
  std::vector<uint32_t> taps(chunks_per_group);  // of each chunk, for one tile
  std::vector<int64_t> touched;                  // chunks
  for (size_t tile = 0; tile < steps.size(); ++tile) {
    const TileRange range = range_of(packed, *this, tile);
    for (int64_t k = range.first_kernel; k < range.end_kernel; ++k) {
      for (int64_t i = 0; i < packed.bi; ++i) {
        const int64_t place = input_place(packed, range.group, k, i);
        if (place < 0) continue;
        if (!taps[place / chunk_channels]) touched.push_back(place / chunk_channels);
        taps[place / chunk_channels] |= taps_of_pattern[packed.patterns[k]];
      }
    }
    std::sort(touched.begin(), touched.end());
    std::vector<Step>& own = steps[tile];
    const auto fill_slab = [&] {
      while (own.size() % kSlabSteps) own.push_back(Step(own.back()));
    };
    for (int64_t of_group : touched) {
      const auto number = static_cast<int32_t>(range.group * chunks_per_group + of_group);
      for (int32_t tap = 0; tap < kMostTaps; ++tap) {
        if (taps[of_group] >> tap & 1) own.push_back({number, tap});
      }
      taps[of_group] = 0;
      if (!one_by_one(packed)) fill_slab();  // no other chunk in this slab
    }
    fill_slab();
    touched.clear();
    const auto slabs = static_cast<int64_t>(own.size() / kSlabSteps);
    slabs_ += slabs;
    max_slabs = std::max(max_slabs, slabs);
  }
}

SlabTables::SlabTables(const Packed& packed, const Positions& positions, const SlabSteps& slab_steps) {
  const int64_t width = slab_steps.tile_channels, max_slabs = slab_steps.max_slabs;
  const auto tiles = static_cast<int64_t>(slab_steps.steps.size());
  const int64_t chunk_size = slab_steps.chunk_channels, weight_bytes = kChunkBytes / chunk_size;
  weights.resize(product("the weights on the GPU", tiles, max_slabs, width, kSlabBytes));
  steps.resize(tiles * max_slabs * kSlabSteps);
  outputs.assign(tiles * width, -1);
  bias.assign(tiles * width, 0);
  std::vector<int64_t> first_step(slab_steps.chunks_per_group);  // of each chunk, for one tile
  std::vector<uint32_t> taps(slab_steps.chunks_per_group);
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const TileRange range = range_of(packed, slab_steps, tile);
    const std::vector<Step>& own = slab_steps.steps[tile];
    counts.push_back(static_cast<int32_t>(own.size() / kSlabSteps));
    std::copy(own.begin(), own.end(), steps.begin() + tile * max_slabs * kSlabSteps);
    const int32_t* order = packed.order + range.group * packed.out_blocks * packed.bo;
    for (int64_t place = range.first; place < range.end; ++place) {
      if (order[place] < 0) continue;
      outputs[tile * width + place - range.first] = order[place];
      bias[tile * width + place - range.first] = packed.bias[order[place]];
    }

    const int64_t first_chunk = range.group * slab_steps.chunks_per_group;
    for (const Step& step : own) taps[step.chunk - first_chunk] = 0;
    for (size_t s = 0; s < own.size(); ++s) {
      const int64_t chunk = own[s].chunk - first_chunk;
      if (!taps[chunk]) first_step[chunk] = s;
      taps[chunk] |= 1u << own[s].tap;
    }
    for (int64_t k = range.first_kernel; k < range.end_kernel; ++k) {
      const int64_t first_place = (packed.filters[k] - range.group * packed.out_blocks) * packed.bo;
      const int64_t begin = std::max(first_place, range.first);
      const int64_t end = std::min(first_place + packed.bo, range.end);
      for (int64_t row = 0; row < packed.bi * packed.entries; ++row) {
        const int64_t input = input_place(packed, range.group, k, row / packed.entries);
        if (input < 0) continue;
        const int32_t tap = positions.number[packed.patterns[k] * packed.entries + row % packed.entries];
        const int64_t chunk = input / chunk_size;  // its taps are in ascending steps
        const int64_t step = first_step[chunk] + __builtin_popcount(taps[chunk] & ((1u << tap) - 1));
        const int64_t slab = tile * max_slabs + step / kSlabSteps;
        const int64_t at = step % kSlabSteps * kChunkBytes + input % chunk_size * weight_bytes;
        const int64_t of_row = (k * packed.bi * packed.entries + row) * packed.bo - first_place;
        for (int64_t place = begin; place < end; ++place) {
          const int64_t output = slab * width + place - range.first;
          put_weight(packed, of_row + place, weights.data() + output * kSlabBytes + at);
        }
      }
    }
  }

  const int64_t places = packed.in_blocks * packed.bi;
  inputs.assign(packed.group * slab_steps.chunks_per_group * chunk_size, -1);
  for (int64_t group = 0; group < packed.group; ++group) {
    std::copy_n(packed.in_order + group * places, places,
                inputs.begin() + group * slab_steps.chunks_per_group * chunk_size);
  }
}

}  // namespace cct::cuda
