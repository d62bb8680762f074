#include "weights.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "plan.h"

namespace cct {
namespace {

// One row of W: the weights that a block of output channels has at a tap.
struct Row {
  Tap tap;
  int64_t first;  // of its weights
};

// The rows of kernels begin..end of one block of output channels, as X lies in memory.
std::vector<Row> rows_of(const Packed& p, const std::vector<int32_t>& shift_of, int64_t begin, int64_t end) {
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

int32_t widest_tile(int64_t outputs) { return outputs >= 4 ? 4 : outputs >= 2 ? 2 : 1; }

// Channels whose runs of one length follow each other: what one output channel reads of them should still be
// in the first-level cache when the runs of the next length come.
constexpr int64_t kTogether = 32;

// One output channel at a time can go by strips, if the kernel leaves room for pixels in a line.
bool fits_strips(const Packed& p, const Routine& routine, const std::vector<Shift>& shifts) {
  return routine.strip_rows && p.bo == 1 &&
         Planes(shifts, p.window, p.window.stride[1]).last_column <= kStripLine - kStripLanes;
}

}  // namespace

Weights::Weights(const Packed& p, const Routine& routine) {
  const int64_t count =
      p.kernels ? (*std::max_element(p.patterns, p.patterns + p.kernels) + 1) * p.entries : 0;
  const Positions positions(p.pool, count);
  const Window& w = p.window;
  for (int64_t position : positions.distinct) {
    shifts_.push_back({position / w.kernel[1] * w.dilation[0], position % w.kernel[1] * w.dilation[1]});
  }
  if (fits_strips(p, routine, shifts_)) {
    add_strips(p, positions.number);
  } else {
    add_tiles(p, positions.number);
  }
}

void Weights::add_tiles(const Packed& p, const std::vector<int32_t>& shift_of) {
  std::vector<int64_t> first_value;  // of each tile: values_ still moves
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
      first_value.push_back(values_.size());
      for (const Row& row : rows) {
        for (int32_t j = 0; j < tile.width; ++j) values_.push_back(p.weights[row.first + places[done + j]]);
      }
      for (int32_t j = 0; j < tile.width; ++j) {
        tile.outputs[j] = p.order[filter * p.bo + places[done + j]];
        tile.bias[j] = p.bias[tile.outputs[j]];
      }
      tiles_.push_back(tile);
    }
  }
  for (size_t t = 0; t < tiles_.size(); ++t) tiles_[t].weights = values_.data() + first_value[t];
}

void Weights::add_strips(const Packed& p, const std::vector<int32_t>& shift_of) {
  const Planes planes(shifts_, p.window, p.window.stride[1]);
  std::vector<int64_t> first_value, first_count;  // of each strip: values_ and counts_ still move
  int64_t k = 0;
  for (int64_t filter = 0; filter < p.group * p.out_blocks; ++filter) {
    const int64_t begin = k;
    while (k < p.kernels && p.filters[k] == filter) ++k;
    const std::vector<Row> rows = rows_of(p, shift_of, begin, k);
    StripTile strip{};
    strip.first = taps_.size();
    strip.output = p.order[filter];
    strip.bias = p.bias[strip.output];
    first_value.push_back(values_.size());
    first_count.push_back(counts_.size());
    for (size_t row = 0; row < rows.size();) {
      // By their length, the runs of some channels.
      std::array<std::vector<std::vector<Row>>, kLongestRun> runs;
      for (int64_t channels = 0; channels < kTogether && row < rows.size(); ++channels) {
        const int32_t channel = rows[row].tap.channel;
        std::map<std::pair<int64_t, int64_t>, std::vector<Row>> columns;  // of the planes; rows ascend
        for (; row < rows.size() && rows[row].tap.channel == channel; ++row) {
          const Place& place = planes.places[rows[row].tap.shift];
          columns[{place.plane, place.column}].push_back(rows[row]);
        }
        for (const auto& [_, column] : columns) {
          std::vector<Row> run;
          for (const Row& tap : column) {
            const bool follows =
                !run.empty() && run.size() < kLongestRun &&
                planes.places[tap.tap.shift].row == planes.places[run.back().tap.shift].row + 1;
            if (!run.empty() && !follows) {
              runs[run.size() - 1].push_back(run);
              run.clear();
            }
            run.push_back(tap);
          }
          runs[run.size() - 1].push_back(run);
        }
      }
      for (const auto& of_length : runs) {
        counts_.push_back(static_cast<int32_t>(of_length.size()));
        for (const std::vector<Row>& run : of_length) {
          taps_.push_back(run.front().tap);
          for (const Row& tap : run) values_.push_back(p.weights[tap.first]);
        }
      }
      ++strip.groups;
    }
    if (strip.output >= 0) {
      strips_.push_back(strip);
    } else {
      first_value.pop_back(), first_count.pop_back();
    }
  }
  for (size_t i = 0; i < strips_.size(); ++i) {
    strips_[i].weights = values_.data() + first_value[i];
    strips_[i].counts = counts_.data() + first_count[i];
  }
}

}  // namespace cct
