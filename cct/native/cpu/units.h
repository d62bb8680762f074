// Units of work, shared out among workers that the caller's threads run.
#pragma once

#include <atomic>
#include <cstdint>

#include "cpu/job.h"
#include "cpu/pattern_conv.h"
#include "format/fault.h"

namespace cct {

// What a worker has packed into its slot: the number of the band among those of all images.
struct Worker {
  int64_t number;
  int64_t packed;
};

// Each worker takes units from its own share, neighbours in the image, so that what it reads in one
// convolution it mostly wrote itself in the one before; then it helps with the shares of the others.
template <class Run>
struct Work {
  using Unit = void (*)(const Run&, int64_t unit, Worker& worker);
  struct alignas(64) Share {  // a cache line each
    std::atomic<int64_t> next;
    int64_t end;
  };

  const Run& run;
  Unit unit;
  int64_t workers;
  Share shares[Job::kMostWorkers];

  Work(const Run& run, Unit unit, int64_t units, int64_t workers) : run(run), unit(unit), workers(workers) {
    for (int64_t i = 0; i < workers; ++i) {
      shares[i].next = units * i / workers;
      shares[i].end = units * (i + 1) / workers;
    }
  }

  static void worker(void* argument, size_t number) {
    Work& work = *static_cast<Work*>(argument);
    Worker worker{static_cast<int64_t>(number), -1};
    for (int64_t i = 0; i < work.workers; ++i) {
      Share& share = work.shares[(worker.number + i) % work.workers];
      for (int64_t unit; (unit = share.next.fetch_add(1, std::memory_order_relaxed)) < share.end;) {
        work.unit(work.run, unit, worker);
      }
    }
  }
};

template <class Run>
void do_all(const Run& run, typename Work<Run>::Unit unit, int64_t units, int64_t workers,
            const cct_threads* threads) {
  if (!units) return;
  if (!threads) workers = 1;
  Work<Run> work(run, unit, units, workers);
  if (!threads) return Work<Run>::worker(&work, 0);
  if (threads->parallel_for(threads->pool, Work<Run>::worker, workers, &work))
    fail("the threads did not run");
}

}  // namespace cct
