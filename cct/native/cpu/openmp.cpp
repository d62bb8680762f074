// The C API on OpenMP threads that are there already; the library itself links to no runtime.
#include <atomic>

#include "cpu/pattern_conv.h"

namespace {

struct Loop {
  void (*task)(void* argument, size_t i);
  void* argument;
  size_t count;
  std::atomic<size_t> next;
};

void take_turns(void* data) {
  Loop& loop = *static_cast<Loop*>(data);
  for (size_t i; (i = loop.next.fetch_add(1, std::memory_order_relaxed)) < loop.count;) {
    loop.task(loop.argument, i);
  }
}

}  // namespace

int cct_openmp_parallel_for(void* openmp, void (*task)(void* argument, size_t i), size_t count,
                            void* argument) {
  const cct_openmp& team = *static_cast<const cct_openmp*>(openmp);
  Loop loop{task, argument, count, {0}};
  if (count < 2 || team.threads < 2) {
    take_turns(&loop);
  } else {
    team.parallel(take_turns, &loop, team.threads < count ? team.threads : static_cast<unsigned>(count), 0);
  }
  return 0;
}
