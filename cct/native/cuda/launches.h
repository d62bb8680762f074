// One run of a convolution: the launches of its plan.
#pragma once

#include "../packed.h"
#include "cuda_plan.h"
#include "driver.h"
#include "gpu_weights.h"

namespace cct::cuda {

struct Images {
  const void *x, *z;  // z: NULL without a residual
  void *y, *workspace;
};

// Enqueues them, or a Fault.
void launch_all(const Context& context, const Convolution& conv, const GpuWeights& weights,
                const CudaPlan& plan, const Images& images, Stream stream);

}  // namespace cct::cuda
