#include "geometry.h"

#include <algorithm>
#include <map>
#include <utility>

#include "fault.h"

namespace cct {
namespace {

// Packed rows that a worker walks through again and again should stay in its second-level cache, beside
// weights and output: half of the smallest one around (512 KiB). Measured at 56x56 to 224x224: twice as much
// and half of it are up to 10 % slower.
constexpr int64_t kBandBytes = 512 << 10;
// Workers take units of work from a list, so that the number of threads, which nobody tells us, does not
// matter: with more units than threads none is idle for long.
constexpr int64_t kEnoughUnits = 16;
constexpr int64_t kWholeColumns = 3;  // a copy of X for each column of a wider kernel would be too much

int64_t round_up(int64_t value, int64_t step) { return divide_up(value, step) * step; }

// An odd number of cache lines: a power of two between channels would put them all into the same few sets.
int64_t odd_lines(int64_t floats) { return (divide_up(floats, 16) | 1) * 16; }

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

// Whether planes can be whole, and should be.
bool whole_planes(const Window& w, const Weights& weights, const Routine& routine, const int64_t in[2],
                  const int64_t out[2]) {
  if (w.stride[0] * w.stride[1] != 1 || in[1] != out[1] || in[1] > routine.whole) return false;
  std::vector<int64_t> columns;
  for (const Shift& shift : weights.shifts()) {
    if (std::abs(shift.column - w.pad_begin[1]) >= in[1]) return false;
    if (std::find(columns.begin(), columns.end(), shift.column) == columns.end())
      columns.push_back(shift.column);
  }
  return static_cast<int64_t>(columns.size()) <= kWholeColumns;
}

}  // namespace

Geometry::Geometry(const Convolution& conv, const Weights& weights, const Routine& routine,
                   const int64_t x_dims[4])
    : channels(conv.in_channels), outputs(conv.out_channels), layout{} {
  const Window& w = conv.window;
  if (x_dims[1] != channels) fail("X has ", x_dims[1], " channels, not ", channels);
  for (int axis = 0; axis < 2; ++axis) {
    const char* name = axis ? "width" : "height";
    in[axis] = x_dims[2 + axis];
    if (in[axis] < 1 || in[axis] > INT32_MAX) fail("X has ", name, " ", in[axis], ", not 1..", INT32_MAX);
    out[axis] = w.output(axis, in[axis]);
    if (out[axis] < 1) {
      fail("kernel ", w.kernel[axis], " with dilation ", w.dilation[axis], " is larger than X with ", name,
           " ", in[axis], " and padding ", w.pad_begin[axis], " + ", w.pad_end[axis]);
    }
  }
  product("Y", outputs, out[0], out[1], sizeof(float));
  // X itself has the layout of packed rows, if offsets can reach all of it.
  const bool direct = product("X", channels, in[0], in[1], sizeof(float)) < INT32_MAX && w.stride[0] == 1 &&
                      w.stride[1] == 1 && w.pad_begin[0] + w.pad_begin[1] == 0 &&
                      w.pad_end[0] + w.pad_end[1] == 0;
  layout.whole = !direct && whole_planes(w, weights, routine, in, out);
  find_planes(conv, weights, layout.whole);
  const int64_t planes = starts.size();
  layout.pitch = direct ? in[1] : out[1];
  for (const PlaneStart& plane : starts) {
    const Columns columns = columns_of(plane, w, in[1], out[1]);
    if (!layout.whole) {
      layout.pitch = std::max({layout.pitch, columns.end, columns.needed - columns.zeros});
    }
    layout.last_column = std::max(layout.last_column, plane.last_column);
  }

  if (planes == 1 && !direct && !layout.whole && w.stride[0] * w.stride[1] == 1) {
    const Columns columns = columns_of(starts[0], w, in[1], out[1]);
    layout.run = columns.end - columns.zeros == in[1];
  }

  lanes = routine.lanes;
  widest = routine.widest[weights.tiles().front().width];  // no block has a wider tile than its first
  const int64_t all_lanes =
      product("Y in rows", out[0], layout.pitch, sizeof(float)) / sizeof(float) - layout.pitch + out[1];
  gaps = layout.pitch > out[1];
  tail = layout.whole && all_lanes > lanes && all_lanes % lanes <= routine.tail ? all_lanes % lanes : 0;
  vectors = divide_up(all_lanes - tail, lanes);
  first_packed = direct ? all_lanes / lanes : 0;

  layout.height = in[0];
  layout.width = in[1];
  std::copy(w.stride, w.stride + 2, layout.stride);
  layout.pad_top = w.pad_begin[0];
  layout.plane_count = planes;
  cut_bands(planes, direct);

  int64_t most_rows = 0;
  for (int64_t v = 0; v < vectors; v += band) {
    const int64_t end = std::min(v + band, vectors);
    if (end > first_packed) most_rows = std::max(most_rows, rows(std::max(v, first_packed), end));
  }
  if (most_rows && planes) {
    const int64_t row_lanes = product("packed rows", most_rows, layout.pitch, sizeof(float)) / sizeof(float);
    layout.plane_lanes = round_up(15 + row_lanes + layout.last_column + lanes, 16);
    layout.channel_lanes =
        odd_lines(product("packed X", planes, layout.plane_lanes, sizeof(float)) / sizeof(float));
  }
  slot_floats = product("packed X", channels, layout.channel_lanes);
}

void Geometry::find_planes(const Convolution& conv, const Weights& weights, bool whole) {
  const int64_t *stride = conv.window.stride, column_step = whole ? INT64_MAX : stride[1];
  std::map<std::pair<int64_t, int64_t>, int64_t> known;
  last_row = 0;
  for (const Shift& shift : weights.shifts()) {
    const auto next = static_cast<int64_t>(starts.size());
    const auto [plane, is_new] = known.insert({{shift.row % stride[0], shift.column % column_step}, next});
    if (is_new) starts.push_back({plane->first.first, plane->first.second, 0});
    const Place place{plane->second, shift.row / stride[0], shift.column / column_step};
    places.push_back(place);
    starts[place.plane].last_column = std::max(starts[place.plane].last_column, place.column);
    last_row = std::max(last_row, place.row);
  }
}

void Geometry::cut_bands(int64_t planes, bool direct) {
  const int64_t row_bytes =
      product("a row of X", channels, std::max<int64_t>(planes, 1), layout.pitch, sizeof(float));
  product("packed rows", out[0] + 2 * last_row, layout.pitch, sizeof(float));  // no band has more
  // Bands share the rows that their kernels share, which are packed twice: at most half as many as are not.
  const int64_t band_rows =
      direct ? out[0] : std::max({kBandBytes / row_bytes - last_row, 2 * last_row, int64_t{1}});
  bands = divide_up(vectors, std::max(band_rows * layout.pitch / lanes, widest));
  band = round_up(divide_up(vectors, bands), widest);
  bands = divide_up(vectors, band);
}

namespace {

std::vector<int32_t> offsets_of(const Weights& weights, const Geometry& g, int64_t channel_lanes,
                                int64_t plane_lanes) {
  std::vector<int32_t> of_shift;
  for (const Place& place : g.places) {
    of_shift.push_back(
        static_cast<int32_t>(place.plane * plane_lanes + place.row * g.layout.pitch + place.column));
  }
  std::vector<int32_t> offsets;
  offsets.reserve(weights.taps().size() + kLookAhead);
  for (const Tap& tap : weights.taps()) {
    offsets.push_back(static_cast<int32_t>(tap.channel * channel_lanes) + of_shift[tap.shift]);
  }
  offsets.resize(offsets.size() + kLookAhead);
  return offsets;
}

}  // namespace

Tables::Tables(const Convolution& conv, const Weights& weights, const Geometry& g) {
  const Window& w = conv.window;
  const Layout& layout = g.layout;
  const int64_t masks =
      layout.whole || layout.run ? divide_up(layout.plane_lanes, g.lanes) : 0;  // of a plane
  for (int64_t p = 0; p < static_cast<int64_t>(g.starts.size()) && masks; ++p) {
    const int64_t sideways = g.starts[p].column - w.pad_begin[1];  // of X against the lanes
    for (int64_t lane = 0; lane < masks * g.lanes; ++lane) {
      if (lane % g.lanes == 0) inside.push_back(0);
      const int64_t column = lane % layout.pitch + sideways;
      inside.back() |= uint32_t{column >= 0 && column < g.in[1]} << lane % g.lanes;
    }
  }
  for (const PlaneStart& start : g.starts) {
    const Columns columns = columns_of(start, w, g.in[1], g.out[1]);
    const int64_t zeros = layout.whole ? 0 : columns.zeros;
    planes.push_back({start.row, zeros, columns.end - columns.zeros,
                      zeros * w.stride[1] + start.column - w.pad_begin[1],
                      inside.data() + planes.size() * masks});
  }
  if (g.slot_floats > INT32_MAX)
    fail("packed X is too large: ", g.slot_floats, " numbers for a band of an image");
  offsets = offsets_of(weights, g, layout.channel_lanes, layout.plane_lanes);
  if (g.first_packed) direct_offsets = offsets_of(weights, g, g.in[0] * g.in[1], 0);

  const int64_t pixels = g.pixels();
  int64_t pixel = 0, column = 0;
  for (int64_t v = 0; v < g.vectors && g.gaps; ++v) {
    Lanes vector{pixel, 0, 0};
    for (int64_t lane = 0, run; lane < g.lanes;
         lane += run) {  // up to the end of the pixels, then of the row
      const bool is_pixel = column < g.out[1];
      run = std::min((is_pixel ? g.out[1] : layout.pitch) - column, g.lanes - lane);
      if (is_pixel) {
        const int64_t kept = std::min(run, pixels - pixel);
        vector.keep |= ((uint32_t{1} << kept) - 1) << lane;
        vector.count += kept;
        pixel += kept;
      }
      column += run;
      if (column == layout.pitch) column = 0;
    }
    gaps.push_back(vector);
  }
}

Job::Job(const Convolution& conv, const Weights& weights, const Geometry& g, int64_t images)
    : images(images) {
  if (images < 0) fail("X has ", images, " images");
  const int64_t x_bytes = product("X", images, g.x_count(), sizeof(float));
  const int64_t y_bytes = product("Y", images, g.y_count(), sizeof(float));
  const int64_t bands = product("the list of work", images, g.bands, 2 * kEnoughUnits) / (2 * kEnoughUnits);
  chunks =
      std::clamp<int64_t>(divide_up(kEnoughUnits, std::max<int64_t>(bands, 1)), 1, weights.tiles().size());
  units = bands * chunks;
  slots = std::min(units, kMostWorkers);
  x_at = product("packed X", slots, g.slot_floats, sizeof(float));
  if (__builtin_add_overflow(x_at, conv.half ? x_bytes : 0, &z_at) ||
      __builtin_add_overflow(z_at, conv.half ? y_bytes : 0, &y_at) ||
      __builtin_add_overflow(y_at, conv.half ? y_bytes : 0, &scratch_bytes) ||
      __builtin_add_overflow(scratch_bytes, kAlignment, &scratch_bytes)) {
    fail("packed X is too large");
  }
}

}  // namespace cct
