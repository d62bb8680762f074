// What a routine works on: plain arrays, made once per session (weights.h) or once per size of images
// (plan.h), and the functions that every ISA row has. routine.cpp is compiled once for each row.
//
// The algorithm. A channel of the padded input lies in memory as rows of `pitch` floats, so that what one tap
// of the kernel reads for an output pixel is a constant number of floats (its offset) away from what it reads
// for the next. Output pixels are then one flat sequence of lanes, cut into vectors without regard to rows:
// lane y * pitch + x is output pixel (y, x), and lanes with x beyond the output's width are computed and
// dropped at the store. The zero columns left of a row serve as the right padding of the row above it, which
// keeps such lanes few. With a stride, the padded input is split into planes by row and column modulo the
// stride, which restores the constant offset.
//
// Whole planes. Where rows are short the zero columns are a large share of the lanes. Then there is a copy of
// X for each column of the kernel, moved sideways, with zeros where it leaves the image: a row has no lane
// that is dropped. With a stride of 2 these are copies of every second column. The few pixels that are left
// after the last whole vector may be computed one by one, as vectors over output channels.
#pragma once

#include <cstdint>

namespace cct {

constexpr int kTileWidth = 4;  // most output channels that are computed together

// How far a routine may look ahead in the offsets of the taps.
constexpr int kLookAhead = 16;

// Output channels that share all their taps: 4, 2 or 1 of a block.
struct Tile {
  int64_t first, count;  // of the taps
  const float* weights;  // count x width
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
  int64_t first_input_column;  // of X, for lane 0 of a row of whole planes: may be negative
  const uint32_t* inside;      // of whole planes, for each vector from the start of a row on: lanes within X
};

// How packed rows lie in memory: channel by channel, in each plane by plane, in each row by row.
struct Layout {
  int64_t height, width;  // of X
  int64_t stride[2], pad_top;
  int64_t plane_count, last_column;  // last_column: the largest distance of a tap to the right, in a plane
  int64_t pitch, plane_lanes, channel_lanes;  // floats of a row, plane, channel
  bool run;                                   // the one plane is X with zeros between its rows
  bool whole;  // each plane is X moved sideways by less than its width, and has its pitch
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
  const float* x;          // image or packed rows, where vector `begin` reads with offset 0
  const int32_t* offsets;  // of each tap
  const Lanes* gaps;       // of each vector; NULL when all lanes are pixels, one after the other
  int64_t begin, end;      // of the vectors
  int64_t tail;            // pixels after them, at most the routine's `tail`
  int64_t end_pixel;       // nothing is written from there on
  float* y;                // image of the output
  const float* z;          // residual image or NULL
  int64_t plane;           // pixels of an output channel
  float clip_min, clip_max;
};

// Strips, for output channels that share no taps with others. An image is cut into strips of columns, so
// narrow that what a row of pixels reads of a plane is one cache line. Then loads never cross lines, and kept
// positions below each other (a run) share them: vectors are loaded once for all rows of a run.
constexpr int kStripLine = 16;  // floats
constexpr int kStripLanes = 8;  // of a vector; a wide strip has two in a line, which may overlap
constexpr int kLongestRun = 3;

// One output channel in one pass. Its runs lie in groups, in each by length.
struct StripTile {
  int64_t first;          // of the runs
  const int32_t* counts;  // groups x kLongestRun
  int64_t groups;
  const float* weights;  // of all runs
  int32_t output;        // channel of Y
  float bias;
};

// What lies in the lines of a plane of a strip: input rows and columns from these on, both may be negative, a
// stride apart; lanes begin..end are within X.
struct StripPlane {
  int64_t row, column, begin, end;
};

struct StripBand {
  const float* image;  // C x height x width
  float* slot;
  const StripPlane* planes;
  int64_t first_row, rows;  // of each plane
  int64_t height, width;    // of X
  int64_t stride[2];
  int64_t plane_count, plane_floats, channel_floats;
  int64_t line;  // floats from row to row
};

// Rows of pixels of a strip.
struct StripSpan {
  const float* x;          // lines
  const int32_t* offsets;  // of each run
  int64_t line;            // floats from row to row
  bool is_first;           // of the passes over the channels; the others go on with the sums in y
  int64_t rows;
  int64_t columns;  // at most two vectors
  float* y;         // image of the output, from the first pixel of the strip on
  const float* z;   // likewise, or NULL
  int64_t pitch;    // pixels of a row of the output
  int64_t plane;    // pixels of an output channel
  float clip_min, clip_max;
};

// Lanes of some images, for the gradient of the weights.
struct GradientSpan {
  const float *x, *dy;        // of the first image, for the first lane: x with offset 0, dy of channel 0
  int64_t x_image, dy_image;  // floats from image to image
  int64_t images;
  int64_t dy_channel;      // floats from channel to channel
  int64_t vectors, rest;   // rest: lanes after them, less than a vector
  const int32_t* offsets;  // of each tap
  const float* values;     // the weights of all tiles
  float* sums;             // their gradients, which grow by those of these lanes
};

struct Routine {
  int lanes;          // floats of a vector
  const int* widest;  // most vectors of a tile, by its width
  int64_t whole;      // widest rows of the output for which planes should be whole
  int tail;           // most pixels that are computed one by one, after the vectors of an image; 2 and more
                      // may read as many as that
  int strip_rows;     // most rows of a wide strip that are computed together; 0: there are no strips
  void (*pack)(const Layout&, const Band&, int64_t channels);
  void (*compute)(const Span&, const Tile* tiles, int64_t count);
  void (*pack_strip)(const StripBand&, int64_t channels);
  void (*compute_strip)(const StripSpan&, const StripTile* tiles, int64_t count);
  void (*gradient)(const GradientSpan&, const Tile* tiles, int64_t count);
  void (*spread)(const float* from, const float* end, const Lanes* gaps, int64_t vectors, float* to);
  void (*widen)(const uint16_t* from, float* to, int64_t count);   // float16 to float
  void (*narrow)(const float* from, uint16_t* to, int64_t count);  // and back, rounded
};

}  // namespace cct
