#include "ort/kernel.h"

#include <vector>

#include "format/fault.h"

namespace cct {

Kernel::Kernel(const OrtApi* api, const OrtKernelInfo* info, const Form& form)
    : api_(api), residual_(form.residual) {
  check_status(api, ort::KernelInfoGetAllocator(api, info, ORT_MEM_DEFAULT, &allocator_), "allocator");
}

Kernel::~Kernel() { ort::ReleaseAllocator(api_, allocator_); }

OrtStatus* Kernel::compute(OrtKernelContext* context) const {
  const OrtValue* x = input(context, kX);
  const std::vector<int64_t> x_dims = dims_of(api_, x, "X");
  if (x_dims.size() != 4) fail("PatternConv: X has rank ", x_dims.size(), ", not 4");
  std::vector<int64_t> y_dims(4);
  size_t bytes = 0;
  prepare(context, x_dims.data(), y_dims.data(), &bytes);
  const OrtValue* z = residual_ ? input(context, kZ) : nullptr;
  if (z && dims_of(api_, z, "Z") != y_dims) fail("PatternConv: Z has another shape than Y");
  OrtValue* y = nullptr;
  check_status(api_, ort::KernelContext_GetOutput(api_, context, 0, y_dims.data(), y_dims.size(), &y), "Y");
  const Images images{x_dims.data(), data_of(api_, x, "X"), z ? data_of(api_, z, "Z") : nullptr,
                      data_of(api_, y, "Y")};
  return run(context, images, bytes);
}

const OrtValue* Kernel::input(OrtKernelContext* context, Input index) const {
  const OrtValue* value = nullptr;
  check_status(api_, ort::KernelContext_GetInput(api_, context, index, &value), kInputNames[index]);
  return value;
}

}  // namespace cct
