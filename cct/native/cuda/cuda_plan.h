// How a convolution of one size of images runs on one device: the kernel, its grid, and what it needs of
// memory. A fixed rule of shape, weights and device; nothing is measured.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/driver.h"
#include "cuda/slabs.h"
#include "cuda/tiles.h"
#include "format/packed.h"

namespace cct::cuda {

// What the rule knows of weights that lie in slabs.
struct SlabShape {
  int tile_channels;  // BN
  int64_t out_tiles, max_slabs, chunks;
};

// Whether the tensor core kernels can and should run these weights, whatever the size of the images.
bool use_slabs(const Packed& packed, const SlabSteps& steps, const Device& device);

struct CudaPlan {
  // With slabs. A Fault where X does not fit the convolution, or is more than the kernels can count.
  CudaPlan(const Convolution& conv, const SlabShape& slabs, const Device& device, const int64_t x_dims[4]);
  // Plain.
  CudaPlan(const Convolution& conv, const int64_t x_dims[4]);

  int64_t images;
  ImageSize size;
  const Tile* tile = nullptr;               // of kTiles
  int64_t row_tiles = 0, column_tiles = 0;  // halo
  int64_t blocks = 0;                       // of a part
  int64_t parts = 1, slabs_of_part = 0;     // at most
  // The workspace: X in chunks (gather) from its start on, then the sums of the parts.
  int64_t partials_at = 0, partials_pitch = 0, workspace_bytes = 0;

  int64_t in_plane() const { return size.in[0] * size.in[1]; }
  int64_t out_plane() const { return size.out[0] * size.out[1]; }

 private:
  void choose_tile(const Convolution& conv, const SlabShape& slabs, const Device& device);
  void choose_flat_tile(const Convolution& conv, Way way, int copy_pixels, const SlabShape& slabs,
                        const Device& device);
  void choose_parts(const SlabShape& slabs, const Device& device);
  void place_workspace(const SlabShape& slabs);
};

}  // namespace cct::cuda
