#include "cpu/gradient_plan.h"

#include <algorithm>

#include "format/fault.h"

namespace cct {
namespace {

// Vectors whose products are summed up in registers before they go to memory: enough that this takes little
// of the time, few enough that what rounding adds up to stays small.
constexpr int64_t kVectorsTogether = 64, kMostVectors = 256;

}  // namespace

Routine GradientPlan::adapted(const Routine& routine) {
  Routine adapted = routine;
  adapted.strip_rows = adapted.tail = 0;
  return adapted;
}

GradientPlan::GradientPlan(const Convolution& conv, const Weights& weights, const Routine& routine,
                           const int64_t x_dims[4])
    : LanePlan(conv, weights, routine, x_dims) {
  spread_floats_ = has_gaps() ? product("dY in rows", outputs, band_, lanes_) : 0;
  const int64_t bytes = product("packed X and dY", slot_floats + spread_floats_ + 1, sizeof(float));
  const bool small = bands == 1 && vectors_ < kVectorsTogether;
  together_ =
      small ? std::clamp<int64_t>(std::min(kVectorsTogether / vectors_, cache_bytes() / bytes), 1, 64) : 1;
}

void GradientPlan::add(const GradientImages& images, float* memory, float* sums, int64_t begin,
                       int64_t end) const {
  float *slots = memory, *spread = memory + together_ * slot_floats;
  for (int64_t band = 0; band < bands; ++band) {
    for (int64_t n = 0; n < images.count; ++n) {
      pack({images.x + n * x_count(), nullptr, nullptr}, band, slots + n * slot_floats);
    }
    each_part(band, [&](const Part& part) { add_part(images, part, slots, spread, sums, begin, end); });
  }
}

void GradientPlan::add_part(const GradientImages& images, const Part& part, const float* slots, float* spread,
                            float* sums, int64_t begin, int64_t end) const {
  const int64_t all = part.end - part.begin;
  for (int64_t n = 0; n < images.count && has_gaps(); ++n) {
    for (int64_t o = 0; o < outputs; ++o) {
      const float* channel = images.dy + n * y_count() + o * pixels();
      float* to = spread + n * spread_floats_ + o * band_ * lanes_;
      routine_.spread(channel, channel + pixels(), gaps_.data() + part.begin, all, to);
    }
  }
  for (int64_t first = 0; first < all; first += kMostVectors) {
    const int64_t lane = first * lanes_, from = (part.begin + first) * lanes_;
    const int64_t lanes = std::min(std::min(kMostVectors, all - first) * lanes_, all_lanes_ - from);
    const GradientSpan span{(part.in_x ? images.x : slots) + part.lane + lane,
                            has_gaps() ? spread + lane : images.dy + from,
                            part.in_x ? x_count() : slot_floats,
                            has_gaps() ? spread_floats_ : y_count(),
                            images.count,
                            has_gaps() ? band_ * lanes_ : pixels(),
                            lanes / lanes_,
                            lanes % lanes_,
                            part.offsets,
                            weights_.values().data(),
                            sums};
    routine_.gradient(span, weights_.tiles().data() + begin, end - begin);
  }
}

}  // namespace cct
