#include "cpu/weights.h"

#include <algorithm>

#include "cpu/plan.h"

namespace cct {
std::vector<Row> Weights::rows_of(const Packed& p, const std::vector<int32_t>& shift_of, int64_t begin,
                                  int64_t end) {
  std::vector<Row> rows;
  for (int64_t k = begin; k < end; ++k) {
    const int64_t group = p.filters[k] / p.out_blocks;
    const int32_t* inputs = p.in_order + (group * p.in_blocks + p.channels[k]) * p.bi;
    for (int64_t i = 0; i < p.bi; ++i) {
      if (inputs[i] < 0) continue;
      for (int64_t e = 0; e < p.entries; ++e) {
        const int32_t shift = shift_of[p.patterns[k] * p.entries + e];
        rows.push_back({{inputs[i], shift}, ((k * p.bi + i) * p.entries + e) * p.bo});
      }
    }
  }
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return a.tap.channel != b.tap.channel ? a.tap.channel < b.tap.channel : a.tap.shift < b.tap.shift;
  });
  return rows;
}

namespace {

int32_t widest_tile(int64_t outputs) { return outputs >= 4 ? 4 : outputs >= 2 ? 2 : 1; }

// One output channel at a time can go by strips, if the kernel leaves room for pixels in a line.
bool fits_strips(const Packed& p, const Routine& routine, const std::vector<Shift>& shifts) {
  return routine.strip_rows && p.bo == 1 &&
         Planes(shifts, p.window, p.window.stride[1]).last_column <= kStripLine - kStripLanes;
}

}  // namespace

Weights::Weights(const Packed& p, const Routine& routine, bool replaceable)
    : half_weights_(p.weights.half), half_bias_(p.bias.half), stored_(p.kernels * p.bi * p.entries * p.bo) {
  const Positions positions(p);
  const Window& w = p.window;
  for (int64_t position : positions.distinct) {
    shifts_.push_back({position / w.kernel[1] * w.dilation[0], position % w.kernel[1] * w.dilation[1]});
  }
  if (fits_strips(p, routine, shifts_)) {
    add_strips(p, positions.number);
  } else {
    add_tiles(p, positions.number);
  }
  fill(p.weights, p.bias);
  if (!replaceable) std::vector<int64_t>().swap(sources_);
}

void Weights::replace(const void* W, const void* B) { fill({W, half_weights_}, {B, half_bias_}); }

void Weights::fill(const Numbers& weights, const Numbers& bias) {
  for (size_t i = 0; i < sources_.size(); ++i) values_[i] = weights[sources_[i]];
  for (Tile& tile : tiles_) {
    for (int32_t j = 0; j < tile.width; ++j) tile.bias[j] = bias[tile.outputs[j]];
  }
  for (StripTile& strip : strips_) strip.bias = bias[strip.output];
}

void Weights::add_tiles(const Packed& p, const std::vector<int32_t>& shift_of) {
  std::vector<int64_t> first_value;  // of each tile
  int64_t k = 0;
  for (int64_t filter = 0; filter < p.group * p.out_blocks; ++filter) {
    const int64_t begin = k;
    while (k < p.kernels && p.filters[k] == filter) ++k;
    std::vector<Row> rows = rows_of(p, shift_of, begin, k);
    if (filter % 2) std::reverse(rows.begin(), rows.end());  // begin with what the block before has read last
    const int64_t taps = taps_.size();
    for (const Row& row : rows) taps_.push_back(row.tap);

    std::vector<int64_t> places;  // of the block that hold a channel
    for (int64_t j = 0; j < p.bo; ++j) {
      if (p.order[filter * p.bo + j] >= 0) places.push_back(j);
    }
    for (size_t done = 0; done < places.size(); done += tiles_.back().width) {
      Tile tile{};
      tile.width = widest_tile(places.size() - done);
      tile.first = taps;
      tile.count = rows.size();
      first_value.push_back(sources_.size());
      for (const Row& row : rows) {
        for (int32_t j = 0; j < tile.width; ++j) sources_.push_back(row.first + places[done + j]);
      }
      for (int32_t j = 0; j < tile.width; ++j) tile.outputs[j] = p.order[filter * p.bo + places[done + j]];
      tiles_.push_back(tile);
    }
  }
  values_.resize(sources_.size());
  for (size_t t = 0; t < tiles_.size(); ++t) tiles_[t].weights = values_.data() + first_value[t];
}

}  // namespace cct
