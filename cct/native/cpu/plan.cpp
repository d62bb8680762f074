#include "cpu/plan.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <thread>
#include <utility>

#include "cpu/lane_plan.h"
#include "cpu/strip_plan.h"
#include "cpu/wide_plan.h"
#include "format/fault.h"

namespace cct {

int64_t core_count() {
  static const int64_t cores = std::max<int64_t>(std::thread::hardware_concurrency(), 1);
  return cores;
}

std::unique_ptr<Plan> Plan::make(const Convolution& conv, const Weights& weights, const Routine& routine,
                                 const int64_t x_dims[4]) {
  if (weights.in_strips()) return std::make_unique<StripPlan>(conv, weights, routine, x_dims);
  auto lanes = std::make_unique<LanePlan>(conv, weights, routine, x_dims);
  if (lanes->slot_floats <= kSlotCaches * cache_bytes() / static_cast<int64_t>(sizeof(float))) return lanes;
  auto wide = std::make_unique<WidePlan>(conv, weights, routine, x_dims);
  // Short rows have large slots too, of many channels or of a dilated kernel's rows.
  if (wide->slot_floats > lanes->slot_floats / 2) return lanes;
  return wide;
}

Plan::Plan(const Convolution& conv, const int64_t x_dims[4])
    : channels(conv.in_channels), outputs(conv.out_channels), conv(conv) {
  const ImageSize size = check_image(conv, x_dims);
  for (int axis = 0; axis < 2; ++axis) {
    in[axis] = size.in[axis];
    out[axis] = size.out[axis];
  }
}

bool Plan::is_direct() const {
  const Window& w = conv.window;
  const int64_t pads = w.pad_begin[0] + w.pad_begin[1] + w.pad_end[0] + w.pad_end[1];
  return w.is_plain() && !pads && x_count() <= INT32_MAX;
}

// Measured with one of 1 MiB, at 14x14 to 112x112: all of it is up to 10 % slower with avx2 at density 4/9,
// half of it up to 6 % with avx512 at 1/8.
int64_t Plan::cache_bytes() {
#ifdef _SC_LEVEL2_CACHE_SIZE
  static const int64_t stated = sysconf(_SC_LEVEL2_CACHE_SIZE);
#else
  constexpr int64_t stated = 0;
#endif
  return stated > 0 ? std::clamp<int64_t>(stated * 3 / 4, 256 << 10, 2 << 20) : 512 << 10;
}

int64_t Plan::band_rows(int64_t row_bytes, int64_t last_row) {
  // At most half as many rows are packed twice as are not.
  return std::max({cache_bytes() / row_bytes - last_row, 2 * last_row, int64_t{1}});
}

int64_t Plan::bands_for_cores(int64_t last_row) const {
  return std::clamp<int64_t>(out[0] / (8 * std::max<int64_t>(last_row, 1)), 1, core_count());
}

int64_t Plan::odd_lines(int64_t floats) { return (divide_up(floats, 16) | 1) * 16; }

void Plan::check_reach() const {
  if (slot_floats > INT32_MAX)
    fail("packed X is too large: ", slot_floats, " numbers for a band of an image");
}

std::vector<int32_t> Plan::offsets_of(const std::vector<Tap>& taps, const std::vector<int64_t>& of_place,
                                      int64_t channel_floats) {
  std::vector<int32_t> offsets;
  offsets.reserve(taps.size() + kLookAhead);
  for (const Tap& tap : taps) {
    offsets.push_back(static_cast<int32_t>(tap.channel * channel_floats + of_place[tap.shift]));
  }
  offsets.resize(offsets.size() + kLookAhead);
  return offsets;
}

Planes::Planes(const std::vector<Shift>& shifts, const Window& window, int64_t column_step) {
  std::map<std::pair<int64_t, int64_t>, int64_t> known;
  for (const Shift& shift : shifts) {
    const auto next = static_cast<int64_t>(starts.size());
    const auto [plane, is_new] =
        known.insert({{shift.row % window.stride[0], shift.column % column_step}, next});
    if (is_new) starts.push_back({plane->first.first, plane->first.second, 0});
    const Place place{plane->second, shift.row / window.stride[0], shift.column / column_step};
    places.push_back(place);
    starts[place.plane].last_column = std::max(starts[place.plane].last_column, place.column);
    last_row = std::max(last_row, place.row);
    last_column = std::max(last_column, place.column);
  }
}

}  // namespace cct
