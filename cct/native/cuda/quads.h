// The weights of a packed convolution as the kernel `plain` reads them (launch.h), made on the host.
#pragma once

#include <cstdint>
#include <vector>

#include "cuda/launch.h"
#include "format/packed.h"

namespace cct::cuda {

// The tables, by their names in PlainArguments. A quad is 4 consecutive places of `order` in a group; it
// takes every tap that one of them has.
struct QuadTables {
  explicit QuadTables(const Packed& packed);

  std::vector<PlainTap> taps;
  std::vector<int32_t> first;
  std::vector<int32_t> outputs;
  std::vector<float> bias;
};

}  // namespace cct::cuda
