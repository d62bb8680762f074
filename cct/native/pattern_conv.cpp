// The seam: checks what comes in, cuts the work into units, and has the routine of the chosen row do them.
#include "pattern_conv.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>

#include "boundary.h"
#include "fault.h"
#include "isa.h"
#include "job.h"
#include "packed.h"
#include "plan.h"
#include "weights.h"

// Immutable once it is made but for the plans, so that runs may overlap.
struct cct_pattern_conv {
  cct_pattern_conv(const cct::Packed& packed, const cct::Isa& isa)
      : routine(*isa.routine), convolution(packed), weights(packed, routine) {}

  // A plan without tables.
  std::unique_ptr<cct::Plan> sizes(const int64_t x_dims[4]) const {
    return cct::Plan::make(convolution, weights, routine, x_dims);
  }

  // A plan that was made before; none if there is none.
  std::shared_ptr<const cct::Plan> known(const int64_t x_dims[4]) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (size_t i = 0; i < kPlans; ++i) {
      const auto& plan = plans_[i];
      if (plan && x_dims[1] == plan->channels && std::equal(x_dims + 2, x_dims + 4, plan->in)) {
        std::rotate(plans_, plans_ + i, plans_ + i + 1);
        return plans_[0];
      }
    }
    return nullptr;
  }

  std::shared_ptr<const cct::Plan> plan(const int64_t x_dims[4]) const {
    if (auto plan = known(x_dims)) return plan;
    std::shared_ptr<cct::Plan> made = sizes(x_dims);
    made->make_tables();
    const std::lock_guard<std::mutex> lock(mutex_);
    std::rotate(plans_, plans_ + kPlans - 1, plans_ + kPlans);
    return plans_[0] = made;
  }

  const cct::Routine& routine;
  const cct::Convolution convolution;
  const cct::Weights weights;

 private:
  static constexpr size_t kPlans = 4;  // sizes of images that a session may change between
  mutable std::mutex mutex_;           // of what follows
  mutable std::shared_ptr<const cct::Plan> plans_[kPlans];  // the last used first
};

namespace cct {
namespace {

constexpr int64_t kConvertedTogether = 1 << 14;  // numbers of a unit of conversion

// Where the numbers of a run are.
template <class Number>
struct Images {
  const Number *x, *z;
  Number* y;
};

// One call of cct_pattern_conv_run.
struct Run {
  const cct_pattern_conv& conv;
  const Plan& plan;
  const Job& job;
  char* scratch;
  Images<float> floats;
  Images<uint16_t> halves;  // with float16: what the caller has; the floats are in the scratch then

  float* in_scratch(int64_t at) const { return reinterpret_cast<float*>(scratch + at); }
  int64_t x_count() const { return job.images * plan.x_count(); }
  int64_t y_count() const { return job.images * plan.y_count(); }
};

// ---------------------------------------------------------------- units of work

// What a worker has packed into its slot: the number of the band among those of all images.
struct Worker {
  int64_t number;
  int64_t packed;
};

void compute_unit(const Run& run, int64_t unit, Worker& worker) {
  const Plan& plan = run.plan;
  const int64_t chunks = run.job.chunks, chunk = unit % chunks, band = unit / chunks, n = band / plan.bands;
  const int64_t y = n * plan.y_count();
  const Image image{run.floats.x + n * plan.x_count(), run.floats.z ? run.floats.z + y : nullptr,
                    run.floats.y + y};
  float* slot = run.in_scratch(0) + worker.number * plan.slot_floats;
  if (worker.packed != band) plan.pack(image, band % plan.bands, slot);
  worker.packed = band;
  plan.compute(image, band % plan.bands, slot, plan.tiles * chunk / chunks,
               plan.tiles * (chunk + 1) / chunks);
}

int64_t conversion_units(int64_t count) { return divide_up(count, kConvertedTogether); }

void widen_some(const Run& run, const uint16_t* from, int64_t at, int64_t count, int64_t unit) {
  const int64_t begin = unit * kConvertedTogether, end = std::min(begin + kConvertedTogether, count);
  run.conv.routine.widen(from + begin, run.in_scratch(at) + begin, end - begin);
}

void widen_x_unit(const Run& run, int64_t unit, Worker&) {
  widen_some(run, run.halves.x, run.job.x_at, run.x_count(), unit);
}

void widen_z_unit(const Run& run, int64_t unit, Worker&) {
  widen_some(run, run.halves.z, run.job.z_at, run.y_count(), unit);
}

void narrow_y_unit(const Run& run, int64_t unit, Worker&) {
  const int64_t begin = unit * kConvertedTogether;
  const int64_t end = std::min(begin + kConvertedTogether, run.y_count());
  run.conv.routine.narrow(run.floats.y + begin, run.halves.y + begin, end - begin);
}

// Each worker takes units from its own share, neighbours in the image, so that what it reads in one
// convolution it mostly wrote itself in the one before; then it helps with the shares of the others.
struct Work {
  struct alignas(64) Share {  // a cache line each
    std::atomic<int64_t> next;
    int64_t end;
  };

