// A run: how the work on a number of images is shared out, and where things are in the scratch.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/plan.h"

namespace cct {

struct Job {
  static constexpr int64_t kMostWorkers = 64;
  static constexpr int64_t kAlignment = 64;  // of the scratch, in bytes: a cache line

  Job(const Convolution& conv, const Plan& plan, int64_t images);

  // Workers of so many units. More than there are cores would have shares too small to keep neighbours
  // together.
  static int64_t workers_of(int64_t units) { return std::min({units, core_count(), kMostWorkers}); }

  // Of workers that take so many bytes each: all together no more than X, Y and kMostWorkers times the slot
  // that a plan aims at, however many cores there are, or else one. The slot of one is at most X of an image
  // with its padding, rounded up to vectors.
  static int64_t workers_of(int64_t units, int64_t bytes, int64_t x_bytes, int64_t y_bytes);

  int64_t images;
  // A unit of work is one band of one image for a chunk of the tiles. Chunks of one band follow each other,
  // so that a worker mostly finds it packed.
  int64_t chunks, units;
  int64_t workers;           // each with a slot
  int64_t x_at, z_at, y_at;  // in bytes: float16 X, Z and Y as floats, for the routines
  int64_t scratch_bytes;
};

}  // namespace cct
