// Pixels in strips of columns, one output channel at a time: see routine.h.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/plan.h"

namespace cct {

class StripPlan : public Plan {
 public:
  StripPlan(const Convolution& conv, const Weights& weights, const Routine& routine, const int64_t x_dims[4]);

  void make_tables() override;
  void pack(const Image& image, int64_t band, float* slot) const override;
  void compute(const Image& image, int64_t band, const float* slot, int64_t begin,
               int64_t end) const override;

 private:
  // Some rows of a strip.
  struct Range {
    int64_t strip, first_row, rows;
  };
  Range range(int64_t band) const;

  const Weights& weights_;
  const Routine& routine_;
  const Planes planes_;
  int64_t line_;       // floats from row to row
  int64_t columns_;    // of a strip, but for the last
  int64_t band_rows_;  // likewise
  int64_t bands_of_strip_;
  int64_t plane_floats_, channel_floats_;

  // Tables.
  std::vector<StripPlane> tables_;  // strips x planes
  std::vector<int32_t> offsets_;    // of each run
};

}  // namespace cct
