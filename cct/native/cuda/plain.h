// Pattern convolution without tensor cores: exact products in float32, of any shape and type, on any GPU.
#pragma once

#include "cuda/ending.h"

namespace cct::cuda {

// A pixel of a quad of output channels a thread: each number of X serves four sums.
template <class T>
CCT_DEVICE void plain(const PlainArguments& arguments) {
  const int64_t out_plane = static_cast<int64_t>(arguments.out_height) * arguments.out_width;
  const int64_t plane = static_cast<int64_t>(arguments.height) * arguments.width;
  const int64_t pixel = static_cast<int64_t>(block_x()) * kThreads + thread_index();
  const int64_t image = pixel / out_plane, at = pixel % out_plane;
  const int quad = block_y();
  if (image >= arguments.images) return;
  const int row = static_cast<int>(at / arguments.out_width) * arguments.stride[0];
  const int column = static_cast<int>(at % arguments.out_width) * arguments.stride[1];

  float sums[kQuad] = {};
  const T* x = static_cast<const T*>(arguments.x) + image * arguments.channels * plane;
  const int end = load_global(arguments.first + quad + 1);
  for (int t = load_global(arguments.first + quad); t < end; ++t) {
    const int4 tap = load_global(reinterpret_cast<const int4*>(arguments.taps + t));  // channel, row, column
    const float4 weights = load_global(reinterpret_cast<const float4*>(arguments.taps[t].weights));
    const int y = row + tap.y, z = column + tap.z;
    if (y < 0 || y >= arguments.height || z < 0 || z >= arguments.width) continue;
    const float value =
        as_float(load_global(x + tap.x * plane + static_cast<int64_t>(y) * arguments.width + z));
    sums[0] += value * weights.x;
    sums[1] += value * weights.y;
    sums[2] += value * weights.z;
    sums[3] += value * weights.w;
  }

  const T* residual = static_cast<const T*>(arguments.residual);
  CCT_UNROLL for (int j = 0; j < kQuad; ++j) {
    const int32_t output = load_global(arguments.outputs + quad * kQuad + j);
    if (output < 0) continue;
    const int64_t to = (image * arguments.out_channels + output) * out_plane + at;
    float sum = sums[j] + load_global(arguments.bias + quad * kQuad + j);
    if (residual) sum += as_float(load_global(residual + to));
    store_as(static_cast<T*>(arguments.y) + to, activate(sum, arguments.clip_min, arguments.clip_max));
  }
}

}  // namespace cct::cuda
