// Type and shape of Y, for ONNX Runtime's shape inference.
#pragma once

#include "ort/ort_abi.h"

namespace cct {

// Sets type and N as in X, O from the attributes, height and width as far as those of X are known; or a
// Fault.
void infer_shape(const OrtApi* api, OrtShapeInferContext* context);

}  // namespace cct
