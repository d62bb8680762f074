// Pixels by lanes, in strips of columns: for images whose rows are so long that those which a pixel reads are
// more than a cache holds, such as signals, which have one row.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/plan.h"

namespace cct {

// A row of a strip is a sequence of lanes of its own, all but those after the last pixel kept: see routine.h.
class WidePlan : public Plan {
 public:
  WidePlan(const Convolution& conv, const Weights& weights, const Routine& routine, const int64_t x_dims[4]);

  void make_tables() override;
  void pack(const Image& image, int64_t band, float* slot) const override;
  void compute(const Image& image, int64_t band, const float* slot, int64_t begin,
               int64_t end) const override;

 private:
  // The pixels of a band: some rows of a strip.
  struct Range {
    int64_t strip, column, columns, first_row, rows;
    int64_t vectors;  // of a row
  };
  Range range(int64_t band) const;

  // Whether all that a band reads lies in X as in packed rows.
  bool reads_x(const Range& range) const;

  const Weights& weights_;
  const Routine& routine_;
  const bool direct_;
  const Planes planes_;
  Layout layout_{};
  int64_t columns_;    // of a strip, but for the last: whole vectors
  int64_t band_rows_;  // likewise
  int64_t bands_of_strip_;

  // Tables.
  std::vector<Plane> tables_;                      // strips x planes
  std::vector<int32_t> offsets_, direct_offsets_;  // of each tap, in packed rows and in X
};

}  // namespace cct
