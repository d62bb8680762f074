// The weights of a packed convolution as the routines read them: rearranged once, when a session is created.
#pragma once

#include <cstdint>
#include <vector>

#include "packed.h"
#include "routine.h"

namespace cct {

// A position of the kernel that some pattern keeps: which plane of the padded input it reads, and where.
struct Shift {
  int32_t plane;
  int64_t row, column;  // in the plane, seen from the output pixel
};

// Every stride-th row and column of the padded input, from (row, column) on.
struct PlaneStart {
  int64_t row, column;
  int64_t last_column;  // the largest column of its shifts
};

class Weights {
 public:
  explicit Weights(const Packed& packed);
  Weights(const Weights&) = delete;  // tiles point into taps and values
  Weights& operator=(const Weights&) = delete;

  const std::vector<Tile>& tiles() const { return tiles_; }
  const std::vector<Shift>& shifts() const { return shifts_; }
  const std::vector<PlaneStart>& planes() const { return planes_; }
  int64_t last_row() const { return last_row_; }  // the largest of any shift
  int64_t last_column() const { return last_column_; }

 private:
  std::vector<Tap> taps_;
  std::vector<float> values_;
  std::vector<Tile> tiles_;
  std::vector<Shift> shifts_;
  std::vector<PlaneStart> planes_;
  int64_t last_row_ = 0, last_column_ = 0;

  void add_shifts(const Window& window, const std::vector<int64_t>& positions);
  void add_tiles(const Packed& packed, const std::vector<int32_t>& shift_of);
};

}  // namespace cct
