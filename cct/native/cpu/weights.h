// The weights of a packed convolution as the routines read them: rearranged once, when a session is created,
// and again where training has changed them.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/routine.h"
#include "format/packed.h"

namespace cct {

// A position of the kernel that some pattern keeps: rows and columns of the padded input from the first that
// the kernel reads for an output pixel.
struct Shift {
  int64_t row, column;
};

// A kept position of one input channel; of a run, its first.
struct Tap {
  int32_t channel;  // of X
  int32_t shift;
};

// One row of W: the weights that a block of output channels has at a tap.
struct Row {
  Tap tap;
  int64_t first;  // of its weights
};

class Weights {
 public:
  // `replaceable` weights take memory for where each of them stands in W.
  Weights(const Packed& packed, const Routine& routine, bool replaceable = false);
  Weights(const Weights&) = delete;  // tiles point into values and counts
  Weights& operator=(const Weights&) = delete;

  const std::vector<Shift>& shifts() const { return shifts_; }
  bool in_strips() const { return !strips_.empty(); }
  const std::vector<Tile>& tiles() const { return tiles_; }         // empty if in strips
  const std::vector<StripTile>& strips() const { return strips_; }  // else empty; pass by pass
  int64_t passes() const { return passes_; }                        // over the channels, in strips
  const std::vector<Tap>& taps() const { return taps_; }            // of all tiles, or the runs of all strips
  const std::vector<float>& values() const { return values_; }      // of all tiles or strips
  const std::vector<int64_t>& sources() const { return sources_; }  // in W, of each value, if replaceable
  int64_t stored() const { return stored_; }                        // numbers in W, padding included

  // Takes other numbers of the same types and sizes. What W has on padding is not read.
  void replace(const void* W, const void* B);

 private:
  const bool half_weights_, half_bias_;
  const int64_t stored_;
  std::vector<Shift> shifts_;
  std::vector<Tap> taps_;
  std::vector<float> values_;
  std::vector<int64_t> sources_;
  std::vector<int32_t> counts_;
  std::vector<Tile> tiles_;
  std::vector<StripTile> strips_;
  int64_t passes_ = 1;

  // The rows of kernels begin..end of one block of output channels, as X lies in memory.
  static std::vector<Row> rows_of(const Packed& packed, const std::vector<int32_t>& shift_of, int64_t begin,
                                  int64_t end);
  void add_tiles(const Packed& packed, const std::vector<int32_t>& shift_of);
  void add_strips(const Packed& packed, const std::vector<int32_t>& shift_of);
  void fill(const Numbers& weights, const Numbers& bias);
};

}  // namespace cct
