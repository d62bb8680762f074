// The weights of strips: what each output channel keeps as runs of positions below each other (routine.h).
#include <algorithm>

#include "cpu/plan.h"
#include "cpu/weights.h"
#include "format/fault.h"

namespace cct {
namespace {

// A convolution that keeps so many weights of a kernel on average is computed in passes over so many
// channels: what all output channels read of them stays in the first-level cache then. With fewer the sums
// would come and go too often.
constexpr double kEnoughKept = 2.5;
constexpr int64_t kPassChannels = 32;
// Of layers with so many channels the images are small, and twice as many fit.
constexpr int64_t kWide = 512;

// Channels whose runs of one length follow each other: what one output channel reads of them should still be
// in the first-level cache when the runs of the next length come.
constexpr int64_t kTogether = 64;

// Cuts kept positions into runs.
class Runs {
 public:
  explicit Runs(const std::vector<Shift>& shifts, const Window& window) : number_(shifts.size()) {
    const std::vector<Place> places = Planes(shifts, window, window.stride[1]).places;
    const auto before = [&](size_t a, size_t b) {  // column by column of a plane, from top to bottom
      const Place &p = places[a], &q = places[b];
      return p.plane != q.plane     ? p.plane < q.plane
             : p.column != q.column ? p.column < q.column
                                    : p.row < q.row;
    };
    std::vector<size_t> order(shifts.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), before);
    for (size_t i = 0; i < order.size(); ++i) {
      number_[order[i]] = i;
      const Place& place = places[order[i]];
      const Place above = i ? places[order[i - 1]] : Place{-1, 0, 0};
      follows_.push_back(above.plane == place.plane && above.column == place.column &&
                         above.row + 1 == place.row);
    }
  }

  // The kept positions of one input channel.
  void add(const Row* begin, const Row* end) {
    column_.assign(begin, end);
    std::sort(column_.begin(), column_.end(),
              [&](const Row& a, const Row& b) { return number(a) < number(b); });
    for (size_t first = 0, i = 1; first < column_.size(); first = i++) {
      while (i < column_.size() && i - first < kLongestRun &&
             number(column_[i]) == number(column_[i - 1]) + 1 && follows_[number(column_[i])]) {
        ++i;
      }
      auto& runs = of_length_[i - first - 1];
      runs.insert(runs.end(), column_.begin() + first, column_.begin() + i);
    }
  }

  // Moves the runs to where the routines read them.
  void flush(std::vector<Tap>& taps, std::vector<int64_t>& sources, std::vector<int32_t>& counts) {
    for (size_t length = 1; length <= kLongestRun; ++length) {
      std::vector<Row>& rows = of_length_[length - 1];
      counts.push_back(static_cast<int32_t>(rows.size() / length));
      for (size_t i = 0; i < rows.size(); ++i) {
        if (i % length == 0) taps.push_back(rows[i].tap);
        sources.push_back(rows[i].first);
      }
      rows.clear();
    }
  }

 private:
  size_t number(const Row& row) const { return number_[row.tap.shift]; }

  std::vector<size_t> number_;  // of each shift
  std::vector<bool> follows_;   // of each number: whether it lies right below the one before
  std::vector<Row> column_, of_length_[kLongestRun];
};

}  // namespace

void Weights::add_strips(const Packed& p, const std::vector<int32_t>& shift_of) {
  const int64_t filters = p.group * p.out_blocks;
  std::vector<std::vector<Row>> rows;  // of each output channel
  for (int64_t filter = 0, k = 0; filter < filters; ++filter) {
    const int64_t begin = k;
    while (k < p.kernels && p.filters[k] == filter) ++k;
    rows.push_back(rows_of(p, shift_of, begin, k));
  }
  const int64_t channels = p.in_channels / p.group;
  if (p.kernels * p.bi * p.entries >= kEnoughKept * filters * channels) {
    passes_ = divide_up(channels, channels < kWide ? kPassChannels : 2 * kPassChannels);
  }

  Runs runs(shifts_, p.window);
  std::vector<size_t> done(filters), first_value, first_count;  // counts_ still moves
  for (int64_t pass = 0; pass < passes_; ++pass) {
    for (int64_t filter = 0; filter < filters; ++filter) {
      const int64_t end_channel = (filter / p.out_blocks) * channels + channels * (pass + 1) / passes_;
      StripTile strip{};
      strip.first = taps_.size();
      strip.output = p.order[filter];
      first_value.push_back(sources_.size());
      first_count.push_back(counts_.size());
      const std::vector<Row>& own = rows[filter];
      const auto in_pass = [&](size_t row) { return row < own.size() && own[row].tap.channel < end_channel; };
      for (size_t row = done[filter]; in_pass(row); ++strip.groups) {
        for (int64_t n = 0; n < kTogether && in_pass(row); ++n) {
          const size_t begin = row;
          while (row < own.size() && own[row].tap.channel == own[begin].tap.channel) ++row;
          runs.add(&own[begin], own.data() + row);
        }
        runs.flush(taps_, sources_, counts_);
        done[filter] = row;
      }
      strips_.push_back(strip);
    }
  }
  values_.resize(sources_.size());
  for (size_t i = 0; i < strips_.size(); ++i) {
    strips_[i].weights = values_.data() + first_value[i];
    strips_[i].counts = counts_.data() + first_count[i];
  }
}

}  // namespace cct
