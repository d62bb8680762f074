// What one input size means for the routines: where pixels and taps lie, and how the work is cut.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "routine.h"
#include "weights.h"

namespace cct {

// Where a shift reads: which plane, and where in it, seen from the output pixel.
struct Place {
  int64_t plane, row, column;
};

// Every stride-th row and column of the padded input, from (row, column) on.
struct PlaneStart {
  int64_t row, column;
  int64_t last_column;  // the largest column of its places
};

// Of one image.
struct Geometry {
  Geometry(const Convolution& conv, const Weights& weights, const Routine& routine, const int64_t x_dims[4]);

  int64_t channels, outputs;
  int64_t in[2], out[2];  // height, width
  Layout layout;
  std::vector<Place> places;       // of each shift
  std::vector<PlaneStart> starts;  // of each plane

  int64_t lanes;         // of a vector
  int64_t widest;        // most vectors that are computed together
  int64_t vectors;       // of an output channel
  int64_t tail;          // pixels after them
  bool gaps;             // whether there are lanes that are no pixels
  int64_t first_packed;  // vectors before it read X itself, the others packed rows
  int64_t last_row;      // the largest distance of a tap downwards, in a plane

  // A worker packs a band of vectors into a slot of its own and computes from there.
  int64_t bands, band;
  int64_t slot_floats;

  int64_t pixels() const { return out[0] * out[1]; }
  int64_t x_count() const { return channels * in[0] * in[1]; }
  int64_t y_count() const { return outputs * pixels(); }

  // Where a vector reads in the packed rows of a band that begins with vector `band_begin`.
  int64_t packed_lane(int64_t vector, int64_t band_begin) const {
    return lead(band_begin) + vector * lanes - first_row(band_begin) * layout.pitch;
  }

  // Floats before a plane's first row in a band, so that the first row of X in it begins a cache line.
  int64_t lead(int64_t band_begin) const {
    const int64_t above = std::max<int64_t>(layout.pad_top - first_row(band_begin), 0);
    return layout.run || layout.whole ? -(above * layout.pitch) & 15 : 0;
  }

  // The first row of a plane that the vectors from `begin` on read, and how many rows those up to `end` read,
  // and the tail with the last of them.
  int64_t first_row(int64_t begin) const { return begin * lanes / layout.pitch; }
  int64_t rows(int64_t begin, int64_t end) const {
    const int64_t end_lane = end * lanes + (end == vectors ? tail : 0);
    return begin == end ? 0 : (end_lane - 1) / layout.pitch - first_row(begin) + 1 + last_row;
  }

 private:
  void find_planes(const Convolution& conv, const Weights& weights, bool whole);
  void cut_bands(int64_t planes, bool direct);
};

// What the routines read for one size of images, made once for it.
struct Tables {
  Tables(const Convolution& conv, const Weights& weights, const Geometry& geometry);
  Tables(const Tables&) = delete;  // planes point into inside
  Tables& operator=(const Tables&) = delete;

  std::vector<uint32_t> inside;
  std::vector<Plane> planes;
  std::vector<int32_t> offsets,
      direct_offsets;       // of each tap in packed rows, and in X where it is read itself
  std::vector<Lanes> gaps;  // empty if there are none
};

// What a number of such images adds: how their work is shared out, and where things are in the scratch.
struct Job {
  static constexpr int64_t kMostWorkers = 64;
  static constexpr int64_t kAlignment = 64;  // of the scratch, in bytes: a cache line

  Job(const Convolution& conv, const Weights& weights, const Geometry& geometry, int64_t images);

  int64_t images;
  // A unit of work is one band of one image for a chunk of the output channels. Chunks of one band follow
  // each other, so that a worker mostly finds it packed.
  int64_t chunks, units;
  int64_t slots;             // one for each worker
  int64_t x_at, z_at, y_at;  // in bytes: float16 X, Z and Y as floats, for the routines
  int64_t scratch_bytes;
};

}  // namespace cct
