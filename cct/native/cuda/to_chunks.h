// X rearranged for gather: 8 input channels of a pixel side by side.
#pragma once

#include "device.h"
#include "launch.h"

namespace cct::cuda {

// A pixel of a chunk a thread: a warp reads 32 pixels of each channel and writes 512 bytes.
CCT_DEVICE void to_chunks(const ChunksArguments& arguments) {
  const int64_t pixel = static_cast<int64_t>(block_x()) * kThreads + thread_index();
  const int chunk = block_y();
  const int64_t image = pixel / arguments.plane, at = pixel % arguments.plane;
  if (image >= arguments.images) return;
  uint32_t halves[kChunk];
  CCT_UNROLL for (int i = 0; i < kChunk; ++i) {
    const int32_t channel = load_global(arguments.inputs + chunk * kChunk + i);
    const int64_t from = (image * arguments.channels + channel) * arguments.plane + at;
    halves[i] = channel < 0 ? 0 : load_global(arguments.x + from);
  }
  uint16_t* to = arguments.chunks + ((image * arguments.chunk_count + chunk) * arguments.plane + at) * kChunk;
  store_global(reinterpret_cast<uint4*>(to), uint4{halves[0] | halves[1] << 16, halves[2] | halves[3] << 16,
                                                   halves[4] | halves[5] << 16, halves[6] | halves[7] << 16});
}

}  // namespace cct::cuda
