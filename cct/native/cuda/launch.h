// What the host hands to each kernel on the GPU: one struct by value, and the tables that it points to. Plain
// C++, included by nvcc, by the host and by the emulator alike.
//
// Y = clip(conv(X, W) + bias [+ Z]); X, Z and Y are NCHW. Four ways:
//
//   halo      3x3, stride 1, dilation 1, pads 1, rows of a multiple of 4 pixels
//   pointwise 1x1, stride 1, no pads, planes of a multiple of 4 pixels
//   gather    any window of at most 32 taps; to_chunks runs before it
//   plain     anything, float32 or float16, on any GPU
//
// All but plain run on tensor cores, float16 or float32 as tf32, and may split the sum into parts (grid z),
// which finish adds; nothing is atomic.
//
// Words of the tensor core kernels:
//
//   chunk     16 bytes of input channels of one group, 8 of float16 or 4 of tf32: consecutive places of
//             in_order. A place without a channel (-1, or beyond the group's last one) reads as zero.
//   tap       a position of the window that any kernel keeps.
//   step      one chunk at one tap: 8 or 4 products for each output.
//   slab      4 steps, 32 or 16 products: what the pipeline moves at a time. With a window larger than 1x1
//             the four steps have the same chunk. Steps that only fill a slab repeat one of it; their weights
//             are zero.
//   out tile  the output channels that a block of threads computes, BN of one group: consecutive places of
//             order, filled up with -1.
//
// A weight of zero is multiplied like any other: an infinity or NaN in X makes NaN of it, as it does in the
// dense convolution, though the CPU never reads what is not kept.
//
// tf32 is float32 whose last 13 bits tensor cores do not read. Weights and X are rounded to the nearest such
// number before, on the host, by to_chunks, or where they are loaded; sums, bias, Z and Y are float32
// throughout.
//
// All pointers are to the GPU's memory and aligned to 16 bytes. float16 is uint16_t. Below 2^31 each: images
// * out_plane + 256 and images * chunk_count * height * width (gather), images * row_tiles * column_tiles *
// out_tiles (halo) and channels * height * width (halo, pointwise). Other products are computed in 64 bits.
#pragma once

#include <cstdint>

namespace cct::cuda {

using Half = uint16_t;  // float16

constexpr int kChunkBytes = 16;
constexpr int kSlabSteps = 4;
constexpr int kSlabBytes = kSlabSteps * kChunkBytes;  // of an output channel's weights, and of a pixel
constexpr int kMostTaps = 32;                         // of gather: a bit each
constexpr int kQuad = 4;                              // output channels that a thread of plain computes
constexpr int kThreads = 128;                         // of a block, in every kernel

// Channels of a chunk and products of a slab, of Half or float.
template <class T>
constexpr int kChunk = kChunkBytes / static_cast<int>(sizeof(T));
template <class T>
constexpr int kSlab = kSlabSteps * kChunk<T>;

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
  const unsigned char* weights;  // [out_tiles][max_slabs][BN][4 steps][channels of a chunk]
  const Step* steps;             // [out_tiles][max_slabs][4]
  const int32_t* counts;         // [out_tiles]: slabs, from 0 to max_slabs
  const Tap* taps;               // [tap_count]
  int32_t tap_count;
  int32_t max_slabs;  // of any out tile
  int32_t out_tiles;  // of all groups together
};

// What follows the sum. Z and Y are Half or float, by the kernel's name.
struct Ending {
  const float* bias;       // [out_tiles][BN]
  const int32_t* outputs;  // [out_tiles][BN]: channel of Y, or -1
  const void* residual;    // Z, or NULL
  void* y;
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
  const void* x;          // [images][channels][height][width], Half or float by the kernel's name
  const int32_t* inputs;  // [chunks][channels of a chunk]: channel of X, or -1
  int32_t images, channels, height, width;
  int32_t row_tiles, column_tiles;  // ceil(height / rows of the tile), ceil(width / its columns)
};

// pointwise: planes of X are a multiple of the tile's copy_pixels. Grid as for gather.
struct PointwiseArguments {
  Slabs slabs;
  Ending ending;
  const void* x;          // [images][channels][plane], Half or float by the kernel's name
  const int32_t* inputs;  // [chunks][channels of a chunk]: channel of X, or -1
  int32_t images, channels, plane;
};

// gather: grid (pixel_tiles * out_tiles, 1, parts), the out tile first; pixel_tiles = ceil(images * out_plane
// / pixels of the tile). Parts as for halo.
struct GatherArguments {
  Slabs slabs;
  Ending ending;
  const unsigned char* chunks;  // [images][chunk_count][height][width] x 16 bytes, written by to_chunks
  int32_t chunk_count;
  int32_t images, height, width;  // of X
  int32_t out_width;
  int32_t stride[2];  // vertical, horizontal
};

// to_chunks: grid (ceil(images * plane / kThreads), chunk_count). T is Half or float by the kernel's name.
struct ChunksArguments {
  const void* x;          // [images][channels][plane]
  const int32_t* inputs;  // [chunk_count][channels of a chunk]: channel of X, or -1
  void* chunks;           // [images][chunk_count][plane][channels of a chunk]
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

// plain: grid (ceil(images * out_height * out_width / kThreads), quads). T is float or Half by the
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
