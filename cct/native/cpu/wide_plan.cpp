#include "cpu/wide_plan.h"

#include <algorithm>

#include "format/fault.h"

namespace cct {

WidePlan::WidePlan(const Convolution& conv, const Weights& weights, const Routine& routine,
                   const int64_t x_dims[4])
    : Plan(conv, x_dims),
      weights_(weights),
      routine_(routine),
      direct_(is_direct()),
      planes_(weights.shifts(), conv.window, conv.window.stride[1]) {
  const Window& w = conv.window;
  tiles = weights.tiles().size();
  const int64_t planes = planes_.starts.size(), last_row = planes_.last_row, lanes = routine.lanes;
  const int64_t column_bytes =
      product("a column of X", channels, std::max<int64_t>(planes, 1), sizeof(float));
  // As band_rows has it: at most half as many rows and columns are packed twice as are not.
  band_rows_ = std::min(out[0], std::max<int64_t>(2 * last_row, 1));
  const int64_t tile = lanes * routine.widest[weights.tiles().front().width];
  const int64_t cached = cache_bytes() / product("a column of X", column_bytes, band_rows_ + last_row);
  const int64_t most = std::max({cached - planes_.last_column, 2 * planes_.last_column, tile}) / tile * tile;
  columns_ = divide_up(divide_up(out[1], divide_up(out[1], most)), lanes) * lanes;
  layout_.pitch = divide_up(columns_ + planes_.last_column, 16) * 16;
  const int64_t row_bytes = product("a row of X", column_bytes, layout_.pitch);
  band_rows_ = std::clamp(cache_bytes() / row_bytes - last_row, band_rows_, out[0]);
  bands_of_strip_ = divide_up(out[0], band_rows_);
  band_rows_ = divide_up(out[0], bands_of_strip_);
  bands_of_strip_ = divide_up(out[0], band_rows_);
  bands = divide_up(out[1], columns_) * bands_of_strip_;

  layout_.height = in[0];
  layout_.width = in[1];
  std::copy(w.stride, w.stride + 2, layout_.stride);
  layout_.pad_top = w.pad_begin[0];
  layout_.plane_count = planes;
  layout_.last_column = planes_.last_column;
  const int64_t row_lanes =
      product("packed rows", band_rows_ + last_row, layout_.pitch, sizeof(float)) / sizeof(float);
  layout_.plane_lanes = divide_up(row_lanes + planes_.last_column + lanes, 16) * 16;
  layout_.channel_lanes =
      odd_lines(product("packed X", planes, layout_.plane_lanes, sizeof(float)) / sizeof(float));
  slot_floats = product("packed X", channels, layout_.channel_lanes);
}

WidePlan::Range WidePlan::range(int64_t band) const {
  const int64_t strip = band / bands_of_strip_, column = strip * columns_;
  const int64_t first_row = band % bands_of_strip_ * band_rows_;
  const int64_t columns = std::min(columns_, out[1] - column);
  return {strip,
          column,
          columns,
          first_row,
          std::min(band_rows_, out[0] - first_row),
          divide_up(columns, routine_.lanes)};
}

bool WidePlan::reads_x(const Range& range) const {
  const int64_t last_row = range.first_row + range.rows - 1 + planes_.last_row;
  const int64_t end_column = range.column + range.vectors * routine_.lanes + planes_.last_column;
  return direct_ && last_row * in[1] + end_column <= in[0] * in[1];
}

void WidePlan::make_tables() {
  check_reach();
  const Window& w = conv.window;
  for (int64_t column = 0; column < out[1]; column += columns_) {
    for (const PlaneStart& start : planes_.starts) {
      const int64_t stride = w.stride[1], first = column * stride + start.column - w.pad_begin[1];
      const int64_t needed = columns_ + start.last_column;
      const int64_t zeros = std::min(first < 0 ? divide_up(-first, stride) : 0, needed);
      const int64_t end = first < in[1] ? divide_up(in[1] - first, stride) : 0;  // of the columns of X
      tables_.push_back(
          {start.row, zeros, std::clamp(end, zeros, needed) - zeros, first + zeros * stride, nullptr});
    }
  }
  std::vector<int64_t> packed, direct;
  for (const Place& place : planes_.places) {
    packed.push_back(place.plane * layout_.plane_lanes + place.row * layout_.pitch + place.column);
    direct.push_back(place.row * in[1] + place.column);
  }
  offsets_ = offsets_of(weights_.taps(), packed, layout_.channel_lanes);
  if (direct_) direct_offsets_ = offsets_of(weights_.taps(), direct, in[0] * in[1]);
}

void WidePlan::pack(const Image& image, int64_t band, float* slot) const {
  const Range r = range(band);
  if (reads_x(r)) return;
  const Plane* planes = tables_.data() + r.strip * layout_.plane_count;
  routine_.pack(layout_, {image.x, slot, planes, r.first_row, r.rows + planes_.last_row}, channels);
}

void WidePlan::compute(const Image& image, int64_t band, const float* slot, int64_t begin,
                       int64_t end) const {
  const Range r = range(band);
  const bool in_x = reads_x(r);
  const float* x = in_x ? image.x + r.first_row * in[1] + r.column : slot;
  const int64_t pitch = in_x ? in[1] : layout_.pitch, pixel = r.first_row * out[1] + r.column;
  Span span{x,
            in_x ? direct_offsets_.data() : offsets_.data(),
            nullptr,
            0,
            r.vectors,
            0,
            r.columns,
            nullptr,
            nullptr,
            pixels(),
            conv.clip_min,
            conv.clip_max};
  for (const Tile *tile = weights_.tiles().data() + begin, *end_tile = tile + (end - begin); tile < end_tile;
       ++tile) {
    for (int64_t row = 0; row < r.rows; ++row) {
      span.x = x + row * pitch;
      span.y = image.y + pixel + row * out[1];
      span.z = image.z ? image.z + pixel + row * out[1] : nullptr;
      routine_.compute(span, tile, 1);
    }
  }
}

}  // namespace cct