  const Run& run;
  void (*unit)(const Run&, int64_t unit, Worker& worker);
  int64_t workers;
  Share shares[Job::kMostWorkers];

  Work(const Run& run, void (*unit)(const Run&, int64_t, Worker&), int64_t units, int64_t workers)
      : run(run), unit(unit), workers(workers) {
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

void do_all(const Run& run, void (*unit)(const Run&, int64_t, Worker&), int64_t units,
            const cct_threads* threads) {
  if (!units) return;
  const int64_t workers = threads ? Job::workers_of(units) : 1;
  Work work(run, unit, units, workers);
  if (!threads) return Work::worker(&work, 0);
  if (threads->parallel_for(threads->pool, Work::worker, workers, &work)) fail("the threads did not run");
}

template <class Number>
Images<Number> images_of(const void* x, const void* z, void* y) {
  return {static_cast<const Number*>(x), static_cast<const Number*>(z), static_cast<Number*>(y)};
}

}  // namespace
}  // namespace cct

using namespace cct;

int cct_isa_count() { return kIsaCount; }
const char* cct_isa_name(int row) { return row >= 0 && row < kIsaCount ? kIsas[row].name : nullptr; }
int cct_isa_supported(int row) { return row >= 0 && row < kIsaCount && kIsas[row].supported(); }

cct_pattern_conv* cct_pattern_conv_create(const cct_packed* packed, const char* isa, char* error,
                                          size_t error_size) {
  cct_pattern_conv* conv = nullptr;
  succeeds(error, error_size, [&] { conv = new cct_pattern_conv(check(*packed), choose_isa(isa)); });
  return conv;
}

void cct_pattern_conv_destroy(cct_pattern_conv* conv) { delete conv; }

int cct_pattern_conv_prepare(const cct_pattern_conv* conv, const int64_t x_dims[4], int64_t y_dims[4],
                             size_t* scratch_bytes, char* error, size_t error_size) {
  return !succeeds(error, error_size, [&] {
    const auto answer = [&](const Plan& plan) {
      const Job job(conv->convolution, plan, x_dims[0]);
      const int64_t dims[4] = {job.images, plan.outputs, plan.out[0], plan.out[1]};
      std::copy(dims, dims + 4, y_dims);
      *scratch_bytes = job.scratch_bytes;
    };
    if (const auto known = conv->known(x_dims)) return answer(*known);
    answer(*conv->sizes(x_dims));  // and no tables yet: nobody has asked for a run
  });
}

int cct_pattern_conv_run(const cct_pattern_conv* conv, const int64_t x_dims[4], const void* x, const void* z,
                         void* y, void* scratch, const cct_threads* threads, char* error, size_t error_size) {
  return !succeeds(error, error_size, [&] {
    const auto plan = conv->plan(x_dims);
    const Job job(conv->convolution, *plan, x_dims[0]);
    if (!job.images) return;
    void* aligned = scratch;
    size_t space = job.scratch_bytes;
    std::align(Job::kAlignment, job.scratch_bytes - Job::kAlignment, aligned, space);
    Run run{*conv, *plan, job, static_cast<char*>(aligned), {}, {}};
    if (conv->convolution.half) {
      run.halves = images_of<uint16_t>(x, z, y);
      run.floats = {run.in_scratch(job.x_at), z ? run.in_scratch(job.z_at) : nullptr,
                    run.in_scratch(job.y_at)};
      do_all(run, widen_x_unit, conversion_units(run.x_count()), threads);
      if (z) do_all(run, widen_z_unit, conversion_units(run.y_count()), threads);
    } else {
      run.floats = images_of<float>(x, z, y);
    }
    do_all(run, compute_unit, job.units, threads);
    if (conv->convolution.half) do_all(run, narrow_y_unit, conversion_units(run.y_count()), threads);
  });
}
