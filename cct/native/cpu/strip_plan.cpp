#include "cpu/strip_plan.h"

#include <algorithm>
#include <cmath>

#include "format/fault.h"

namespace cct {
namespace {

// Whether two rows fit into a line, where the zeros left of a row are the right padding of the row before.
bool fit_half_lines(const Planes& planes, const Window& w, const int64_t in[2], const int64_t out[2]) {
  return std::all_of(planes.starts.begin(), planes.starts.end(), [&](const PlaneStart& plane) {
    const int64_t stride = w.stride[1], first = plane.column - w.pad_begin[1];
    const int64_t zeros = first < 0 ? divide_up(-first, stride) : 0;
    const int64_t end = first < in[1] ? divide_up(in[1] - first, stride) : 0;  // of the columns of X
    return out[1] <= kStripLanes && end <= kStripLanes && out[1] + plane.last_column <= kStripLanes + zeros;
  });
}

}  // namespace

StripPlan::StripPlan(const Convolution& conv, const Weights& weights, const Routine& routine,
                     const int64_t x_dims[4])
    : Plan(conv, x_dims),
      weights_(weights),
      routine_(routine),
      planes_(weights.shifts(), conv.window, conv.window.stride[1]),
      line_(fit_half_lines(planes_, conv.window, in, out) ? kStripLanes : kStripLine),
      columns_(kStripLine - planes_.last_column) {
  // Strips of one vector, where a fifth fewer vectors or more cover a row than with strips of two and a rest.
  const int64_t rest = out[1] % columns_;
  const int64_t vectors = out[1] / columns_ * 2 + divide_up(rest, kStripLanes);
  if (5 * divide_up(out[1], kStripLanes) <= 4 * vectors) columns_ = kStripLanes;
  tiles = weights.strips().size() / weights.passes();
  const int64_t planes = planes_.starts.size();
  const int64_t row_bytes =
      product("a row of X", channels, std::max<int64_t>(planes, 1), line_, sizeof(float));
  const int64_t most_rows = band_rows(row_bytes, planes_.last_row);
  bands_of_strip_ = divide_up(out[0], most_rows);
  band_rows_ = divide_up(out[0], bands_of_strip_);
  bands_of_strip_ = divide_up(out[0], band_rows_);
  bands = divide_up(out[1], columns_) * bands_of_strip_;
  plane_floats_ = product("packed rows", band_rows_ + planes_.last_row + 1, line_);
  channel_floats_ = odd_lines(product("packed X", planes, plane_floats_));
  slot_floats = product("packed X", channels, channel_floats_);
}

StripPlan::Range StripPlan::range(int64_t band) const {
  const int64_t first_row = band % bands_of_strip_ * band_rows_;
  return {band / bands_of_strip_, first_row, std::min(band_rows_, out[0] - first_row)};
}

void StripPlan::make_tables() {
  check_reach();
  const Window& w = conv.window;
  for (int64_t column = 0; column < out[1]; column += columns_) {
    for (const PlaneStart& start : planes_.starts) {
      const int64_t stride = w.stride[1], first = column * stride + start.column - w.pad_begin[1];
      const int64_t begin = first < 0 ? divide_up(-first, stride) : 0;
      const int64_t end = first < in[1] ? divide_up(in[1] - first, stride) : 0;
      tables_.push_back({start.row - w.pad_begin[0], first, std::min<int64_t>(begin, kStripLine),
                         std::min<int64_t>(end, kStripLine)});
    }
  }
  std::vector<int64_t> of_place;
  for (const Place& place : planes_.places) {
    of_place.push_back(place.plane * plane_floats_ + place.row * line_ + place.column);
  }
  offsets_ = offsets_of(weights_.taps(), of_place, channel_floats_);
}

void StripPlan::pack(const Image& image, int64_t band, float* slot) const {
  const Range r = range(band);
  const int64_t planes = planes_.starts.size();
  const int64_t* stride = conv.window.stride;
  routine_.pack_strip({image.x,
                       slot,
                       tables_.data() + r.strip * planes,
                       r.first_row,
                       r.rows + planes_.last_row,
                       in[0],
                       in[1],
                       {stride[0], stride[1]},
                       planes,
                       plane_floats_,
                       channel_floats_,
                       line_},
                      channels);
}

void StripPlan::compute(const Image& image, int64_t band, const float* slot, int64_t begin,
                        int64_t end) const {
  const Range r = range(band);
  const int64_t column = r.strip * columns_, pixel = r.first_row * out[1] + column;
  StripSpan span{slot,
                 offsets_.data(),
                 line_,
                 true,
                 r.rows,
                 std::min(columns_, out[1] - column),
                 image.y + pixel,
                 nullptr,
                 out[1],
                 pixels(),
                 -INFINITY,
                 INFINITY};
  for (int64_t pass = 0; pass < weights_.passes(); ++pass) {
    span.is_first = pass == 0;
    if (pass + 1 == weights_.passes()) {
      span.z = image.z ? image.z + pixel : nullptr;
      span.clip_min = conv.clip_min;
      span.clip_max = conv.clip_max;
    }
    routine_.compute_strip(span, weights_.strips().data() + pass * tiles + begin, end - begin);
  }
}

}  // namespace cct
