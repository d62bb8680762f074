// A packed convolution, checked: whoever holds a `Packed` may index with everything in it.
#pragma once

#include <cstdint>
#include <vector>

#include "format/float16.h"
#include "format/packed_struct.h"

namespace cct {

// The window that slides over the image; index 0 is vertical, 1 horizontal.
struct Window {
  int64_t kernel[2], stride[2], dilation[2], pad_begin[2], pad_end[2];

  bool is_plain() const { return stride[0] == 1 && stride[1] == 1; }
  int64_t extent(int axis) const { return (kernel[axis] - 1) * dilation[axis] + 1; }

  // Output size along an axis; less than 1 when the kernel is larger than the padded input.
  int64_t output(int axis, int64_t input) const;
};

// Numbers of either element type, read as floats.
struct Numbers {
  const void* data;
  bool half;

  float operator[](int64_t i) const {
    return half ? widen(static_cast<const uint16_t*>(data)[i]) : static_cast<const float*>(data)[i];
  }
};

// What is not in the arrays.
struct Convolution {
  Window window;
  bool half;  // X, Z and Y are float16
  int64_t group, in_channels, out_channels;
  float clip_min, clip_max;
};

// Of X and Y; index 0 is vertical, 1 horizontal.
struct ImageSize {
  int64_t in[2], out[2];
};

struct Packed : Convolution {
  int64_t entries;
  int64_t bo, bi;
  int64_t out_blocks, in_blocks;  // per group
  int64_t kernels;                // K, kept kernels of a block each
  const int64_t* pool;
  Numbers weights;
  const int32_t *filters, *channels;
  const uint8_t* patterns;
  const int32_t *order, *in_order;
  Numbers bias;
};

// The positions of the kernel that a pool uses: kernel_shape may have far more.
struct Positions {
  Positions(const int64_t* pool, int64_t count);
  explicit Positions(const Packed& packed);  // of the patterns that some kernel has

  std::vector<int64_t> distinct;  // ascending
  std::vector<int32_t> number;    // of each entry of the pool, in `distinct`; -1 if it is not there
};

// The window of these attributes, or a Fault.
Window check_window(cct_ints kernel_shape, cct_ints strides, cct_ints pads, cct_ints dilations);

// The sizes for X of these dimensions, or a Fault where it does not fit the convolution.
ImageSize check_image(const Convolution& conv, const int64_t x_dims[4]);

// A view of `packed` after every check, or a Fault. Its arrays stay the caller's.
Packed check(const cct_packed& packed);

}  // namespace cct
