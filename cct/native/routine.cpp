// The arithmetic, compiled once for each ISA row with -DCCT_ISA=<row>: see routine.h for the algorithm.
//
// Everything has internal linkage or lies in the namespace of the row, and no standard container is used: an
// inline function of a header could be emitted here with this row's instructions, and the linker could keep
// that copy for all.
#include "routine.h"

#include "float16.h"

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(CCT_NEON)
#include <arm_neon.h>
#endif

#ifdef __clang__
#define CCT_UNROLL _Pragma("unroll")
#else
#define CCT_UNROLL _Pragma("GCC unroll 16")
#endif

namespace cct {
namespace CCT_ISA {
namespace {

#include "simd.h"

// ---------------------------------------------------------------- packing

// Whole vectors are written: up to kLanes - 1 floats after the last are overwritten. Rows are written in
// ascending order and planes end in spare floats, so that what is overwritten is written again or never read.
CCT_INLINE void put_zeros(float* to, int64_t count) {
  if (count <= 0) return;
  store(to, broadcast(0));  // mostly a column or two
  for (int64_t i = kLanes; i < count; i += kLanes) store(to + i, broadcast(0));
}

CCT_INLINE void put_columns(float* to, const float* from, int64_t count, int64_t stride) {
  int64_t i = 0;
  if (stride == 1) {
    for (; i + kLanes <= count; i += kLanes) store(to + i, load(from + i));
    if (i < count) store(to + i, load_first(from + i, count - i));
  } else if (stride == 2) {
    for (; i + kLanes <= count; i += kLanes) store(to + i, load_even_first(from + 2 * i, kLanes));
    if (i < count) store(to + i, load_even_first(from + 2 * i, count - i));
  } else {
    for (; i < count; ++i) to[i] = from[i * stride];
  }
}

void pack(const Layout& layout, const Band& band, int64_t first_channel, int64_t end_channel) {
  const int64_t pitch = layout.pitch, stride = layout.stride[0], end = band.first_row + band.rows;
  for (int64_t channel = first_channel; channel < end_channel; ++channel) {
    const float* image = band.image + channel * layout.height * layout.width;
    for (int64_t i = 0; i < layout.plane_count; ++i) {
      const Plane plane = band.planes[i];
      float* row = band.slot + channel * layout.channel_lanes + i * layout.plane_lanes;
      // Rows above X, rows of X, and rows below it.
      const int64_t top = layout.pad_top - plane.row, bottom = plane.columns ? top + layout.height : top;
      int64_t r = band.first_row;
      for (; r < end && r * stride < top; ++r, row += pitch) put_zeros(row, pitch);
      for (; r < end && r * stride < bottom; ++r, row += pitch) {
        const float* from = image + (r * stride - top) * layout.width + plane.first_input_column;
        put_zeros(row, plane.zeros);
        put_columns(row + plane.zeros, from, plane.columns, layout.stride[1]);
        const int64_t put = plane.zeros + plane.columns;
        put_zeros(row + put, pitch - put);
      }
      for (; r < end; ++r, row += pitch) put_zeros(row, pitch);
      put_zeros(row, layout.last_column);  // the right padding of the last row
    }
  }
}

// ---------------------------------------------------------------- computing

// `kWidth` output channels x `kVectors` vectors: all sums stay in registers while the taps go by.
template <int kWidth, int kVectors>
__attribute__((noinline)) void compute_tile(const Span& span, const Tile& tile, int64_t begin) {
  Vec sums[kWidth][kVectors];
  CCT_UNROLL for (int j = 0; j < kWidth; ++j) {
    CCT_UNROLL for (int v = 0; v < kVectors; ++v) sums[j][v] = broadcast(tile.bias[j]);
  }

  const float* x = span.x;
  const int64_t first_lane = span.first_lane + (begin - span.begin) * kLanes;
  const int64_t channel_lanes = span.channel_lanes;
  const int64_t* offsets = span.offsets;
  const float* weights = tile.weights;
  for (const Tap *tap = tile.taps, *end = tap + tile.count; tap < end; ++tap, weights += kWidth) {
    const float* from = x + (first_lane + tap->channel * channel_lanes + offsets[tap->shift]);
    Vec inputs[kVectors];
    CCT_UNROLL for (int v = 0; v < kVectors; ++v) inputs[v] = load(from + v * kLanes);
    CCT_UNROLL for (int j = 0; j < kWidth; ++j) {
      const Vec weight = broadcast(weights[j]);
      CCT_UNROLL for (int v = 0; v < kVectors; ++v) sums[j][v] = multiply_add(weight, inputs[v], sums[j][v]);
    }
  }

  // Locals: for all that the compiler knows, y could alias the span.
  const Lanes* vectors = span.vectors + begin;
  const Vec low = broadcast(span.clip_min), high = broadcast(span.clip_max);
  const int64_t end_pixel = span.end_pixel, plane = span.plane;
  const float* z = span.z;
  float* y = span.y;
  int64_t image[kWidth];
  CCT_UNROLL for (int j = 0; j < kWidth; ++j) image[j] = tile.outputs[j] * plane;
  CCT_UNROLL for (int v = 0; v < kVectors; ++v) {
    const Lanes lanes = vectors[v];
    const Kept kept = kept_lanes(lanes.keep);
    // Whole vectors are stored where there is room: the next one overwrites what follows the kept lanes.
    const bool whole = lanes.pixel + kLanes <= end_pixel;
    CCT_UNROLL for (int j = 0; j < kWidth; ++j) {
      const int64_t at = image[j] + lanes.pixel;
      Vec sum = compress(sums[j][v], kept);
      if (z) sum = add(sum, whole ? load(z + at) : load_first(z + at, lanes.count));
      sum = clip(sum, low, high);
      if (whole) {
        store(y + at, sum);
      } else {
        store_first(y + at, sum, lanes.count);
      }
    }
  }
}

// One call of compute_tile, whose sizes are compile-time constants, for `count` vectors.
template <int kWidth, int kVectors>
void compute_vectors(const Span& span, const Tile& tile, int64_t begin, int64_t count) {
  if (count == kVectors) {
    compute_tile<kWidth, kVectors>(span, tile, begin);
  } else if constexpr (kVectors > 1) {
    compute_vectors<kWidth, kVectors - 1>(span, tile, begin, count);
  }
}

template <int kWidth>
void compute_span(const Span& span, const Tile& tile) {
  const int64_t vectors = span.end - span.begin;
  const int64_t parts = (vectors + kWidest[kWidth] - 1) / kWidest[kWidth];
  for (int64_t part = 0; part < parts; ++part) {  // of nearly equal size
    const int64_t begin = vectors * part / parts, end = vectors * (part + 1) / parts;
    compute_vectors<kWidth, kWidest[kWidth]>(span, tile, span.begin + begin, end - begin);
  }
}

void compute(const Span& span, const Tile* tiles, int64_t count) {
  for (const Tile* tile = tiles; tile < tiles + count; ++tile) {
    switch (tile->width) {
      case 4:
        compute_span<4>(span, *tile);
        break;
      case 2:
        compute_span<2>(span, *tile);
        break;
      default:
        compute_span<1>(span, *tile);
    }
  }
}

// ---------------------------------------------------------------- float16

void widen_all(const uint16_t* from, float* to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] = widen(from[i]);
}

void narrow_all(const float* from, uint16_t* to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] = narrow(from[i]);
}

}  // namespace

extern const Routine routine;
const Routine routine{kLanes, kWidest, pack, compute, widen_all, narrow_all};

}  // namespace CCT_ISA
}  // namespace cct
