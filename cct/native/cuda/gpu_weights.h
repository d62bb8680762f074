// The weights of a convolution in a GPU's memory: uploaded once, when a session is created.
#pragma once

#include <optional>

#include "cuda/cuda_conv.h"
#include "cuda/cuda_plan.h"
#include "cuda/driver.h"
#include "cuda/launch.h"
#include "cuda/tables.h"
#include "format/packed.h"

namespace cct::cuda {

class GpuWeights {
 public:
  GpuWeights(const Packed& packed, const Context& context, const cct_cuda_memory& memory);

  // For tensor cores.
  struct OfSlabs {
    SlabShape shape;
    Slabs slabs;
    const float* bias;
    const int32_t *outputs, *inputs;
  };

  // For plain.
  struct OfQuads {
    const PlainTap* taps;
    const int32_t *first, *outputs;
    const float* bias;
    int64_t count;
  };

  // At least one of them is there, and both where a run may ask for float32 without tensor cores; else NULL.
  const OfSlabs* slabs() const { return slabs_ ? &*slabs_ : nullptr; }
  const OfQuads* quads() const { return quads_ ? &*quads_ : nullptr; }

 private:
  void add_slabs(const Packed& packed, const Positions& positions, const SlabSteps& steps);
  void add_quads(const Packed& packed);

  Tables tables_;
  std::optional<OfSlabs> slabs_;
  std::optional<OfQuads> quads_;
};

}  // namespace cct::cuda
