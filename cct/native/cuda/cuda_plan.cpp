#include "cuda/cuda_plan.h"

#include <algorithm>

#include "format/fault.h"

namespace cct::cuda {
namespace {

// Products that tensor cores do in the time that `plain` takes for one, which reaches about half of its own
// peak. Slabs that compute more than this for each kept weight are slower than plain, as those of depthwise
// convolutions are: a channel alone in a tile of 64. By published peaks, not measured: those of tensor cores
// are 16 (float16) and 8 (tf32) times the other in GPUs of data centers, 8.0, 9.0 and 10.0, but only 2 to 4
// and 1 to 2 times in all others. There a quarter is what the best of them have.
double tensor_gain(bool half, const Device& device) {
  const bool data_center = device.minor == 0 && device.major >= 8 && device.major <= 10;
  return (half ? 32 : 16) * (data_center ? 1 : 0.25);
}

// halo loads pixels once for all taps and needs no pass before it. That is worth this share of pixels beyond
// the image, in tiles at its edges.
constexpr double kMostHaloWaste = 1.5;

// Parts of the sum, for images so small that there are fewer tiles than multiprocessors. Each writes and
// reads its sums once more, so a part has some slabs at least.
constexpr int64_t kMostParts = 8, kFewestSlabs = 8;
constexpr int64_t kBlocksAtATime = 2;  // of a multiprocessor

constexpr int64_t kMostPixels = INT32_MAX - 256;  // that the kernels count in 32 bits
constexpr int64_t kMostGrid = 65535;              // blocks in y and z

// The one window that halo is for.
bool is_halo(const Window& window) {
  for (int axis = 0; axis < 2; ++axis) {
    if (window.kernel[axis] != 3 || window.stride[axis] != 1 || window.dilation[axis] != 1 ||
        window.pad_begin[axis] != 1 || window.pad_end[axis] != 1) {
      return false;
    }
  }
  return true;
}

// Each output pixel reads the same pixel of X.
bool is_pointwise(const Window& window) {
  for (int axis = 0; axis < 2; ++axis) {
    if (window.kernel[axis] != 1 || window.stride[axis] != 1 || window.pad_begin[axis] ||
        window.pad_end[axis])
      return false;
  }
  return true;
}

// Pixels of the widest copies, at most 16 bytes, that rows or planes of this many allow; 0: none.
int copies_of(const Convolution& conv, int64_t pixels) {
  return conv.half && pixels % 8 == 0 ? 8 : pixels % 4 == 0 ? 4 : 0;
}

bool runs(const Tile& tile, const Convolution& conv, int tile_channels) {
  return tile.type == (conv.half ? Type::kFloat16 : Type::kTf32) && tile.out_channels == tile_channels;
}

void check_count(const char* what, int64_t count) {
  if (count > kMostPixels)
    fail(what, " is ", count, ", more than the GPU's kernels count: use smaller batches");
}

}  // namespace

bool use_slabs(const Packed& packed, const SlabSteps& steps, const Device& device) {
  if (device.major < 8) return false;
  const auto out_tiles = static_cast<int64_t>(steps.steps.size());
  if (out_tiles * steps.tile_channels > kMostGrid || packed.group * steps.chunks_per_group > kMostGrid)
    return false;
  for (const Tile& tile : kTiles) {
    const int64_t slabs = divide_up(steps.max_slabs, kMostParts);
    if (runs(tile, packed, steps.tile_channels) && tile.shared_bytes(slabs) > device.shared_bytes)
      return false;
  }
  // By what is stored, which is never less than what is computed: no file can ask for more memory than this.
  const double kept = double(packed.kernels) * packed.bo * packed.bi * packed.entries;
  return kept && steps.stored() <= tensor_gain(packed.half, device) * kept;
}

CudaPlan::CudaPlan(const Convolution& conv, const int64_t x_dims[4])
    : images(x_dims[0]), size(check_image(conv, x_dims)) {
  if (images < 0) fail("X has ", images, " images");
  check_count("height of X", size.in[0] + conv.window.pad_begin[0] + conv.window.pad_end[0]);
  check_count("width of X", size.in[1] + conv.window.pad_begin[1] + conv.window.pad_end[1]);
  check_count("pixels of Y", product("Y", images, size.out[0], size.out[1]));
}

CudaPlan::CudaPlan(const Convolution& conv, const SlabShape& slabs, const Device& device,
                   const int64_t x_dims[4])
    : CudaPlan(conv, x_dims) {
  choose_tile(conv, slabs, device);
  choose_parts(slabs, device);
  place_workspace(slabs);
}

void CudaPlan::choose_tile(const Convolution& conv, const SlabShape& slabs, const Device& device) {
  const int64_t pixels = images * out_plane();
  const bool reads_x = conv.in_channels * in_plane() <= kMostPixels;
  const int copies = is_halo(conv.window) && reads_x ? copies_of(conv, size.in[1]) : 0;
  int64_t computed = static_cast<int64_t>(pixels * kMostHaloWaste) + 1;  // pixels, in the best tiles yet
  for (const Tile& candidate : kTiles) {
    if (!copies || !candidate.halo() || !runs(candidate, conv, slabs.tile_channels) ||
        candidate.copy_pixels != copies) {
      continue;
    }
    const int64_t rows = divide_up(size.out[0], candidate.rows);
    const int64_t columns = divide_up(size.out[1], candidate.columns);
    if (images * rows * columns * candidate.pixels() >= computed) continue;
    computed = images * rows * columns * candidate.pixels();
    tile = &candidate;
    row_tiles = rows;
    column_tiles = columns;
  }
  if (tile) {
    blocks = product("tiles of Y", images, row_tiles, column_tiles, slabs.out_tiles);
  } else if (is_pointwise(conv.window) && reads_x && copies_of(conv, in_plane())) {
    choose_flat_tile(conv, Way::kPointwise, copies_of(conv, in_plane()), slabs, device);
  } else {
    choose_flat_tile(conv, Way::kGather, 0, slabs, device);
    check_count("pixels of X in chunks", product("X", images, slabs.chunks, in_plane()));
    const int64_t rows = size.in[0] + conv.window.pad_begin[0] + conv.window.pad_end[0];
    check_count("padded pixels of X in chunks",  // where taps beyond the last image would be
                images * slabs.chunks * in_plane() + rows * (size.in[1] + conv.window.pad_end[1]));
  }
  check_count("tiles of Y", blocks);
}

// Of consecutive pixels: the largest that gives each multiprocessor a block, or else the smallest.
void CudaPlan::choose_flat_tile(const Convolution& conv, Way way, int copy_pixels, const SlabShape& slabs,
                                const Device& device) {
  for (const Tile& candidate : kTiles) {
    if (candidate.way != way || candidate.copy_pixels != copy_pixels ||
        !runs(candidate, conv, slabs.tile_channels)) {
      continue;
    }
    tile = &candidate;
    blocks = divide_up(images * out_plane(), candidate.pixels()) * slabs.out_tiles;
    if (blocks >= device.multiprocessors) break;
  }
}

void CudaPlan::choose_parts(const SlabShape& slabs, const Device& device) {
  if (blocks && blocks < device.multiprocessors) {
    parts = std::min(
        {kBlocksAtATime * device.multiprocessors / blocks, slabs.max_slabs / kFewestSlabs, kMostParts});
    parts = std::max<int64_t>(parts, 1);
  }
  const auto fits = [&] {
    slabs_of_part = divide_up(slabs.max_slabs, parts);
    return tile->shared_bytes(slabs_of_part) <= device.shared_bytes;
  };
  while (!fits()) ++parts;  // ends by kMostParts: use_slabs has asked
}

void CudaPlan::place_workspace(const SlabShape& slabs) {
  constexpr int64_t kAlignment = 256;
  const int64_t chunks =
      tile->way == Way::kGather ? product("X", images, slabs.chunks, in_plane(), kChunkBytes) : 0;
  partials_at = divide_up(chunks, kAlignment) * kAlignment;
  partials_pitch = divide_up(images * out_plane(), tile->pixels()) * tile->pixels();
  const int64_t sums = parts == 1 ? 0
                                  : product("sums of parts", parts, slabs.out_tiles, slabs.tile_channels,
                                            partials_pitch, sizeof(float));
  workspace_bytes = product("the workspace", 1, partials_at + sums);
}

}  // namespace cct::cuda
