// How the gradient of the weights is done for one size of images: packed as the convolution by lanes packs X,
// and dY as the lanes lie.
#pragma once

#include <cstdint>

#include "cpu/lane_plan.h"

namespace cct {

// Some images, one after the other in memory.
struct GradientImages {
  const float *x, *dy;
  int64_t count;
};

class GradientPlan : public LanePlan {
 public:
  GradientPlan(const Convolution& conv, const Weights& weights, const Routine& routine,
               const int64_t x_dims[4]);

  // The row without what the gradient has no use for: strips, and pixels one by one.
  static Routine adapted(const Routine& routine);

  int64_t together() const { return together_; }  // images that a worker packs before it computes
  int64_t worker_floats() const { return together_ * (slot_floats + spread_floats_); }

  // Adds to the sums of tiles begin..end what these images (at most `together`) give. A worker has
  // `memory` of `worker_floats` for itself.
  void add(const GradientImages& images, float* memory, float* sums, int64_t begin, int64_t end) const;

 private:
  void add_part(const GradientImages& images, const Part& part, const float* slots, float* spread,
                float* sums, int64_t begin, int64_t end) const;

  int64_t spread_floats_;  // dY of a band, if rows have lanes that are no pixels
  int64_t together_;
};

}  // namespace cct
