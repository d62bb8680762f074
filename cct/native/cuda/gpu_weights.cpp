#include "cuda/gpu_weights.h"

#include <cstdlib>
#include <cstring>
#include <vector>

#include "cuda/quads.h"
#include "cuda/slabs.h"
#include "cuda/taps.h"

namespace cct::cuda {
namespace {

// The number of output channels a tile that computes less; the larger one if both do the same, because it
// reads pixels less often.
SlabSteps choose_steps(const Packed& packed, const Positions& positions) {
  SlabSteps narrow(packed, positions, 64), wide(packed, positions, 128);
  return wide.computed() <= narrow.computed() ? wide : narrow;
}

// As NVIDIA's own libraries have it: 0 forbids tf32 to the whole process, whatever a session asks for.
bool tf32_is_forbidden() {
  const char* override = std::getenv("NVIDIA_TF32_OVERRIDE");
  return override && !std::strcmp(override, "0");
}

}  // namespace

GpuWeights::GpuWeights(const Packed& packed, const Context& context, const cct_cuda_memory& memory)
    : tables_(context, memory) {
  const Positions positions(packed);
  if (positions.distinct.size() <= kMostTaps && (packed.half || !tf32_is_forbidden())) {
    const SlabSteps steps = choose_steps(packed, positions);
    if (use_slabs(packed, steps, context.device())) add_slabs(packed, positions, steps);
  }
  if (!slabs_ || !packed.half) add_quads(packed);
  tables_.upload();
}

void GpuWeights::add_slabs(const Packed& packed, const Positions& positions, const SlabSteps& steps) {
  const SlabTables made(packed, positions, steps);
  OfSlabs& of = slabs_.emplace();
  std::vector<Tap> taps;
  for (int64_t position : positions.distinct) taps.push_back(tap_of(packed.window, position));
  const auto out_tiles = static_cast<int64_t>(steps.steps.size());
  of.shape = {steps.tile_channels, out_tiles, steps.max_slabs, packed.group * steps.chunks_per_group};
  of.slabs.tap_count = static_cast<int32_t>(taps.size());
  of.slabs.max_slabs = static_cast<int32_t>(steps.max_slabs);
  of.slabs.out_tiles = static_cast<int32_t>(out_tiles);
  tables_.add(made.weights, of.slabs.weights);
  tables_.add(made.steps, of.slabs.steps);
  tables_.add(made.counts, of.slabs.counts);
  tables_.add(taps, of.slabs.taps);
  tables_.add(made.bias, of.bias);
  tables_.add(made.outputs, of.outputs);
  tables_.add(made.inputs, of.inputs);
}

void GpuWeights::add_quads(const Packed& packed) {
  const QuadTables made(packed);
  OfQuads& of = quads_.emplace();
  of.count = static_cast<int64_t>(made.first.size()) - 1;
  tables_.add(made.taps, of.taps);
  tables_.add(made.first, of.first);
  tables_.add(made.outputs, of.outputs);
  tables_.add(made.bias, of.bias);
}

}  // namespace cct::cuda
