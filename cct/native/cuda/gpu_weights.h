// The weights of a convolution in a GPU's memory: uploaded once, when a session is created.
#pragma once

#include "../packed.h"
#include "cuda_conv.h"
#include "cuda_plan.h"
#include "driver.h"
#include "launch.h"
#include "tables.h"

namespace cct::cuda {

class GpuWeights {
 public:
  GpuWeights(const Packed& packed, const Context& context, const cct_cuda_memory& memory);

  // For tensor cores, if in_slabs.
  struct OfSlabs {
    SlabShape shape;
    Slabs slabs;
    const float* bias;
    const int32_t *outputs, *inputs;
  };

  // For plain, if not.
  struct OfQuads {
    const PlainTap* taps;
    const int32_t *first, *outputs;
    const float* bias;
    int64_t count;
  };

  bool in_slabs() const { return in_slabs_; }
  const OfSlabs& slabs() const { return slabs_; }
  const OfQuads& quads() const { return quads_; }

 private:
  void add_slabs(const Packed& packed, const Positions& positions, const SlabSteps& steps);
  void add_quads(const Packed& packed);

  Tables tables_;
  bool in_slabs_ = false;
  OfSlabs slabs_{};
  OfQuads quads_{};
};

}  // namespace cct::cuda
