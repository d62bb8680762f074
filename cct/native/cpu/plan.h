// How a convolution of one size of images is done: where things lie in packed memory, and how an image is cut
// into bands. Which plan it is depends on the weights and the size: tiles of one output channel go by strips
// (strip_plan.h) where the ISA row has a routine for them, all others by lanes (lane_plan.h), images of long
// rows in strips of these (wide_plan.h).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "cpu/routine.h"
#include "cpu/weights.h"

namespace cct {

// Cores of this machine. How many threads a run has nobody tells.
int64_t core_count();

// One image of a run.
struct Image {
  const float *x, *z;  // z: NULL without a residual
  float* y;
};

// A slot of more caches than that is large: rows are cut, and fewer workers have one each.
constexpr int64_t kSlotCaches = 2;

class Plan {
 public:
  // Knows all sizes; a Fault where they do not fit the convolution.
  static std::unique_ptr<Plan> make(const Convolution& conv, const Weights& weights, const Routine& routine,
                                    const int64_t x_dims[4]);
  virtual ~Plan() = default;

  // Makes what the routines read, which takes memory and time.
  virtual void make_tables() = 0;

  // A worker packs what a band reads into a slot of its own, of `slot_floats`, and computes the output of
  // tiles begin..end from there.
  virtual void pack(const Image& image, int64_t band, float* slot) const = 0;
  virtual void compute(const Image& image, int64_t band, const float* slot, int64_t begin,
                       int64_t end) const = 0;

  int64_t channels, outputs;
  int64_t in[2], out[2];  // height, width
  int64_t tiles;          // output channels that are computed together, all of them
  int64_t bands, slot_floats;

  int64_t pixels() const { return out[0] * out[1]; }
  int64_t x_count() const { return channels * in[0] * in[1]; }
  int64_t y_count() const { return outputs * pixels(); }

  // What a worker walks through again and again may take: most of the second-level cache.
  static int64_t cache_bytes();

 protected:
  Plan(const Convolution& conv, const int64_t x_dims[4]);

  // Whether X itself has the layout of packed rows, and offsets can reach all of it.
  bool is_direct() const;

  // Rows of a band whose packed rows take so many bytes: what a worker walks through again and again should
  // stay in its second-level cache, beside weights and output. `last_row`: rows that neighbours both pack.
  static int64_t band_rows(int64_t row_bytes, int64_t last_row);

  // Bands into which an image should be cut at least, so that each core finds a band that it mostly wrote
  // itself in the convolution before. Fewer if neighbours would pack more than an eighth of their rows twice.
  int64_t bands_for_cores(int64_t last_row) const;

  // Floats rounded up to an odd number of cache lines: a power of two between channels would put them all
  // into the same few sets of a cache.
  static int64_t odd_lines(int64_t floats);

  // A Fault if offsets can't reach all of a slot.
  void check_reach() const;

  // The offset of each tap or run, given that of its channel and place.
  static std::vector<int32_t> offsets_of(const std::vector<Tap>& taps, const std::vector<int64_t>& of_place,
                                         int64_t channel_floats);

  const Convolution& conv;
};

// Where a shift reads: which plane of the padded input, and where in it, seen from the output pixel.
struct Place {
  int64_t plane, row, column;
};

// Every stride-th row and column of the padded input, from (row, column) on.
struct PlaneStart {
  int64_t row, column;
  int64_t last_column;  // the largest column of its places
};

// The planes that shifts read.
struct Planes {
  // `column_step` is the stride, or larger for a plane of its own for each column of the kernel.
  Planes(const std::vector<Shift>& shifts, const Window& window, int64_t column_step);

  std::vector<Place> places;  // of each shift
  std::vector<PlaneStart> starts;
  int64_t last_row = 0, last_column = 0;  // the largest of any place
};

}  // namespace cct
