// The weights of a packed convolution as the tensor core kernels read them (launch.h), made on the host.
#pragma once

#include <cstdint>
#include <vector>

#include "cuda/launch.h"
#include "format/packed.h"

namespace cct::cuda {

// The steps of each out tile, for one number of output channels a tile: what the weights will cost, before
// they are laid out. Where blocks of output channels share a tile, it takes every step that one of them
// needs.
class SlabSteps {
 public:
  // At most kMostTaps positions.
  SlabSteps(const Packed& packed, const Positions& positions, int tile_channels);

  // Products that are computed for an output pixel, and weights that are stored: out tiles of fewer slabs are
  // filled up. As doubles, because no file of reasonable size comes near what they can't hold.
  double computed() const { return double(slabs_) * tile_channels * kSlabSteps * chunk_channels; }
  double stored() const {
    return double(max_slabs) * steps.size() * tile_channels * kSlabSteps * chunk_channels;
  }

  const int tile_channels;   // BN
  const int chunk_channels;  // of a whole chunk
  const int64_t tiles_per_group;
  const int64_t chunks_per_group;
  std::vector<std::vector<Step>> steps;  // of each out tile: whole slabs
  int64_t max_slabs = 0;

 private:
  int64_t slabs_ = 0;  // of all tiles
};

// The tables, by their names in Slabs, Ending and HaloArguments.
struct SlabTables {
  SlabTables(const Packed& packed, const Positions& positions, const SlabSteps& steps);

  std::vector<unsigned char> weights;
  std::vector<Step> steps;
  std::vector<int32_t> counts;
  std::vector<float> bias;
  std::vector<int32_t> outputs, inputs;
};

}  // namespace cct::cuda
