#include "cuda/quads.h"

#include <algorithm>
#include <tuple>

#include "cuda/taps.h"
#include "format/fault.h"

namespace cct::cuda {
namespace {

struct Weight {
  int32_t channel;
  int64_t position;
  int64_t place;  // within the quad
  float value;

  std::tuple<int32_t, int64_t> tap() const { return {channel, position}; }
};

// The weights of places first..end of `order` in a group, by tap.
std::vector<Weight> weights_of(const Packed& packed, int64_t group, int64_t first, int64_t end) {
  std::vector<Weight> weights;
  const int32_t* order = packed.order + group * packed.out_blocks * packed.bo;
  const int32_t* filters_end = packed.filters + packed.kernels;
  int64_t k = std::lower_bound(packed.filters, filters_end, group * packed.out_blocks + first / packed.bo) -
              packed.filters;
  for (; k < packed.kernels; ++k) {
    const int64_t block_place = (packed.filters[k] - group * packed.out_blocks) * packed.bo;
    if (block_place >= end) break;
    const int32_t* inputs = packed.in_order + (group * packed.in_blocks + packed.channels[k]) * packed.bi;
    for (int64_t row = 0; row < packed.bi * packed.entries; ++row) {
      const int32_t channel = inputs[row / packed.entries];
      if (channel < 0) continue;
      const int64_t position = packed.pool[packed.patterns[k] * packed.entries + row % packed.entries];
      const int64_t of_row = (k * packed.bi * packed.entries + row) * packed.bo - block_place;
      for (int64_t place = std::max(first, block_place); place < std::min(end, block_place + packed.bo);
           ++place) {
        if (order[place] < 0) continue;
        weights.push_back({channel, position, place - first, packed.weights[of_row + place]});
      }
    }
  }
  std::sort(weights.begin(), weights.end(),
            [](const Weight& a, const Weight& b) { return a.tap() < b.tap(); });
  return weights;
}

}  // namespace

QuadTables::QuadTables(const Packed& packed) {
  const int64_t places = packed.out_blocks * packed.bo;
  for (int64_t group = 0; group < packed.group; ++group) {
    for (int64_t begin = 0; begin < places; begin += kQuad) {
      first.push_back(static_cast<int32_t>(taps.size()));
      const std::vector<Weight> weights = weights_of(packed, group, begin, std::min(begin + kQuad, places));
      for (size_t i = 0; i < weights.size(); ++i) {
        if (!i || weights[i - 1].tap() != weights[i].tap()) {
          const Tap tap = tap_of(packed.window, weights[i].position);
          taps.push_back({weights[i].channel, tap.row, tap.column, 0, {}});
        }
        taps.back().weights[weights[i].place] = weights[i].value;
      }
      if (taps.size() > INT32_MAX) fail("more than ", INT32_MAX, " taps are too many for the GPU");
      for (int64_t place = begin; place < begin + kQuad; ++place) {
        const int32_t output = place < places ? packed.order[group * places + place] : -1;
        outputs.push_back(output);
        bias.push_back(output < 0 ? 0 : packed.bias[output]);
      }
    }
  }
  first.push_back(static_cast<int32_t>(taps.size()));
}

}  // namespace cct::cuda
