#include "gpu_weights.h"

#include <vector>

#include "quads.h"
#include "slabs.h"
#include "taps.h"

namespace cct::cuda {
namespace {

// The number of output channels a tile that computes less; the larger one if both do the same, because it
// reads pixels less often.
SlabSteps choose_steps(const Packed& packed, const Positions& positions) {
  SlabSteps narrow(packed, positions, 64), wide(packed, positions, 128);
  return wide.computed() <= narrow.computed() ? wide : narrow;
}

}  // namespace

GpuWeights::GpuWeights(const Packed& packed, const Context& context, const cct_cuda_memory& memory)
    : tables_(context, memory) {
  const Positions positions(packed);
  if (positions.distinct.size() <= kMostTaps) {
    const SlabSteps steps = choose_steps(packed, positions);
    in_slabs_ = use_slabs(packed, steps, context.device());
    if (in_slabs_) add_slabs(packed, positions, steps);
  }
  if (!in_slabs_) add_quads(packed);
  tables_.upload();
}

void GpuWeights::add_slabs(const Packed& packed, const Positions& positions, const SlabSteps& steps) {
  const SlabTables made(packed, positions, steps);
  std::vector<Tap> taps;
  for (int64_t position : positions.distinct) taps.push_back(tap_of(packed.window, position));
  const auto out_tiles = static_cast<int64_t>(steps.steps.size());
  slabs_.shape = {steps.tile_channels, out_tiles, steps.max_slabs, packed.group * steps.chunks_per_group};
  slabs_.slabs.tap_count = static_cast<int32_t>(taps.size());
  slabs_.slabs.max_slabs = static_cast<int32_t>(steps.max_slabs);
  slabs_.slabs.out_tiles = static_cast<int32_t>(out_tiles);
  tables_.add(made.weights, slabs_.slabs.weights);
  tables_.add(made.steps, slabs_.slabs.steps);
  tables_.add(made.counts, slabs_.slabs.counts);
  tables_.add(taps, slabs_.slabs.taps);
  tables_.add(made.bias, slabs_.bias);
  tables_.add(made.outputs, slabs_.outputs);
  tables_.add(made.inputs, slabs_.inputs);
}

void GpuWeights::add_quads(const Packed& packed) {
  const QuadTables made(packed);
  quads_.count = static_cast<int64_t>(made.first.size()) - 1;
  tables_.add(made.taps, quads_.taps);
  tables_.add(made.first, quads_.first);
  tables_.add(made.outputs, quads_.outputs);
  tables_.add(made.bias, quads_.bias);
}

}  // namespace cct::cuda
