// The C API: checks what comes in, and has the kernels of a plan launched.
#include "cuda/cuda_conv.h"

#include <algorithm>
#include <string>

#include "cuda/cuda_plan.h"
#include "cuda/driver.h"
#include "cuda/fatbin.h"
#include "cuda/gpu_weights.h"
#include "cuda/launches.h"
#include "format/boundary.h"
#include "format/fault.h"
#include "format/packed.h"

using namespace cct;
using namespace cct::cuda;

// Immutable once it is made, so that runs may overlap.
struct cct_cuda_conv {
  cct_cuda_conv(const Packed& packed, const Context& context, const cct_cuda_memory& memory)
      : convolution(packed), context(context), weights(packed, context, memory) {}

  CudaPlan plan(bool tf32, const int64_t x_dims[4]) const {
    const bool tensor_cores = weights.slabs() && (tf32 || convolution.half);
    if (!tensor_cores) return CudaPlan(convolution, x_dims);
    return CudaPlan(convolution, weights.slabs()->shape, context.device(), x_dims);
  }

  const Convolution convolution;
  const Context& context;
  const GpuWeights weights;
};

namespace {

void check_aligned(const char* name, const void* pointer) {
  if (reinterpret_cast<uintptr_t>(pointer) % 16) fail(name, " at ", pointer, " is not aligned to 16 bytes");
}

}  // namespace

const char* cct_cuda_build() {
  static const std::string text = [] {
    try {
      const Fatbin& ours = fatbin();
      return "nvcc " + std::to_string(ours.nvcc_major) + "." + std::to_string(ours.nvcc_minor) +
             ", compute capability " + ours.architectures;
    } catch (const Fault&) {
      return std::string();
    }
  }();
  return text.empty() ? nullptr : text.c_str();
}

cct_cuda_conv* cct_cuda_conv_create(const cct_packed* packed, int device, const cct_cuda_memory* memory,
                                    char* error, size_t error_size) {
  cct_cuda_conv* conv = nullptr;
  succeeds(error, error_size, [&] {
    const Packed checked = check(*packed);
    conv = new cct_cuda_conv(checked, Context::of(device), *memory);
  });
  return conv;
}

void cct_cuda_conv_destroy(cct_cuda_conv* conv) { delete conv; }

int cct_cuda_conv_prepare(const cct_cuda_conv* conv, int tf32, const int64_t x_dims[4], int64_t y_dims[4],
                          size_t* workspace_bytes, char* error, size_t error_size) {
  return !succeeds(error, error_size, [&] {
    const CudaPlan plan = conv->plan(tf32, x_dims);
    const int64_t dims[4] = {plan.images, conv->convolution.out_channels, plan.size.out[0], plan.size.out[1]};
    std::copy(dims, dims + 4, y_dims);
    *workspace_bytes = plan.workspace_bytes;
  });
}

int cct_cuda_conv_run(const cct_cuda_conv* conv, int tf32, const int64_t x_dims[4], const void* x,
                      const void* z, void* y, void* workspace, void* stream, char* error, size_t error_size) {
  return !succeeds(error, error_size, [&] {
    const CudaPlan plan = conv->plan(tf32, x_dims);
    check_aligned("X", x);
    check_aligned("Z", z);
    check_aligned("Y", y);
    check_aligned("the workspace", workspace);
    launch_all(conv->context, conv->convolution, conv->weights, plan, {x, z, y, workspace}, stream);
  });
}
