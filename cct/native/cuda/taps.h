// Which pixel of X a position of the window reads, in the numbers that the kernels have.
#pragma once

#include <cstdint>

#include "cuda/launch.h"
#include "format/fault.h"
#include "format/packed.h"

namespace cct::cuda {

inline Tap tap_of(const Window& window, int64_t position) {
  const int64_t row = position / window.kernel[1] * window.dilation[0] - window.pad_begin[0];
  const int64_t column = position % window.kernel[1] * window.dilation[1] - window.pad_begin[1];
  if (row > INT32_MAX / 2 || column > INT32_MAX / 2) {
    fail("a position ", row, " rows and ", column, " columns away is too far for the GPU");
  }
  return {static_cast<int32_t>(row), static_cast<int32_t>(column)};
}

}  // namespace cct::cuda
