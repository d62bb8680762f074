// One run of a convolution: the launches of its plan.
#pragma once

#include "cuda/cuda_plan.h"
#include "cuda/driver.h"
#include "cuda/gpu_weights.h"
#include "format/packed.h"

namespace cct::cuda {

struct Images {
  const void *x, *z;  // z: NULL without a residual
  void *y, *workspace;
};

// Enqueues them, or a Fault.
void launch_all(const Context& context, const Convolution& conv, const GpuWeights& weights,
                const CudaPlan& plan, const Images& images, Stream stream);

}  // namespace cct::cuda
