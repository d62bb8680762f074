#include "cpu/lane_plan.h"

#include <algorithm>

#include "format/fault.h"

namespace cct {
namespace {

constexpr int64_t kTableBytes = 64 << 20;
constexpr int64_t kWholeColumns = 3;  // a copy of X for each column of a wider kernel would be too much

int64_t round_up(int64_t value, int64_t step) { return divide_up(value, step) * step; }

// How a plane's row is made of zeros, columns of X, and zeros again.
struct Columns {
  int64_t zeros, end, needed;
};

Columns columns_of(const PlaneStart& plane, const Window& w, int64_t in_width, int64_t out_width) {
  const int64_t stride = w.stride[1], pad = w.pad_begin[1];
  const int64_t needed = out_width + plane.last_column;
  const int64_t zeros =
      std::clamp<int64_t>(divide_up(std::max<int64_t>(pad - plane.column, 0), stride), 0, needed);
  const int64_t end = divide_up(std::max<int64_t>(in_width + pad - plane.column, 0), stride);
  return {zeros, std::clamp(end, zeros, needed), needed};
}

// Whether there is a copy for each column of the kernel, with rows as long as the output's: few columns,
// short rows.
bool column_planes(const Window& w, const Planes& each_column, const Routine& routine, int64_t out) {
  return out <= routine.whole &&
         static_cast<int64_t>(each_column.starts.size()) <= kWholeColumns * w.stride[0];
}

// Whether these copies can be X moved sideways.
bool moved_planes(const Window& w, const Planes& each_column, int64_t in, int64_t out) {
  const auto moves_less = [&](const PlaneStart& plane) {
    const int64_t columns = plane.column - w.pad_begin[1];
    return -in < columns && columns < in;
  };
  return w.is_plain() && in == out &&
         std::all_of(each_column.starts.begin(), each_column.starts.end(), moves_less);
}

}  // namespace

LanePlan::LanePlan(const Convolution& conv, const Weights& weights, const Routine& routine,
                   const int64_t x_dims[4])
    : Plan(conv, x_dims),
      weights_(weights),
      routine_(routine),
      direct_(is_direct()),
      planes_(weights.shifts(), conv.window, conv.window.stride[1]) {
  const Window& w = conv.window;
  tiles = weights.tiles().size();
  const Planes each_column(weights.shifts(), w, INT64_MAX);
  const bool by_column = !direct_ && column_planes(w, each_column, routine, out[1]);
  layout_.whole = by_column && moved_planes(w, each_column, in[1], out[1]);
  const bool halves = by_column && w.stride[1] == 2;  // copies of every second column
  if (layout_.whole || halves) planes_ = each_column;
  const int64_t planes = planes_.starts.size();
  layout_.pitch = direct_ ? in[1] : out[1];
  for (const PlaneStart& plane : planes_.starts) {
    const Columns columns = columns_of(plane, w, in[1], out[1]);
    if (!layout_.whole) {
      layout_.pitch = std::max({layout_.pitch, columns.end, columns.needed - columns.zeros});
    }
    layout_.run = planes == 1 && w.is_plain() && !layout_.whole && columns.end - columns.zeros == in[1];
  }
  layout_.height = in[0];
  layout_.width = in[1];
  std::copy(w.stride, w.stride + 2, layout_.stride);
  layout_.pad_top = w.pad_begin[0];
  layout_.plane_count = planes;
  layout_.last_column = planes_.last_column;

  lanes_ = routine.lanes;
  all_lanes_ =
      product("Y in rows", out[0], layout_.pitch, sizeof(float)) / sizeof(float) - layout_.pitch + out[1];
  // The pixels after the last whole vector. X itself ends there, so that no routine may round them up, as
  // narrow tiles do.
  const int64_t rest = all_lanes_ % lanes_;
  const bool narrow = std::any_of(weights.tiles().begin(), weights.tiles().end(),
                                  [](const Tile& tile) { return tile.width < kTileWidth; });
  const bool exact = layout_.whole || halves ||
                     (direct_ && !narrow && layout_.pitch == out[1] && (rest == 1 || rest == routine.tail));
  tail_ = exact && all_lanes_ > lanes_ && rest <= routine.tail ? rest : 0;
  vectors_ = divide_up(all_lanes_ - tail_, lanes_);
  first_packed_ = direct_ ? all_lanes_ / lanes_ : 0;
  // Beyond that, almost all lanes are padding: a small file must not make us take much memory.
  const int64_t table = has_gaps() ? product("the table of lanes", vectors_, sizeof(Lanes)) : 0;
  if (table > kTableBytes + 16 * (x_count() + y_count()) * static_cast<int64_t>(sizeof(float))) {
    fail("dilation and padding make rows of ", layout_.pitch, " numbers for ", out[1], " pixels");
  }

  const int64_t row_bytes =
      product("a row of X", channels, std::max<int64_t>(planes, 1), layout_.pitch, sizeof(float));
  product("packed rows", out[0] + 2 * planes_.last_row, layout_.pitch, sizeof(float));  // no band has more
  const int64_t widest = routine.widest[weights.tiles().front().width];
  const int64_t most = direct_ ? vectors_ : band_rows(row_bytes, planes_.last_row) * layout_.pitch / lanes_;
  const int64_t together = std::min(most, divide_up(vectors_, bands_for_cores(planes_.last_row)));
  bands = divide_up(vectors_, std::max(together, widest));
  band_ = round_up(divide_up(vectors_, bands), widest);
  bands = divide_up(vectors_, band_);

  int64_t most_rows = 0;
  for (int64_t band = 0; band < bands; ++band) {
    const Range r = range(band);
    most_rows = std::max(most_rows, rows(r.packed, r.end));
  }
  if (most_rows && planes) {
    const int64_t row_lanes = product("packed rows", most_rows, layout_.pitch, sizeof(float)) / sizeof(float);
    layout_.plane_lanes = round_up(15 + row_lanes + layout_.last_column + lanes_, 16);
    layout_.channel_lanes =
        odd_lines(product("packed X", planes, layout_.plane_lanes, sizeof(float)) / sizeof(float));
  }
  slot_floats = product("packed X", channels, layout_.channel_lanes);
}

LanePlan::Range LanePlan::range(int64_t band) const {
  const int64_t begin = band * band_, end = std::min(begin + band_, vectors_);
  return {begin, std::clamp(first_packed_, begin, end), end};
}

void LanePlan::make_tables() {
  check_reach();
  const Window& w = conv.window;
  const int64_t masks = layout_.whole || layout_.run ? divide_up(layout_.plane_lanes, lanes_) : 0;  // a plane
  for (const PlaneStart& start : planes_.starts) {
    const int64_t sideways = start.column - w.pad_begin[1];  // of X against the lanes
    for (int64_t lane = 0; lane < masks * lanes_; ++lane) {
      if (lane % lanes_ == 0) inside_.push_back(0);
      const int64_t column = lane % layout_.pitch + sideways;
      inside_.back() |= uint32_t{column >= 0 && column < in[1]} << lane % lanes_;
    }
  }
  std::vector<int64_t> packed, direct;
  for (const PlaneStart& start : planes_.starts) {
    const Columns columns = columns_of(start, w, in[1], out[1]);
    const int64_t zeros = layout_.whole ? 0 : columns.zeros;
    tables_.push_back({start.row, zeros, columns.end - columns.zeros,
                       zeros * w.stride[1] + start.column - w.pad_begin[1],
                       inside_.data() + tables_.size() * masks});
  }
  for (const Place& place : planes_.places) {
    direct.push_back(place.row * layout_.pitch + place.column);
    packed.push_back(place.plane * layout_.plane_lanes + direct.back());
  }
  offsets_ = offsets_of(weights_.taps(), packed, layout_.channel_lanes);
  if (first_packed_) direct_offsets_ = offsets_of(weights_.taps(), direct, in[0] * in[1]);

  int64_t pixel = 0, column = 0;
  if (has_gaps()) gaps_.reserve(vectors_);
  for (int64_t v = 0; v < vectors_ && has_gaps(); ++v) {
    Lanes vector{pixel, 0, 0};
    for (int64_t lane = 0, run; lane < lanes_; lane += run) {  // up to the end of the pixels, then of the row
      const bool is_pixel = column < out[1];
      run = std::min((is_pixel ? out[1] : layout_.pitch) - column, lanes_ - lane);
      if (is_pixel) {
        const int64_t kept = std::min(run, pixels() - pixel);
        vector.keep |= ((uint32_t{1} << kept) - 1) << lane;
        vector.count += kept;
        pixel += kept;
      }
      column += run;
      if (column == layout_.pitch) column = 0;
    }
    gaps_.push_back(vector);
  }
}

void LanePlan::pack(const Image& image, int64_t band, float* slot) const {
  const Range r = range(band);
  if (r.packed == r.end || !slot_floats) return;
  const Band rows_of{image.x, slot + lead(r.packed), tables_.data(), first_row(r.packed),
                     rows(r.packed, r.end)};
  routine_.pack(layout_, rows_of, channels);
}

void LanePlan::compute(const Image& image, int64_t band, const float* slot, int64_t begin,
                       int64_t end) const {
  each_part(band, [&](const Part& part) { compute_part(image, part, slot, begin, end); });
}

void LanePlan::compute_part(const Image& image, const Part& part, const float* slot, int64_t first_tile,
                            int64_t end_tile) const {
  const bool last = part.end == vectors_, has_gaps = !gaps_.empty();
  const Span span{(part.in_x ? image.x : slot) + part.lane,
                  part.offsets,
                  has_gaps ? gaps_.data() : nullptr,
                  part.begin,
                  part.end,
                  last ? tail_ : 0,
                  last       ? pixels()
                  : has_gaps ? gaps_[part.end].pixel
                             : part.end * lanes_,
                  image.y,
                  image.z,
                  pixels(),
                  conv.clip_min,
                  conv.clip_max};
  routine_.compute(span, weights_.tiles().data() + first_tile, end_tile - first_tile);
}

}  // namespace cct
