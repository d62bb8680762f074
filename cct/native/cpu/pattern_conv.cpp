// The C API: checks what comes in, cuts the work into units, and has the routine of the chosen row do them.
#include "cpu/pattern_conv.h"

#include <algorithm>
#include <memory>

#include "cpu/isa.h"
#include "cpu/job.h"
#include "cpu/known_plans.h"
#include "cpu/plan.h"
#include "cpu/units.h"
#include "cpu/weights.h"
#include "format/boundary.h"
#include "format/packed.h"

// Immutable but for the plans and for set_weights, so that runs may overlap.
struct cct_pattern_conv {
  cct_pattern_conv(const cct::Packed& packed, const cct::Isa& isa, bool replaceable)
      : routine(*isa.routine), convolution(packed), weights(packed, routine, replaceable) {}

  // A plan without tables.
  std::unique_ptr<cct::Plan> sizes(const int64_t x_dims[4]) const {
    return cct::Plan::make(convolution, weights, routine, x_dims);
  }

  const cct::Routine& routine;
  const cct::Convolution convolution;
  cct::Weights weights;
  cct::KnownPlans<cct::Plan> plans;
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

// Conversions need no scratch of a worker.
void convert_all(const Run& run, Work<Run>::Unit unit, int64_t count, const cct_threads* threads) {
  const int64_t units = divide_up(count, kConvertedTogether);
  do_all(run, unit, units, Job::workers_of(units), threads);
}

// ---------------------------------------------------------------- units of work

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

template <class Number>
Images<Number> images_of(const void* x, const void* z, void* y) {
  return {static_cast<const Number*>(x), static_cast<const Number*>(z), static_cast<Number*>(y)};
}

cct_pattern_conv* create(const cct_packed* packed, const char* isa, bool replaceable, char* error,
                         size_t error_size) {
  cct_pattern_conv* conv = nullptr;
  succeeds(error, error_size,
           [&] { conv = new cct_pattern_conv(check(*packed), choose_isa(isa), replaceable); });
  return conv;
}

}  // namespace
}  // namespace cct

using namespace cct;

int cct_isa_count() { return kIsaCount; }
const char* cct_isa_name(int row) { return row >= 0 && row < kIsaCount ? kIsas[row].name : nullptr; }
int cct_isa_supported(int row) { return row >= 0 && row < kIsaCount && kIsas[row].supported(); }
int cct_isa_serves_training(int row) { return row >= 0 && row < kIsaCount && kIsas[row].serves_training; }

cct_pattern_conv* cct_pattern_conv_create(const cct_packed* packed, const char* isa, char* error,
                                          size_t error_size) {
  return create(packed, isa, false, error, error_size);
}

cct_pattern_conv* cct_pattern_conv_create_for_training(const cct_packed* packed, const char* isa, char* error,
                                                       size_t error_size) {
  return create(packed, isa, true, error, error_size);
}

void cct_pattern_conv_set_weights(cct_pattern_conv* conv, const void* W, const void* B) {
  conv->weights.replace(W, B);
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
    if (const auto known = conv->plans.find(x_dims)) return answer(*known);
    answer(*conv->sizes(x_dims));  // and no tables yet: nobody has asked for a run
  });
}

int cct_pattern_conv_run(const cct_pattern_conv* conv, const int64_t x_dims[4], const void* x, const void* z,
                         void* y, void* scratch, const cct_threads* threads, char* error, size_t error_size) {
  return !succeeds(error, error_size, [&] {
    const auto plan = conv->plans.find_or(x_dims, [&] { return conv->sizes(x_dims); });
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
      convert_all(run, widen_x_unit, run.x_count(), threads);
      if (z) convert_all(run, widen_z_unit, run.y_count(), threads);
    } else {
      run.floats = images_of<float>(x, z, y);
    }
    do_all(run, compute_unit, job.units, job.workers, threads);
    if (conv->convolution.half) convert_all(run, narrow_y_unit, run.y_count(), threads);
  });
}
