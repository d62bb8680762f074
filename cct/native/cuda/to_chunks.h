// X rearranged for gather: the channels of a chunk side by side, as tensor cores read them.
#pragma once

#include "cuda/device.h"
#include "cuda/launch.h"

namespace cct::cuda {

// A pixel of a chunk a thread: a warp reads 32 pixels of each channel and writes 512 bytes.
template <class T>
CCT_DEVICE void to_chunks(const ChunksArguments& arguments) {
  const int64_t pixel = static_cast<int64_t>(block_x()) * kThreads + thread_index();
  const int chunk = block_y();
  const int64_t image = pixel / arguments.plane, at = pixel % arguments.plane;
  if (image >= arguments.images) return;
  const T* x = static_cast<const T*>(arguments.x) + image * arguments.channels * arguments.plane + at;
  uint32_t words[4] = {};
  CCT_UNROLL for (int i = 0; i < kChunk<T>; ++i) {
    constexpr int kBytes = sizeof(T);
    const int64_t channel = load_global(arguments.inputs + chunk * kChunk<T> + i);
    const uint32_t bits = channel < 0 ? 0 : operand_of(load_global(x + channel * arguments.plane));
    words[i * kBytes / 4] |= bits << i * kBytes % 4 * 8;
  }
  uint4* to = static_cast<uint4*>(arguments.chunks);
  store_global(to + ((image * arguments.chunk_count + chunk) * arguments.plane + at),
               uint4{words[0], words[1], words[2], words[3]});
}

}  // namespace cct::cuda
