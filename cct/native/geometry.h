// What one input size means for the routines: where pixels and taps lie, and how the work is cut.
#pragma once

#include <cstddef>
#include <cstdint>

#include "routine.h"
#include "weights.h"

namespace cct {

// Vectors cut into spans of nearly equal size, each a few times what a routine keeps in registers.
struct Spans {
  int64_t vectors = 0, pieces = 0, count = 0;
  int64_t begin(int64_t span) const { return vectors * (pieces * span / count) / pieces; }
};

struct Geometry {
  static constexpr int64_t kMostWorkers = 64;
  static constexpr int64_t kAlignment = 64;  // of the scratch, in bytes: a cache line

  Geometry(const Convolution& conv, const Weights& weights, const Routine& routine, const int64_t x_dims[4]);

  // Writes the tables that the routines read into the scratch.
  void describe(const Convolution& conv, const Weights& weights, char* scratch) const;

  int64_t images, channels, outputs;
  int64_t in[2], out[2];  // height, width
  Layout layout;

  int64_t lanes;         // of a vector
  int64_t widest;        // most vectors that are computed together
  int64_t vectors;       // of an output channel
  int64_t first_packed;  // vectors before it read X itself, the others packed rows
  int64_t last_row;      // the largest distance of a tap downwards, in a plane

  // An image is packed in bands of vectors and computed in spans of vectors. Banded: a worker packs a band
  // into its own slot and computes all of its output. Otherwise all workers pack all images, each into its
  // slot, and then compute them, in units of a span and a chunk of the output channels.
  bool banded;
  int64_t bands, band;
  int64_t spans;  // of an unbanded image
  int64_t chunks;
  int64_t slots, slot_floats;

  int64_t planes_at, offsets_at, lanes_at, slots_at;  // in the scratch, in bytes
  int64_t x_at, z_at, y_at;  // likewise: float16 X, Z and Y as floats, which is what the routines work on
  int64_t scratch_bytes;

  int64_t x_count() const { return images * channels * in[0] * in[1]; }
  int64_t y_count() const { return images * outputs * out[0] * out[1]; }

  Spans cut(int64_t some_vectors) const;

  // Where a vector reads in the packed rows of a band that begins with vector `band_begin`.
  int64_t packed_lane(int64_t vector, int64_t band_begin) const {
    return vector * lanes - first_row(band_begin) * layout.pitch;
  }

  // The first row of a plane that the vectors from `begin` on read, and how many rows those up to `end` read.
  int64_t first_row(int64_t begin) const { return begin * lanes / layout.pitch; }
  int64_t rows(int64_t begin, int64_t end) const {
    return begin == end ? 0 : (end * lanes - 1) / layout.pitch - first_row(begin) + 1 + last_row;
  }
};

}  // namespace cct
