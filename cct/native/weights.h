// The weights of a packed convolution as the routines read them: rearranged once, when a session is created.
#pragma once

#include <cstdint>
#include <vector>

#include "packed.h"
#include "routine.h"

namespace cct {

// A position of the kernel that some pattern keeps: rows and columns of the padded input from the first that
// the kernel reads for an output pixel.
struct Shift {
  int64_t row, column;
};

// A kept position of one input channel.
struct Tap {
  int32_t channel;  // of X
  int32_t shift;
};

class Weights {
 public:
  explicit Weights(const Packed& packed);
  Weights(const Weights&) = delete;  // tiles point into values
  Weights& operator=(const Weights&) = delete;

  const std::vector<Tile>& tiles() const { return tiles_; }
  const std::vector<Tap>& taps() const { return taps_; }
  const std::vector<Shift>& shifts() const { return shifts_; }

 private:
  std::vector<Tap> taps_;
  std::vector<float> values_;
  std::vector<Tile> tiles_;
  std::vector<Shift> shifts_;

  void add_tiles(const Packed& packed, const std::vector<int32_t>& shift_of);
};

}  // namespace cct
