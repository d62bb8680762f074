// What a routine works on: plain arrays, made once per session (weights.h) or once per run (geometry.h), and
// the functions that every ISA row has. routine.cpp is compiled once for each row.
//
// The algorithm. A channel of the padded input lies in memory as rows of `pitch` floats, so that what one tap
// of the kernel reads for an output pixel is a constant number of floats (its offset) away from what it reads
// for the next. Output pixels are then one flat sequence of lanes, cut into vectors without regard to rows:
// lane y * pitch + x is output pixel (y, x), and lanes with x beyond the output's width are computed and
// dropped at the store. The zero columns left of a row serve as the right padding of the row above it, which
// keeps such lanes few. With a stride, the padded input is split into planes by row and column modulo the
// stride, which restores the constant offset.
#pragma once

#include <cstdint>

namespace cct {

constexpr int kTileWidth = 4;  // most output channels that are computed together

// A kept position of one input channel.
struct Tap {
  int32_t channel;  // of X
  int32_t shift;    // index into the offsets of a run
};

// Output channels that share all their taps: 4, 2 or 1 of a block.
struct Tile {
  const Tap* taps;
  const float* weights;  // taps x width
  int64_t count;         // of taps
  int32_t width;
  int32_t outputs[kTileWidth];  // channels of Y
  float bias[kTileWidth];
};

// Where the lanes of a vector land.
struct Lanes {
  int64_t pixel;  // of the first lane that is kept
  uint32_t keep;  // bit i: lane i is a pixel
  int32_t count;  // of lanes that are kept
};

// Every stride-th row and column of the padded input, from some row and column on.
struct Plane {
  int64_t row;                 // of the padded input
  int64_t zeros, columns;      // a row: leading zeros, then columns of X, then zeros again
  int64_t first_input_column;  // of X
};

// How packed rows lie in memory: channel by channel, in each plane by plane, in each row by row.
struct Layout {
  int64_t height, width;  // of X
  int64_t stride[2], pad_top;
  int64_t plane_count, last_column;  // last_column: the largest distance of a tap to the right, in a plane
  int64_t pitch, plane_lanes, channel_lanes;  // floats of a row, plane, channel
};

// Some rows of an image and where they go.
struct Band {
  const float* image;  // C x height x width
  float* slot;
  const Plane* planes;
  int64_t first_row, rows;  // of each plane
};

// A run of vectors of some output channels.
struct Span {
  const float* x;          // image or packed rows
  int64_t first_lane;      // of x, where vector `begin` reads its channel 0 with offset 0
  int64_t channel_lanes;   // floats from one channel to the next
  const int64_t* offsets;  // of each shift
  const Lanes* vectors;
  int64_t begin, end;  // of the vectors
  int64_t end_pixel;   // the first pixel after them: nothing is written from there on
  float* y;            // image of the output
  const float* z;      // residual image or NULL
  int64_t plane;       // pixels of an output channel
  float clip_min, clip_max;
};

struct Routine {
  int lanes;          // floats of a vector
  const int* widest;  // most vectors of a tile, by its width
  void (*pack)(const Layout&, const Band&, int64_t first_channel, int64_t end_channel);
  void (*compute)(const Span&, const Tile* tiles, int64_t count);
  void (*widen)(const uint16_t* from, float* to, int64_t count);   // float16 to float
  void (*narrow)(const float* from, uint16_t* to, int64_t count);  // and back, rounded
};

}  // namespace cct
