#include "cpu/job.h"

#include <algorithm>

#include "format/fault.h"

namespace cct {
namespace {

// Workers take units of work from a list, so that the number of threads, which nobody tells us, does not
// matter: with more units than threads none is idle for long.
constexpr int64_t kEnoughUnits = 16;

}  // namespace

int64_t Job::workers_of(int64_t units, int64_t bytes, int64_t x_bytes, int64_t y_bytes) {
  constexpr int64_t kMostBytes = int64_t{1} << 60;  // so that the sum fits
  const int64_t room = std::min(x_bytes, kMostBytes) + std::min(y_bytes, kMostBytes) +
                       kMostWorkers * kSlotCaches * Plan::cache_bytes();
  return std::min(workers_of(units), std::max<int64_t>(room / std::max<int64_t>(bytes, 1), 1));
}

Job::Job(const Convolution& conv, const Plan& plan, int64_t images) : images(images) {
  if (images < 0) fail("X has ", images, " images");
  const int64_t x_bytes = product("X", images, plan.x_count(), sizeof(float));
  const int64_t y_bytes = product("Y", images, plan.y_count(), sizeof(float));
  const int64_t bands =
      product("the list of work", images, plan.bands, 2 * kEnoughUnits) / (2 * kEnoughUnits);
  chunks = std::clamp<int64_t>(divide_up(kEnoughUnits, std::max<int64_t>(bands, 1)), 1, plan.tiles);
  units = bands * chunks;
  workers = workers_of(units, product("packed X", plan.slot_floats, sizeof(float)), x_bytes, y_bytes);
  x_at = product("packed X", workers, plan.slot_floats, sizeof(float));
  if (__builtin_add_overflow(x_at, conv.half ? x_bytes : 0, &z_at) ||
      __builtin_add_overflow(z_at, conv.half ? y_bytes : 0, &y_at) ||
      __builtin_add_overflow(y_at, conv.half ? y_bytes : 0, &scratch_bytes) ||
      __builtin_add_overflow(scratch_bytes, kAlignment, &scratch_bytes)) {
    fail("packed X is too large");
  }
}

}  // namespace cct
