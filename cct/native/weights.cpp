#include "weights.h"

#include <algorithm>
#include <array>
#include <map>
#include <tuple>

#include "fault.h"
#include "plan.h"

namespace cct {
namespace {

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

// A convolution that keeps so many of its kernels is computed in passes over so many channels: what all
// output channels read of them stays in the first-level cache then. With fewer kernels the sums would come
// and go too often.
constexpr double kEnoughKept = 0.6;
constexpr int64_t kPassChannels = 32;
// Of layers with so many channels the images are small, and twice as many fit.
constexpr int64_t kWide = 512;

// Channels whose runs of one length follow each other: what one output channel reads of them should still be
// in the first-level cache when the runs of the next length come.
constexpr int64_t kTogether = 64;

// Rows of one output channel by channel as runs, by length.
Runs runs_of(const std::vector<Row>& rows, const Planes& planes) {
  std::map<std::tuple<int32_t, int64_t, int64_t>, std::vector<Row>>
      columns;  // of channels and planes; rows ascend
  for (const Row& row : rows) {
    const Place& place = planes.places[row.tap.shift];
    columns[{row.tap.channel, place.plane, place.column}].push_back(row);
  }
  Runs runs;
  for (const auto& [_, column] : columns) {
    for (size_t begin = 0, end = 1; begin < column.size(); begin = end++) {
      const auto row_of = [&](size_t i) { return planes.places[column[i].tap.shift].row; };
      while (end < column.size() && end - begin < kLongestRun && row_of(end) == row_of(end - 1) + 1) ++end;
      runs[end - begin - 1].emplace_back(column.begin() + begin, column.begin() + end);
    }
  }
  return runs;
}

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
  const int64_t filters = p.group * p.out_blocks;
  std::vector<std::vector<Row>> rows;  // of each output channel
  for (int64_t filter = 0, k = 0; filter < filters; ++filter) {
    const int64_t begin = k;
    while (k < p.kernels && p.filters[k] == filter) ++k;
    rows.push_back(rows_of(p, shift_of, begin, k));
  }
  const int64_t channels = p.in_channels / p.group;
  if (p.kernels * p.bi >= kEnoughKept * filters * channels) {
    passes_ = divide_up(channels, channels < kWide ? kPassChannels : 2 * kPassChannels);
  }

  std::vector<int64_t> first_value, first_count;  // of each strip: values_ and counts_ still move
  for (int64_t pass = 0; pass < passes_; ++pass) {
    for (int64_t filter = 0; filter < filters; ++filter) {
      const int64_t end_channel = filter / p.out_blocks * channels + channels * (pass + 1) / passes_;
      StripTile strip{};
      strip.first = taps_.size();
      strip.output = p.order[filter];
      strip.bias = p.bias[strip.output];
      first_value.push_back(values_.size());
      first_count.push_back(counts_.size());
      auto row = rows[filter].begin();
      const auto end =
          pass + 1 == passes_ ? rows[filter].end() : std::find_if(row, rows[filter].end(), [&](const Row& r) {
            return r.tap.channel >= end_channel;
          });
      for (; row < end; ++strip.groups) {
        auto next = row;
        for (int64_t n = 0; n < kTogether && next < end; ++n) {
          const int32_t channel = next->tap.channel;
          next = std::find_if(next, end, [&](const Row& r) { return r.tap.channel != channel; });
        }
        add_group(p, runs_of({row, next}, planes));
        row = next;
      }
      rows[filter].erase(rows[filter].begin(), end);
      strips_.push_back(strip);
    }
  }
  for (size_t i = 0; i < strips_.size(); ++i) {
    strips_[i].weights = values_.data() + first_value[i];
    strips_[i].counts = counts_.data() + first_count[i];
  }
}

void Weights::add_group(const Packed& p, const Runs& runs) {
  for (const auto& of_length : runs) {
    counts_.push_back(static_cast<int32_t>(of_length.size()));
    for (const std::vector<Row>& run : of_length) {
      taps_.push_back(run.front().tap);
      for (const Row& row : run) values_.push_back(p.weights[row.first]);
    }
  }
}

}  // namespace cct
