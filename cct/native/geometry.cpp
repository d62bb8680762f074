#include "geometry.h"

#include <algorithm>

#include "fault.h"

namespace cct {
namespace {

// Packed rows that a worker walks through again and again should stay in its second-level cache, beside
// weights and output: half of the smallest one around (512 KiB), or a quarter where only that makes enough
// bands. Measured at 56x56 to 224x224: twice as much and half of it are up to 10 % slower.
constexpr int64_t kBandBytes[] = {256 << 10, 128 << 10};
// With fewer bands than this workers would idle: then they share out each image instead.
constexpr int64_t kEnoughBands = 8;
// Lanes that are computed for all output channels in turn: what they read should stay in the first-level
// cache.
constexpr int64_t kSpanLanes = 48;
// Workers take units of work from a list, so that the number of threads, which nobody tells us, does not
// matter: with more units than threads none is idle for long.
constexpr int64_t kEnoughUnits = 32;

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

}  // namespace

Geometry::Geometry(const Convolution& conv, const Weights& weights, const Routine& routine,
                   const int64_t x_dims[4])
    : images(x_dims[0]), channels(conv.in_channels), outputs(conv.out_channels) {
  const Window& w = conv.window;
  if (x_dims[1] != channels) fail("X has ", x_dims[1], " channels, not ", channels);
  if (images < 0) fail("X has ", images, " images");
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
  product("X", images, channels, in[0], in[1], sizeof(float));
  product("Y", images, outputs, out[0], out[1], sizeof(float));

  const bool direct = w.stride[0] == 1 && w.stride[1] == 1 && w.pad_begin[0] + w.pad_begin[1] == 0 &&
                      w.pad_end[0] + w.pad_end[1] == 0;  // X itself has the layout of packed rows
  int64_t pitch = direct ? in[1] : out[1];
  for (const PlaneStart& plane : weights.planes()) {
    const Columns columns = columns_of(plane, w, in[1], out[1]);
    pitch = std::max({pitch, columns.end, columns.needed - columns.zeros});
  }
  lanes = routine.lanes;
  widest = routine.widest[weights.tiles().front().width];  // no block has a wider tile than its first
  last_row = weights.last_row();
  const int64_t all_lanes =
      product("Y in rows", out[0], pitch, sizeof(float)) / sizeof(float) - pitch + out[1];
  vectors = divide_up(all_lanes, lanes);
  first_packed = direct ? all_lanes / lanes : 0;
  product("the list of work", std::max<int64_t>(images, 1), vectors, kEnoughUnits);

  const int64_t planes = weights.planes().size();
  const int64_t row_bytes =
      product("a row of X", channels, std::max<int64_t>(planes, 1), pitch, sizeof(float));
  product("packed rows", out[0] + 2 * last_row, pitch, sizeof(float));  // no band has more
  for (const int64_t bytes : kBandBytes) {
    // Bands share the rows that their kernels share, which are packed twice: at most half as many as are not.
    const int64_t band_rows = std::max({bytes / row_bytes - last_row, 2 * last_row, int64_t{1}});
    bands = divide_up(vectors, std::max(band_rows * pitch / lanes, widest));
    band = round_up(divide_up(vectors, bands), widest);
    bands = divide_up(vectors, band);
    banded = !direct && images * bands >= kEnoughBands;
    if (banded) break;
  }

  spans = cut(first_packed).count + cut(vectors - first_packed).count;
  const int64_t units = std::max<int64_t>(images * spans, 1);
  chunks = std::clamp<int64_t>(divide_up(kEnoughUnits, units), 1, weights.tiles().size());

  layout = {in[0], in[1], {w.stride[0], w.stride[1]}, w.pad_begin[0], planes, weights.last_column(), pitch,
            0,     0};
  int64_t most_rows = banded ? 0 : rows(first_packed, vectors);
  for (int64_t v = 0; banded && v < vectors; v += band) {
    most_rows = std::max(most_rows, rows(v, std::min(v + band, vectors)));
  }
  if (most_rows && planes) {
    const int64_t row_lanes = product("packed rows", most_rows, pitch, sizeof(float)) / sizeof(float);
    layout.plane_lanes = round_up(row_lanes + layout.last_column + lanes, 16);
    layout.channel_lanes =
        odd_lines(product("packed X", planes, layout.plane_lanes, sizeof(float)) / sizeof(float));
  }
  slots = banded ? std::min(images * bands, kMostWorkers) : images;
  slot_floats = product("packed X", channels, layout.channel_lanes);

  planes_at = 0;
  offsets_at = round_up(planes * sizeof(Plane), kAlignment);
  lanes_at = round_up(offsets_at + weights.shifts().size() * sizeof(int64_t), kAlignment);
  slots_at = round_up(lanes_at + vectors * sizeof(Lanes), kAlignment);
  const int64_t slot_bytes = product("packed X", slots, slot_floats, sizeof(float));
  const int64_t x_bytes = conv.half ? x_count() * sizeof(float) : 0;
  const int64_t y_bytes = conv.half ? y_count() * sizeof(float) : 0;
  if (__builtin_add_overflow(slots_at, slot_bytes, &x_at) || __builtin_add_overflow(x_at, x_bytes, &z_at) ||
      __builtin_add_overflow(z_at, y_bytes, &y_at) || __builtin_add_overflow(y_at, y_bytes, &scratch_bytes) ||
      __builtin_add_overflow(scratch_bytes, kAlignment, &scratch_bytes)) {
    fail("packed X is too large");
  }
}

Spans Geometry::cut(int64_t some_vectors) const {
  if (!some_vectors) return {};
  const int64_t pieces = divide_up(some_vectors, widest), together = divide_up(kSpanLanes, widest * lanes);
  return {some_vectors, pieces, std::max<int64_t>(pieces / together, 1)};
}

void Geometry::describe(const Convolution& conv, const Weights& weights, char* scratch) const {
  const Window& w = conv.window;
  Plane* plane = reinterpret_cast<Plane*>(scratch + planes_at);
  for (const PlaneStart& start : weights.planes()) {
    const Columns columns = columns_of(start, w, in[1], out[1]);
    *plane++ = {start.row, columns.zeros, columns.end - columns.zeros,
                columns.zeros * w.stride[1] + start.column - w.pad_begin[1]};
  }
  int64_t* offset = reinterpret_cast<int64_t*>(scratch + offsets_at);
  for (const Shift& shift : weights.shifts()) {
    *offset++ = shift.plane * layout.plane_lanes + shift.row * layout.pitch + shift.column;
  }

  Lanes* vector = reinterpret_cast<Lanes*>(scratch + lanes_at);
  const int64_t pixels = out[0] * out[1];
  int64_t pixel = 0, column = 0;
  for (int64_t v = 0; v < vectors; ++v, ++vector) {
    *vector = {pixel, 0, 0};
    for (int64_t lane = 0, run; lane < lanes; lane += run) {  // up to the end of the pixels, then of the row
      const bool inside = column < out[1];
      run = std::min((inside ? out[1] : layout.pitch) - column, lanes - lane);
      if (inside) {
        const int64_t kept = std::min(run, pixels - pixel);
        vector->keep |= ((uint32_t{1} << kept) - 1) << lane;
        vector->count += kept;
        pixel += kept;
      }
      column += run;
      if (column == layout.pitch) column = 0;
    }
  }
}

}  // namespace cct
