// What the host hands to each kernel on the GPU: one struct by value, and the tables that it points to. Plain
// C++, included by nvcc, by the host and by the emulator alike.
//
// Y = clip(conv(X, W) + bias [+ Z]); X, Z and Y are NCHW. Four ways:
//
//   halo      3x3, stride 1, dilation 1, pads 1, rows of a multiple of 4 pixels; float16 on tensor cores
//   pointwise 1x1, stride 1, no pads, planes of a multiple of 4 pixels; float16 on tensor cores
//   gather    any window of at most 32 taps; float16 on tensor cores; to_chunks runs before it
//   plain     anything, float32 or float16, on any GPU
//
// All but plain may split the sum into parts (grid z), which finish adds; nothing is atomic.
//
// Words of the tensor core kernels:
//
//   chunk     8 input channels of one group: 8 consecutive places of in_order. A place without a channel
//             (-1, or beyond the group's last one) reads as zero.
//   tap       a position of the window that any kernel keeps.
//   step      one chunk at one tap: 8 products for each output.
//   slab      4 steps, 32 products: what the pipeline moves at a time. With a window larger than 1x1 the four
//             steps have the same chunk. Steps that only fill a slab repeat one of it; their weights are
//             zero.
//   out tile  the output channels that a block of threads computes, BN of one group: consecutive places of
//             order, filled up with -1.
//
// A weight of zero is multiplied like any other: an infinity or NaN in X makes NaN of it, as it does in the
// dense convolution, though the CPU never reads what is not kept.
//
// All pointers are to the GPU's memory and aligned to 16 bytes. float16 is uint16_t. Below 2^31 each: images
// * out_plane + 256 and images * chunk_count * height * width (gather), images * row_tiles * column_tiles *
// out_tiles (halo) and channels * height * width (halo, pointwise). Other products are computed in 64 bits.
#pragma once

#include <cstdint>

namespace cct::cuda {

constexpr int kChunk = 8;      // channels
constexpr int kSlabSteps = 4;  // steps
constexpr int kSlab = 32;      // products: kChunk * kSlabSteps
constexpr int kMostTaps = 32;  // of gather: a bit each
constexpr int kQuad = 4;       // output channels that a thread of plain computes
constexpr int kThreads = 128;  // of a block, in every kernel

struct Step {
  int32_t chunk;  // of all groups together
  int32_t tap;
};

// Which pixel of X a tap reads for output pixel (0, 0): position (r, c) of the window reads row
// r * dilation - pad_top and column c * dilation - pad_left. For output pixel (y, x) add (y, x) * stride.
struct Tap {
  int32_t row, column;
};

// The weights, as a session lays them out for one BN.
struct Slabs {
  const uint16_t* weights;  // [out_tiles][max_slabs][BN][32]; product 8 * i + j: channel j of step i's chunk
  const Step* steps;        // [out_tiles][max_slabs][4]
  const int32_t* counts;    // [out_tiles]: slabs, from 0 to max_slabs
  const Tap* taps;          // [tap_count]
  int32_t tap_count;
  int32_t max_slabs;  // of any out tile
  int32_t out_tiles;  // of all groups together
};

// What follows the sum.
struct Ending {
  const float* bias;         // [out_tiles][BN]
  const int32_t* outputs;    // [out_tiles][BN]: channel of Y, or -1
  const uint16_t* residual;  // Z, or NULL
  uint16_t* y;
  float* partials;  // NULL with one part, else [parts][out_tiles][BN][partials_pitch]: sums of one part at
                    // pixel n * out_plane + row * out_width + column
  int64_t partials_pitch;  // floats: the output pixels of all images, rounded up to a multiple of 4
  int32_t out_channels;    // of Y
  int32_t out_plane;       // pixels of a channel of Y
  float clip_min, clip_max;
};

// halo: rows of X are a multiple of the tile's copy_pixels. Grid (row_tiles * column_tiles * images *
// out_tiles, 1, parts), the out tile first: blocks that run at the same time share pixels. Part p of an out
// tile with `count` slabs takes p * count / parts up to (p + 1) * count / parts.
struct HaloArguments {
  Slabs slabs;
  Ending ending;
  const uint16_t* x;      // [images][channels][height][width]
  const int32_t* inputs;  // [chunks][8]: channel of X, or -1
  int32_t images, channels, height, width;
  int32_t row_tiles, column_tiles;  // ceil(height / rows of the tile), ceil(width / its columns)
};

// pointwise: planes of X are a multiple of the tile's copy_pixels. Grid as for gather.
struct PointwiseArguments {
  Slabs slabs;
  Ending ending;
  const uint16_t* x;      // [images][channels][plane]
  const int32_t* inputs;  // [chunks][8]: channel of X, or -1
  int32_t images, channels, plane;
};

// gather: grid (pixel_tiles * out_tiles, 1, parts), the out tile first; pixel_tiles = ceil(images * out_plane
// / pixels of the tile). Parts as for halo.
struct GatherArguments {
  Slabs slabs;
  Ending ending;
  const uint16_t* chunks;  // [images][chunk_count][height][width][8], written by to_chunks
  int32_t chunk_count;
  int32_t images, height, width;  // of X
  int32_t out_width;
  int32_t stride[2];  // vertical, horizontal
};

// to_chunks: grid (ceil(images * plane / kThreads), chunk_count).
struct ChunksArguments {
  const uint16_t* x;      // [images][channels][plane]
  const int32_t* inputs;  // [chunk_count][8]: channel of X, or -1
  uint16_t* chunks;       // [images][chunk_count][plane][8]
  int32_t images, channels, chunk_count, plane;
};

// finish: grid (ceil(images * out_plane / kThreads), out_tiles * BN).
struct FinishArguments {
  Ending ending;
  int32_t images, parts;
};

// One tap of a quad of plain.
struct PlainTap {
  int32_t channel;       // of X
  int32_t row, column;   // as in Tap
  int32_t unused;        // 16 bytes together
  float weights[kQuad];  // of each output of the quad
};

// plain: grid (ceil(images * out_height * out_width / kThreads), quads). T is float or float16 by the
// kernel's name; the weights and the bias are float in both.
struct PlainArguments {
  const void* x;           // [images][channels][height][width]
  const void* residual;    // Z, or NULL
  void* y;                 // [images][out_channels][out_height][out_width]
  const PlainTap* taps;    // [first[quads]]
  const int32_t* first;    // [quads + 1]: taps of quad q are first[q] up to first[q + 1]
  const int32_t* outputs;  // [quads][4]: channel of Y, or -1
  const float* bias;       // [quads][4]
  int32_t images, channels, height, width;
  int32_t out_channels, out_height, out_width;
  int32_t stride[2];  // vertical, horizontal
  float clip_min, clip_max;
};

}  // namespace cct::cuda
