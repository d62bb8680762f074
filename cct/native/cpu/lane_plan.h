// Pixels as one flat sequence of lanes, cut into vectors without regard to rows: see routine.h.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "cpu/plan.h"

namespace cct {

class LanePlan : public Plan {
 public:
  LanePlan(const Convolution& conv, const Weights& weights, const Routine& routine, const int64_t x_dims[4]);

  void make_tables() override;
  void pack(const Image& image, int64_t band, float* slot) const override;
  void compute(const Image& image, int64_t band, const float* slot, int64_t begin,
               int64_t end) const override;

 protected:
  // Vectors of a band that read the same memory.
  struct Part {
    int64_t begin, end;
    bool in_x;               // or else in packed rows
    int64_t lane;            // where the first of them reads with offset 0, in the image or in the slot
    const int32_t* offsets;  // of each tap
  };

  template <class Do>
  void each_part(int64_t band, Do act) const {
    const Range r = range(band);
    if (r.begin < r.packed) act(Part{r.begin, r.packed, true, r.begin * lanes_, direct_offsets_.data()});
    if (r.packed == r.end) return;
    const int64_t lane = lead(r.packed) + r.packed * lanes_ - first_row(r.packed) * layout_.pitch;
    act(Part{r.packed, r.end, false, lane, offsets_.data()});
  }

  const Weights& weights_;
  const Routine& routine_;
  int64_t lanes_;            // of a vector
  int64_t vectors_;          // of an output channel
  int64_t band_;             // vectors of a band
  int64_t all_lanes_;        // of an output channel
  std::vector<Lanes> gaps_;  // empty if all lanes are pixels
  bool has_gaps() const { return layout_.pitch > out[1]; }

 private:
  // The vectors of a band.
  struct Range {
    int64_t begin, packed, end;  // those before `packed` read X itself, the others packed rows
  };
  Range range(int64_t band) const;
  void compute_part(const Image& image, const Part& part, const float* slot, int64_t first_tile,
                    int64_t end_tile) const;

  // The first row of a plane that the vectors from `begin` on read, and how many rows those up to `end` read,
  // and the tail with the last of them.
  int64_t first_row(int64_t begin) const { return begin * lanes_ / layout_.pitch; }
  int64_t rows(int64_t begin, int64_t end) const {
    const int64_t end_lane = end * lanes_ + (end == vectors_ ? tail_ : 0);
    return begin == end ? 0 : (end_lane - 1) / layout_.pitch - first_row(begin) + 1 + planes_.last_row;
  }

  // Floats before a plane's first row in a slot, so that the first row of X in it begins a cache line.
  int64_t lead(int64_t begin) const {
    const int64_t above = std::max<int64_t>(layout_.pad_top - first_row(begin), 0);
    return layout_.run || layout_.whole ? -(above * layout_.pitch) & 15 : 0;
  }

  bool direct_;  // X itself has the layout of packed rows
  Planes planes_;
  Layout layout_{};
  int64_t tail_;          // pixels after the vectors
  int64_t first_packed_;  // vectors before it read X itself

  // Tables.
  std::vector<uint32_t> inside_;                   // what planes point into
  std::vector<Plane> tables_;                      // of each plane
  std::vector<int32_t> offsets_, direct_offsets_;  // of each tap, in packed rows and in X
};

}  // namespace cct
