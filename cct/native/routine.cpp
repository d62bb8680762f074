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

#define CCT_LAMBDA __attribute__((always_inline))

namespace cct {
namespace CCT_ISA {
namespace {

#include "simd.h"

constexpr int kWeightsAhead = 512;  // floats: 2 KB

CCT_INLINE void prefetch(const float* p) { __builtin_prefetch(p); }

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

// Planes without a stride: all rows in one run.
template <bool kWhole>
void pack_run(const Layout& layout, const Band& band, int64_t first_channel, int64_t end_channel) {
  const int64_t pitch = layout.pitch, width = layout.width;
  const auto rows = [&](int64_t count) { return count < 0 ? 0 : count < band.rows ? count : band.rows; };
  const int64_t above = rows(layout.pad_top - band.first_row);  // rows of zeros above X
  const int64_t below = rows(band.first_row + band.rows - layout.pad_top - layout.height);
  const int64_t count = (band.rows - above - below) * pitch;
  for (int64_t channel = first_channel; channel < end_channel; ++channel) {
    const float* image = band.image + channel * layout.height * width;
    const float* image_end = image + layout.height * width;
    for (int64_t i = 0; i < layout.plane_count; ++i) {
      const Plane plane = band.planes[i];
      float* to = band.slot + channel * layout.channel_lanes + i * layout.plane_lanes;
      put_zeros(to, above * pitch);
      to += above * pitch;
      const float* from =
          image + (band.first_row + above - layout.pad_top) * width + plane.first_input_column;
      const uint32_t* inside = plane.inside;
      int64_t lane = 0;
      if (kWhole) {
        for (; lane + kLanes <= count; lane += kLanes) store(to + lane, load_inside(from + lane, *inside++));
        if (lane < count) store(to + lane, load_inside(from + lane, *inside & ((1u << (count - lane)) - 1)));
      } else {
        for (; lane < count && from + kLanes <= image_end; lane += kLanes) {
          store(to + lane, expand(load(from), *inside));
          from += __builtin_popcount(*inside++);
        }
        for (; lane < count; lane += kLanes) {
          store(to + lane, expand(load_first(from, image_end - from), *inside));
          from += __builtin_popcount(*inside++);
        }
      }
      put_zeros(to + count, below * pitch + layout.last_column);
    }
  }
}

void pack_rows(const Layout& layout, const Band& band, int64_t first_channel, int64_t end_channel) {
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

void pack(const Layout& layout, const Band& band, int64_t first_channel, int64_t end_channel) {
  if (layout.whole) return pack_run<true>(layout, band, first_channel, end_channel);
  if (layout.run) return pack_run<false>(layout, band, first_channel, end_channel);
  pack_rows(layout, band, first_channel, end_channel);
}

// ---------------------------------------------------------------- computing

// Stores the tile's channels of a pixel.
CCT_INLINE void put_pixel(const Span& span, const Tile& tile, int64_t pixel, Quad sum) {
  float results[kTileWidth];
  store_quad(results, sum);
  for (int j = 0; j < kTileWidth; ++j) {
    const int64_t at = tile.outputs[j] * span.plane + pixel;
    Vec result = broadcast(results[j]);
    if (span.z) result = add(result, broadcast(span.z[at]));
    store_first(span.y + at, clip(result, broadcast(span.clip_min), broadcast(span.clip_max)), 1);
  }
}

// `kWidth` output channels x `kVectors` vectors: all sums stay in registers while the taps go by. With them
// the four channels of the `kBeside` pixels that follow, each pixel's sums a vector over channels.
template <int kWidth, int kVectors, int kBeside>
__attribute__((noinline)) void compute_tile(const Span& span, const Tile& tile, int64_t begin) {
  Vec sums[kWidth][kVectors];
  CCT_UNROLL for (int j = 0; j < kWidth; ++j) {
    CCT_UNROLL for (int v = 0; v < kVectors; ++v) sums[j][v] = broadcast(tile.bias[j]);
  }

  Quad tail[kBeside + 1];
  CCT_UNROLL for (int t = 0; t < kBeside; ++t) tail[t] = load_quad(tile.bias);

  const float* x = span.x + span.first_lane + (begin - span.begin) * kLanes;
  const float* weights = tile.weights;
  const int32_t* offset = span.offsets + tile.first;
  for (const int32_t* end = offset + tile.count; offset < end; ++offset, weights += kWidth) {
    // Channels follow each other at random distances, which no processor foresees; weights come from far.
    prefetch(x + offset[kLookAhead]);
    prefetch(x + offset[kLookAhead] + (kVectors - 1) * kLanes);
    prefetch(weights + kWeightsAhead);
    const float* from = x + *offset;
    Vec inputs[kVectors];
    CCT_UNROLL for (int v = 0; v < kVectors; ++v) inputs[v] = load(from + v * kLanes);
    CCT_UNROLL for (int j = 0; j < kWidth; ++j) {
      const Vec weight = broadcast(weights[j]);
      CCT_UNROLL for (int v = 0; v < kVectors; ++v) sums[j][v] = multiply_add(weight, inputs[v], sums[j][v]);
    }
    CCT_UNROLL for (int t = 0; t < kBeside; ++t) {
      tail[t] = multiply_add(broadcast_quad(from[kVectors * kLanes + t]), load_quad(weights), tail[t]);
    }
  }

  // Locals: for all that the compiler knows, y could alias the span.
  const Vec low = broadcast(span.clip_min), high = broadcast(span.clip_max);
  const int64_t end_pixel = span.end_pixel, plane = span.plane;
  const float* z = span.z;
  float* y = span.y;
  int64_t image[kWidth];
  CCT_UNROLL for (int j = 0; j < kWidth; ++j) image[j] = tile.outputs[j] * plane;
  // Stores the vectors `sum(v, j)` at the pixels `first(v)`: whole ones where there is room, since the next
  // one overwrites what follows the kept lanes.
  const auto put = [&](auto sum, auto first, auto count) CCT_LAMBDA {
    if (first(kVectors - 1) + kLanes <= end_pixel && !z) {
      CCT_UNROLL for (int v = 0; v < kVectors; ++v) {
        float* to = y + first(v);
        CCT_UNROLL for (int j = 0; j < kWidth; ++j) store(to + image[j], clip(sum(v, j), low, high));
      }
    } else {
      CCT_UNROLL for (int v = 0; v < kVectors; ++v) {
        const bool whole = first(v) + kLanes <= end_pixel;
        const int64_t lanes = whole ? kLanes : count(v);
        CCT_UNROLL for (int j = 0; j < kWidth; ++j) {
          const int64_t at = image[j] + first(v);
          Vec result = sum(v, j);
          if (z) result = add(result, whole ? load(z + at) : load_first(z + at, lanes));
          result = clip(result, low, high);
          if (whole) {
            store(y + at, result);
          } else {
            store_first(y + at, result, lanes);
          }
        }
      }
    }
  };
  if (!span.gaps) {
    const int64_t pixel = begin * kLanes;
    put([&](int v, int j) CCT_LAMBDA { return sums[j][v]; },
        [&](int v) CCT_LAMBDA { return pixel + v * kLanes; },
        [&](int v) CCT_LAMBDA { return end_pixel - pixel - v * kLanes; });
    CCT_UNROLL for (int t = 0; t < kBeside; ++t) {
      if (t < span.tail) put_pixel(span, tile, pixel + kVectors * kLanes + t, tail[t]);
    }
  } else {
    const Lanes* gaps = span.gaps + begin;
    put([&](int v, int j) CCT_LAMBDA { return compress(sums[j][v], kept_lanes(gaps[v].keep)); },
        [&](int v) CCT_LAMBDA { return gaps[v].pixel; },
        [&](int v) CCT_LAMBDA { return int64_t{gaps[v].count}; });
  }
}

// The pixels after the last vector, where there are no registers for them beside a tile.
void compute_tail(const Span& span, const Tile& tile) {
  constexpr int kChains = 4;  // sums of one pixel: each waits for itself
  for (int64_t t = 0; t < span.tail; ++t) {
    Quad sums[kChains] = {load_quad(tile.bias)};
    CCT_UNROLL for (int c = 1; c < kChains; ++c) sums[c] = broadcast_quad(0);
    const float* x = span.x + span.first_lane + (span.end - span.begin) * kLanes + t;
    const float* weights = tile.weights;
    const int32_t *offset = span.offsets + tile.first, *end = offset + tile.count;
    for (; offset + kChains <= end; offset += kChains, weights += kChains * kTileWidth) {
      CCT_UNROLL for (int c = 0; c < kChains; ++c) {
        sums[c] = multiply_add(broadcast_quad(x[offset[c]]), load_quad(weights + c * kTileWidth), sums[c]);
      }
    }
    for (; offset < end; ++offset, weights += kTileWidth) {
      sums[0] = multiply_add(broadcast_quad(x[*offset]), load_quad(weights), sums[0]);
    }
    put_pixel(span, tile, span.end * kLanes + t, add(add(sums[0], sums[1]), add(sums[2], sums[3])));
  }
}

// One call of compute_tile, whose sizes are compile-time constants, for `count` vectors.
template <int kWidth, int kVectors, int kBeside = 0>
void compute_vectors(const Span& span, const Tile& tile, int64_t begin, int64_t count) {
  if (count == kVectors) {
    compute_tile<kWidth, kVectors, kBeside>(span, tile, begin);
  } else if constexpr (kVectors > 1) {
    compute_vectors<kWidth, kVectors - 1, kBeside>(span, tile, begin, count);
  }
}

template <int kWidth>
void compute_tiles(const Span& span, const Tile* tiles, const Tile* end) {
  constexpr int kMost = kWidest[kWidth];
  constexpr bool kBeside = kWidth == kTileWidth && kTailBeside;
  // For a narrow tile one more vector, with lanes that are dropped, is as good as a tail.
  const bool tail = kWidth == kTileWidth && span.tail;
  const int64_t vectors = span.end - span.begin + (span.tail && !tail);
  const int64_t all = vectors + (tail && kBeside);  // a tail takes the registers of a vector
  const int64_t parts = (all + kMost - 1) / kMost;  // of nearly equal size: the first ones are larger
  const int64_t size = all / parts, larger = all % parts;
  for (const Tile* tile = tiles; tile < end; ++tile) {
    int64_t begin = span.begin;
    for (int64_t part = 0; part < parts - (tail && kBeside); ++part) {
      const int64_t count = size + (part < larger);
      compute_vectors<kWidth, kMost>(span, *tile, begin, count);
      begin += count;
    }
    if (!tail) continue;
    if constexpr (!kBeside) {
      compute_tail(span, *tile);
    } else if (span.tail == 1) {
      compute_vectors<kWidth, kMost - 1, 1>(span, *tile, begin, span.end - begin);
    } else {
      compute_vectors<kWidth, kMost - 1, kTail>(span, *tile, begin, span.end - begin);
    }
  }
}

void compute(const Span& span, const Tile* tiles, int64_t count) {
  for (const Tile *tile = tiles, *end = tiles + count, *next; tile < end; tile = next) {
    for (next = tile + 1; next < end && next->width == tile->width;) ++next;
    switch (tile->width) {
      case 4:
        compute_tiles<4>(span, tile, next);
        break;
      case 2:
        compute_tiles<2>(span, tile, next);
        break;
      default:
        compute_tiles<1>(span, tile, next);
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
const Routine routine{kLanes, kWidest, kWhole, kTail, pack, compute, widen_all, narrow_all};

}  // namespace CCT_ISA
}  // namespace cct
