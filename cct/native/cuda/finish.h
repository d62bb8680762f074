// Adds the partial sums of halo and gather, always in the same order, and does what follows.
#pragma once

#include "cuda/ending.h"

namespace cct::cuda {

// A pixel of an output channel a thread.
template <class T>
CCT_DEVICE void finish(const FinishArguments& arguments) {
  const Ending& ending = arguments.ending;
  const int64_t pixel = static_cast<int64_t>(block_x()) * kThreads + thread_index();
  const int64_t place = block_y(), image = pixel / ending.out_plane;
  const int32_t output = load_global(ending.outputs + place);
  if (image >= arguments.images || output < 0) return;
  float sum = 0;
  const float* from = ending.partials + place * ending.partials_pitch + pixel;
  for (int part = 0; part < arguments.parts; ++part) {
    sum += load_global(from + part * (grid_y() * ending.partials_pitch));
  }
  const Pixel at{static_cast<int32_t>(image), static_cast<int32_t>(pixel % ending.out_plane)};
  end_one<T>(sum, ending, load_global(ending.bias + place), index_in_y(ending, at, output));
}

}  // namespace cct::cuda
