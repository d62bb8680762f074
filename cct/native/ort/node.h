// Reading a PatternConv node of a graph: what it is registered as, its attributes and its constant inputs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "format/packed_struct.h"
#include "ort/ort_calls.h"

namespace cct {

enum Input : size_t { kX, kW, kFilters, kChannels, kPatterns, kOrder, kInOrder, kB, kZ, kInputs };
extern const char* const kInputNames[kInputs];

enum class Clip { kNone, kRelu, kAny };

// One operator: the names are for its function bodies, which can't branch (docs/operator.md).
struct Form {
  const char* name;
  bool residual;  // has an input Z
  Clip clip;      // what its clip attributes must say
};

struct Types {
  OrtElementType type, weight_type;  // of X, B, Z and Y; of W
};

OrtElementType input_type(const Types& types, size_t input);

std::vector<int64_t> dims_of(const OrtApi* api, const OrtValue* value, const char* name);
void* data_of(const OrtApi* api, const OrtValue* value, const char* name);

// What it hands out lives as long as it does.
class Node {
 public:
  Node(const OrtApi* api, const OrtKernelInfo* info, const Form& form, const Types& types);

  const cct_packed& packed() const { return packed_; }

 private:
  int64_t integer(const char* name) const;
  float real(const char* name) const;
  std::string text(const char* name) const;
  cct_ints integers(const char* name);
  cct_tensor constant(Input input);
  const void* aligned(const void* data, size_t element, const std::vector<int64_t>& dims);
  const int64_t* keep(std::unique_ptr<std::vector<int64_t>> values);

  const OrtApi* api_;
  const OrtKernelInfo* info_;
  const Types types_;
  std::string layout_;
  std::vector<std::unique_ptr<std::vector<int64_t>>> kept_;
  cct_packed packed_{};
};

}  // namespace cct
