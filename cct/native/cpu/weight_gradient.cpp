// The C API of the gradient of the weights.
//
// Images are cut into shares, whose sums are added up in the end, in their order: so many threads there may
// be, the bits are the same. A sum goes over at most 256 vectors, then over the images of a share, then over
// the shares: its error grows with the sum of these numbers and not with their product.
#include <algorithm>
#include <memory>

#include "cpu/gradient_plan.h"
#include "cpu/isa.h"
#include "cpu/job.h"
#include "cpu/known_plans.h"
#include "cpu/pattern_conv.h"
#include "cpu/units.h"
#include "cpu/weights.h"
#include "format/boundary.h"
#include "format/packed.h"

namespace cct {
namespace {

constexpr int64_t kShares = 16;              // at most; with more units than threads none is idle for long
constexpr int64_t kAddedTogether = 1 << 12;  // numbers of a unit of adding

Packed check_float32(const cct_packed& packed) {
  if (packed.type != CCT_FLOAT32 || packed.weight_type != CCT_FLOAT32) {
    fail("X and W are not float32: only float32 has a gradient");
  }
  return check(packed);
}

}  // namespace
}  // namespace cct

// Immutable but for the plans, so that runs may overlap.
struct cct_weight_gradient {
  cct_weight_gradient(const cct::Packed& packed, const cct::Isa& isa)
      : routine(cct::GradientPlan::adapted(*isa.routine)),
        convolution(packed),
        weights(packed, routine, true) {}

  // A plan without tables.
  std::unique_ptr<cct::GradientPlan> sizes(const int64_t x_dims[4]) const {
    return std::make_unique<cct::GradientPlan>(convolution, weights, routine, x_dims);
  }

  const cct::Routine routine;
  const cct::Convolution convolution;
  const cct::Weights weights;
  cct::KnownPlans<cct::GradientPlan> plans;
};

namespace cct {
namespace {

// How a run is shared out, and where things are in the scratch, in floats.
struct GradientJob {
  int64_t images, shares, parts, units, workers;  // a unit is a share of the images for a part of the tiles
  int64_t values, sums_at;                        // sums: `values` of each share
  size_t scratch_bytes;

  GradientJob(const Weights& weights, const GradientPlan& plan, int64_t images)
      : images(images), values(divide_up(weights.values().size(), 16) * 16) {
    if (images < 0) fail("X has ", images, " images");
    const int64_t x_bytes = product("X", images, plan.x_count(), sizeof(float));
    const int64_t y_bytes = product("Y", images, plan.y_count(), sizeof(float));
    shares = std::min(images, kShares);
    parts = shares ? std::min(divide_up(kShares, shares), plan.tiles) : 0;
    units = shares * parts;
    const int64_t worker_bytes = product("packed X and dY", plan.worker_floats(), sizeof(float));
    workers = Job::workers_of(units, worker_bytes, x_bytes, y_bytes);
    sums_at = product("packed X and dY", workers, plan.worker_floats());
    const int64_t bytes = product("sums", sums_at + product("sums", shares, values), sizeof(float));
    scratch_bytes = static_cast<size_t>(bytes) + Job::kAlignment;
  }
};

// One call of cct_weight_gradient_run.
struct GradientRun {
  const cct_weight_gradient& gradient;
  const GradientPlan& plan;
  const GradientJob& job;
  const float *x, *dy;
  float *dw, *scratch;

  float* sums(int64_t share) const { return scratch + job.sums_at + share * job.values; }
};

void gradient_unit(const GradientRun& run, int64_t unit, Worker& worker) {
  const GradientJob& job = run.job;
  const GradientPlan& plan = run.plan;
  const std::vector<Tile>& tiles = run.gradient.weights.tiles();
  const int64_t share = unit / job.parts, part = unit % job.parts;
  const int64_t begin = plan.tiles * part / job.parts, end = plan.tiles * (part + 1) / job.parts;
  const auto first_value = [&](int64_t tile) {
    return tile < plan.tiles ? tiles[tile].weights - run.gradient.weights.values().data() : job.values;
  };
  std::fill(run.sums(share) + first_value(begin), run.sums(share) + first_value(end), 0.0f);
  float* memory = run.scratch + worker.number * plan.worker_floats();
  const int64_t end_image = job.images * (share + 1) / job.shares;
  for (int64_t n = job.images * share / job.shares; n < end_image; n += plan.together()) {
    const GradientImages images{run.x + n * plan.x_count(), run.dy + n * plan.y_count(),
                                std::min(plan.together(), end_image - n)};
    plan.add(images, memory, run.sums(share), begin, end);
  }
}

void add_unit(const GradientRun& run, int64_t unit, Worker&) {
  const std::vector<int64_t>& sources = run.gradient.weights.sources();
  const int64_t begin = unit * kAddedTogether;
  const int64_t end = std::min<int64_t>(begin + kAddedTogether, sources.size());
  for (int64_t i = begin; i < end; ++i) {
    float sum = 0;
    for (int64_t share = 0; share < run.job.shares; ++share) sum += run.sums(share)[i];
    run.dw[sources[i]] = sum;
  }
}

}  // namespace
}  // namespace cct

using namespace cct;

cct_weight_gradient* cct_weight_gradient_create(const cct_packed* packed, const char* isa, char* error,
                                                size_t error_size) {
  cct_weight_gradient* gradient = nullptr;
  succeeds(error, error_size,
           [&] { gradient = new cct_weight_gradient(check_float32(*packed), choose_isa(isa)); });
  return gradient;
}

void cct_weight_gradient_destroy(cct_weight_gradient* gradient) { delete gradient; }

int cct_weight_gradient_prepare(const cct_weight_gradient* gradient, const int64_t x_dims[4],
                                int64_t y_dims[4], size_t* scratch_bytes, char* error, size_t error_size) {
  return !succeeds(error, error_size, [&] {
    const auto plan = gradient->plans.find_or(x_dims, [&] { return gradient->sizes(x_dims); });
    const int64_t dims[4] = {x_dims[0], plan->outputs, plan->out[0], plan->out[1]};
    *scratch_bytes = GradientJob(gradient->weights, *plan, x_dims[0]).scratch_bytes;
    std::copy(dims, dims + 4, y_dims);
  });
}

int cct_weight_gradient_run(const cct_weight_gradient* gradient, const int64_t x_dims[4], const float* x,
                            const float* dy, float* dw, void* scratch, const cct_threads* threads,
                            char* error, size_t error_size) {
  return !succeeds(error, error_size, [&] {
    const auto plan = gradient->plans.find_or(x_dims, [&] { return gradient->sizes(x_dims); });
    const GradientJob job(gradient->weights, *plan, x_dims[0]);
    void* aligned = scratch;
    size_t space = job.scratch_bytes;
    std::align(Job::kAlignment, job.scratch_bytes - Job::kAlignment, aligned, space);
    const GradientRun run{*gradient, *plan, job, x, dy, dw, static_cast<float*>(aligned)};
    std::fill(dw, dw + gradient->weights.stored(), 0.0f);
    do_all(run, gradient_unit, job.units, job.workers, threads);
    const int64_t parts = divide_up(gradient->weights.sources().size(), kAddedTogether);
    do_all(run, add_unit, parts, Job::workers_of(parts), threads);
  });
}
