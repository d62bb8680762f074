// What ONNX Runtime calls the kernel of a node: one node of one session, on one provider. Runs may overlap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "ort/node.h"
#include "ort/ort_calls.h"

namespace cct {

class Kernel {
 public:
  virtual ~Kernel();
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  const OrtApi* api() const { return api_; }

  OrtStatus* compute(OrtKernelContext* context) const;

 protected:
  static constexpr size_t kErrorSize = 512;  // of what the C API answers

  struct Images {
    const int64_t* x_dims;
    const void *x, *z;  // z: NULL without a residual
    void* y;
  };

  Kernel(const OrtApi* api, const OrtKernelInfo* info, const Form& form);

  // The shape of Y, and the bytes that a run needs beside the images.
  virtual void prepare(const OrtKernelContext* context, const int64_t x_dims[4], int64_t y_dims[4],
                       size_t* bytes) const = 0;
  virtual OrtStatus* run(OrtKernelContext* context, const Images& images, size_t bytes) const = 0;

  const OrtApi* const api_;
  OrtAllocator* allocator_ = nullptr;  // of the provider's memory

 private:
  const OrtValue* input(OrtKernelContext* context, Input index) const;

  const bool residual_;
};

using MakeKernel = std::unique_ptr<Kernel>(const OrtApi* api, const OrtKernelInfo* info, const Form& form,
                                           const Types& types);
MakeKernel make_cpu_kernel;
MakeKernel make_cuda_kernel;

}  // namespace cct
