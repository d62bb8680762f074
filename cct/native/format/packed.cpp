#include "format/packed.h"

#include <algorithm>
#include <cstring>
#include <tuple>
#include <vector>

#include "format/fault.h"

namespace cct {
namespace {

// No attribute of a real network comes near; below it, no sum or product of two of them overflows.
constexpr int64_t kLargest = 65535;

void check_count(const char* name, cct_ints ints, int64_t count) {
  if (ints.count != count || !ints.data) fail(name, " has ", ints.count, " numbers, not ", count);
}

void check_range(const char* name, int64_t value, int64_t low, int64_t high) {
  if (value < low || value > high) fail(name, " = ", value, ", not in ", low, "..", high);
}

void check_each(const char* name, cct_ints ints, int64_t count, int64_t low) {
  check_count(name, ints, count);
  for (int64_t i = 0; i < count; ++i) check_range(name, ints.data[i], low, kLargest);
}

template <class... Dims>
void check_shape(const char* name, const cct_tensor& tensor, Dims... dims) {
  const int64_t want[] = {dims...};
  const int64_t rank = sizeof...(dims);
  bool same = tensor.rank == rank;
  for (int64_t i = 0; same && i < rank; ++i) same = tensor.dims[i] == want[i];
  if (same) return;
  std::ostringstream text;
  text << name << " has shape (";
  for (int64_t i = 0; i < tensor.rank; ++i) text << (i ? ", " : "") << tensor.dims[i];
  text << "), not (";
  for (int64_t i = 0; i < rank; ++i) text << (i ? ", " : "") << want[i];
  fail(text.str(), ")");
}

// Whether a type is float16.
bool check_type(const char* name, int32_t type) {
  if (type != CCT_FLOAT32 && type != CCT_FLOAT16) {
    fail(name, " has element type ", type, ", not ", int{CCT_FLOAT32}, " (float32) or ", int{CCT_FLOAT16},
         " (float16)");
  }
  return type == CCT_FLOAT16;
}

void check_channels(const Packed& p, cct_ints block) {
  check_range("group", p.group, 1, INT32_MAX);
  check_range("in_channels", p.in_channels, 1, INT32_MAX);
  check_range("out_channels", p.out_channels, 1, INT32_MAX);
  if (p.in_channels % p.group) fail("in_channels = ", p.in_channels, " is no multiple of group = ", p.group);
  if (p.out_channels % p.group)
    fail("out_channels = ", p.out_channels, " is no multiple of group = ", p.group);
  check_each("block", block, 2, 1);
}

void check_pool(const Packed& p, cct_ints pool) {
  const int64_t positions = p.window.kernel[0] * p.window.kernel[1];
  check_range("entries", p.entries, 1, positions);
  if (pool.count % p.entries) {
    fail("pool has ", pool.count, " numbers, no multiple of entries = ", p.entries);
  }
  check_range("patterns in pool", pool.count / p.entries, 1, 256);
  for (int64_t i = 0; i < pool.count; ++i) {
    if (pool.data[i] < 0 || pool.data[i] >= positions) {
      fail("pool[", i, "] = ", pool.data[i], ", but kernel_shape has ", positions, " positions");
    }
    if (i % p.entries && pool.data[i] <= pool.data[i - 1]) {
      fail("pool[", i, "] = ", pool.data[i], " after ", pool.data[i - 1], ": a pattern must ascend");
    }
  }
}

// Each of `count` channels once, -1 elsewhere, and no channel outside its group.
void check_order(const char* name, const int32_t* order, int64_t count, int64_t group,
                 int64_t places_per_group) {
  const int64_t channels_per_group = count / group;
  std::vector<char> seen(count, false);
  int64_t found = 0;
  for (int64_t i = 0; i < group * places_per_group; ++i) {
    const int64_t channel = order[i];
    if (channel == -1) continue;
    if (channel < 0 || channel >= count) fail(name, "[", i, "] = ", channel, ", not in -1..", count - 1);
    if (channel / channels_per_group != i / places_per_group) {
      fail(name, "[", i, "] = ", channel, " is outside of its group ", i / places_per_group);
    }
    if (seen[channel]) fail(name, "[", i, "] = ", channel, " is there twice");
    seen[channel] = true;
    ++found;
  }
  if (found != count) fail(name, " has ", found, " of ", count, " channels");
}

void check_kernels(const Packed& p, int64_t pool_count) {
  const int64_t patterns = pool_count / p.entries;
  for (int64_t k = 0; k < p.kernels; ++k) {
    if (p.filters[k] < 0 || p.filters[k] >= p.group * p.out_blocks) {
      fail("filters[", k, "] = ", p.filters[k], ", but there are ", p.group * p.out_blocks,
           " blocks of output channels");
    }
    if (p.channels[k] < 0 || p.channels[k] >= p.in_blocks) {
      fail("channels[", k, "] = ", p.channels[k], ", but there are ", p.in_blocks,
           " blocks of input channels in a group");
    }
    if (p.patterns[k] >= patterns) {
      fail("patterns[", k, "] = ", int{p.patterns[k]}, ", but the pool has ", patterns, " patterns");
    }
    if (!k) continue;
    const auto kernel = [&](int64_t i) { return std::tuple(p.filters[i], p.channels[i], p.patterns[i]); };
    if (!(kernel(k - 1) < kernel(k))) {
      fail("(filters, channels, patterns)[", k, "] = (", p.filters[k], ", ", p.channels[k], ", ",
           int{p.patterns[k]}, ") does not ascend");
    }
  }
}

// Several patterns at one place of the weight add up, so they may not share a position.
void check_overlaps(const Packed& p, int64_t pool_count) {
  const Positions positions(p.pool, pool_count);
  std::vector<int64_t> taken(positions.distinct.size(), -1);  // by the place with this first kernel
  int64_t first = 0;
  for (int64_t k = 0; k < p.kernels; ++k) {
    if (p.filters[k] != p.filters[first] || p.channels[k] != p.channels[first]) first = k;
    for (int64_t e = p.patterns[k] * p.entries; e < (p.patterns[k] + 1) * p.entries; ++e) {
      if (taken[positions.number[e]] == first) {
        fail("patterns[", k, "] = ", int{p.patterns[k]},
             " overlaps another pattern of (filters, channels) = (", p.filters[k], ", ", p.channels[k],
             ") at position ", p.pool[e]);
      }
      taken[positions.number[e]] = first;
    }
  }
}

// Padding has no channel, so a weight there would have no meaning.
void check_padding(const Packed& p) {
  int64_t row = 0;
  for (int64_t k = 0; k < p.kernels; ++k) {
    const int64_t group = p.filters[k] / p.out_blocks;
    const int32_t* outputs = p.order + p.filters[k] * p.bo;
    const int32_t* inputs = p.in_order + (group * p.in_blocks + p.channels[k]) * p.bi;
    for (int64_t i = 0; i < p.bi * p.entries; ++i, row += p.bo) {
      for (int64_t j = 0; j < p.bo; ++j) {
        const float weight = p.weights[row + j];
        if (weight == 0 || (outputs[j] >= 0 && inputs[i / p.entries] >= 0)) continue;
        fail("W[", k, ", ", i, ", ", j, "] = ", weight, " is on the padding of ",
             outputs[j] < 0 ? "order" : "in_order", ", which must be zero");
      }
    }
  }
}

}  // namespace

Positions::Positions(const int64_t* pool, int64_t count) : distinct(pool, pool + count), number(count) {
  std::sort(distinct.begin(), distinct.end());
  distinct.resize(std::unique(distinct.begin(), distinct.end()) - distinct.begin());
  for (int64_t i = 0; i < count; ++i) {
    number[i] = std::lower_bound(distinct.begin(), distinct.end(), pool[i]) - distinct.begin();
  }
}

Positions::Positions(const Packed& p) {
  std::vector<int64_t> first(256, -1), pool;  // of each pattern, in `pool`
  for (int64_t k = 0; k < p.kernels; ++k) {
    if (first[p.patterns[k]] >= 0) continue;
    first[p.patterns[k]] = pool.size();
    pool.insert(pool.end(), p.pool + p.patterns[k] * p.entries, p.pool + (p.patterns[k] + 1) * p.entries);
  }
  const Positions used(pool.data(), pool.size());
  distinct = used.distinct;
  for (int64_t pattern = 0; pattern < 256; ++pattern) {
    if (first[pattern] < 0) continue;
    number.resize((pattern + 1) * p.entries, -1);
    std::copy_n(used.number.begin() + first[pattern], p.entries, number.begin() + pattern * p.entries);
  }
}

int64_t Window::output(int axis, int64_t input) const {
  const int64_t room = input + pad_begin[axis] + pad_end[axis] - extent(axis);
  return room < 0 ? 0 : room / stride[axis] + 1;
}

Window check_window(cct_ints kernel_shape, cct_ints strides, cct_ints pads, cct_ints dilations) {
  check_each("kernel_shape", kernel_shape, 2, 1);
  check_each("strides", strides, 2, 1);
  check_each("pads", pads, 4, 0);
  check_each("dilations", dilations, 2, 1);
  Window window;
  for (int axis = 0; axis < 2; ++axis) {
    window.kernel[axis] = kernel_shape.data[axis];
    window.stride[axis] = strides.data[axis];
    window.dilation[axis] = dilations.data[axis];
    window.pad_begin[axis] = pads.data[axis];
    window.pad_end[axis] = pads.data[2 + axis];
  }
  return window;
}

ImageSize check_image(const Convolution& conv, const int64_t x_dims[4]) {
  const Window& w = conv.window;
  if (x_dims[1] != conv.in_channels) fail("X has ", x_dims[1], " channels, not ", conv.in_channels);
  ImageSize size;
  for (int axis = 0; axis < 2; ++axis) {
    const char* name = axis ? "width" : "height";
    const int64_t in = size.in[axis] = x_dims[2 + axis];
    if (in < 1 || in > INT32_MAX) fail("X has ", name, " ", in, ", not 1..", INT32_MAX);
    size.out[axis] = w.output(axis, in);
    if (size.out[axis] < 1) {
      fail("kernel ", w.kernel[axis], " with dilation ", w.dilation[axis], " is larger than X with ", name,
           " ", in, " and padding ", w.pad_begin[axis], " + ", w.pad_end[axis]);
    }
  }
  product("X", conv.in_channels, size.in[0], size.in[1], sizeof(float));
  product("Y", conv.out_channels, size.out[0], size.out[1], sizeof(float));
  return size;
}

Packed check(const cct_packed& packed) {
  if (!packed.layout || std::strcmp(packed.layout, "NCHW")) {
    fail("layout = \"", packed.layout ? packed.layout : "", "\", but this library has \"NCHW\" only");
  }
  Packed p{};
  p.window = check_window(packed.kernel_shape, packed.strides, packed.pads, packed.dilations);
  p.group = packed.group;
  p.in_channels = packed.in_channels;
  p.out_channels = packed.out_channels;
  check_channels(p, packed.block);
  p.bo = packed.block.data[0];
  p.bi = packed.block.data[1];
  p.out_blocks = divide_up(p.out_channels / p.group, p.bo);
  p.in_blocks = divide_up(p.in_channels / p.group, p.bi);
  p.entries = packed.entries;
  p.pool = packed.pool.data;
  check_pool(p, packed.pool);
  p.half = check_type("X", packed.type);
  const bool half_weights = check_type("W", packed.weight_type);
  if (p.half && !half_weights) fail("W is float32, wider than X, which is float16");
  p.clip_min = packed.clip_min;
  p.clip_max = packed.clip_max;
  if (!(p.clip_min <= p.clip_max)) fail("clip_min = ", p.clip_min, " is not at most clip_max = ", p.clip_max);

  if (packed.W.rank != 3) fail("W has rank ", packed.W.rank, ", not 3");
  p.kernels = packed.W.dims[0];
  check_range("kernels in W", p.kernels, 0, INT32_MAX);
  check_shape("W", packed.W, p.kernels, p.bi * p.entries, p.bo);
  check_shape("filters", packed.filters, p.kernels);
  check_shape("channels", packed.channels, p.kernels);
  check_shape("patterns", packed.patterns, p.kernels);
  check_shape("order", packed.order, p.group * p.out_blocks * p.bo);
  check_shape("in_order", packed.in_order, p.group * p.in_blocks * p.bi);
  check_shape("B", packed.B, p.out_channels);
  p.weights = {packed.W.data, half_weights};
  p.filters = static_cast<const int32_t*>(packed.filters.data);
  p.channels = static_cast<const int32_t*>(packed.channels.data);
  p.patterns = static_cast<const uint8_t*>(packed.patterns.data);
  p.order = static_cast<const int32_t*>(packed.order.data);
  p.in_order = static_cast<const int32_t*>(packed.in_order.data);
  p.bias = {packed.B.data, p.half};

  check_order("order", p.order, p.out_channels, p.group, p.out_blocks * p.bo);
  check_order("in_order", p.in_order, p.in_channels, p.group, p.in_blocks * p.bi);
  check_kernels(p, packed.pool.count);
  check_overlaps(p, packed.pool.count);
  check_padding(p);
  return p;
}

}  // namespace cct
