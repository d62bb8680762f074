#include "ort/node.h"

#include <cstring>
#include <limits>

#include "format/fault.h"

namespace cct {
namespace {

size_t element_size(OrtElementType type) { return type == ORT_UINT8 ? 1 : type == ORT_FLOAT16 ? 2 : 4; }

// With or without the library a node must mean the same: the body of its name ignores the attributes.
void check_clip(const Form& form, float clip_min, float clip_max) {
  if (form.clip == Clip::kAny) return;
  const float low = form.clip == Clip::kRelu ? 0.0f : -std::numeric_limits<float>::infinity();
  if (clip_min != low || clip_max != std::numeric_limits<float>::infinity())
    fail(form.name, ": clip_min = ", clip_min, " and clip_max = ", clip_max, ", which its name does not say");
}

// Whoever reads a constant here must be able to: a provider of a device could have ignored what the operator
// asked for.
void check_memory(const OrtApi* api, const OrtValue* value, const char* name) {
  const OrtMemoryInfo* memory = nullptr;
  check_status(api, ort::GetTensorMemoryInfo(api, value, &memory), name);
  OrtDeviceType device = ORT_CPU;
  ort::MemoryInfoGetDeviceType(api, memory, &device);
  if (device != ORT_CPU) fail("PatternConv: ", name, " lies in the memory of a device");
}

}  // namespace

const char* const kInputNames[kInputs] = {"X",     "W",        "filters", "channels", "patterns",
                                          "order", "in_order", "B",       "Z"};

OrtElementType input_type(const Types& types, size_t input) {
  switch (input) {
    case kW:
      return types.weight_type;
    case kPatterns:
      return ORT_UINT8;
    case kX:
    case kB:
    case kZ:
      return types.type;
    default:
      return ORT_INT32;
  }
}

std::vector<int64_t> dims_of(const OrtApi* api, const OrtValue* value, const char* name) {
  OrtTensorTypeAndShapeInfo* info = nullptr;
  check_status(api, ort::GetTensorTypeAndShape(api, value, &info), name);
  size_t rank = 0;
  OrtStatus* status = ort::GetDimensionsCount(api, info, &rank);
  std::vector<int64_t> dims(status ? 0 : rank);
  if (!status) status = ort::GetDimensions(api, info, dims.data(), rank);
  ort::ReleaseTensorTypeAndShapeInfo(api, info);
  check_status(api, status, name);
  return dims;
}

void* data_of(const OrtApi* api, const OrtValue* value, const char* name) {
  void* data = nullptr;
  check_status(api, ort::GetTensorMutableData(api, const_cast<OrtValue*>(value), &data), name);
  return data;
}

Node::Node(const OrtApi* api, const OrtKernelInfo* info, const Form& form, const Types& types)
    : api_(api), info_(info), types_(types), layout_(text("layout")) {
  packed_.layout = layout_.c_str();
  packed_.kernel_shape = integers("kernel_shape");
  packed_.strides = integers("strides");
  packed_.pads = integers("pads");
  packed_.dilations = integers("dilations");
  packed_.pool = integers("pool");
  packed_.block = integers("block");
  packed_.group = integer("group");
  packed_.in_channels = integer("in_channels");
  packed_.out_channels = integer("out_channels");
  packed_.entries = integer("entries");
  packed_.clip_min = real("clip_min");
  packed_.clip_max = real("clip_max");
  check_clip(form, packed_.clip_min, packed_.clip_max);
  packed_.type = types.type;
  packed_.weight_type = types.weight_type;
  packed_.W = constant(kW);
  packed_.filters = constant(kFilters);
  packed_.channels = constant(kChannels);
  packed_.patterns = constant(kPatterns);
  packed_.order = constant(kOrder);
  packed_.in_order = constant(kInOrder);
  packed_.B = constant(kB);
}

int64_t Node::integer(const char* name) const {
  int64_t value = 0;
  check_status(api_, ort::KernelInfoGetAttribute_int64(api_, info_, name, &value), name);
  return value;
}

float Node::real(const char* name) const {
  float value = 0;
  check_status(api_, ort::KernelInfoGetAttribute_float(api_, info_, name, &value), name);
  return value;
}

std::string Node::text(const char* name) const {
  size_t size = 0;  // with the terminating zero
  check_status(api_, ort::KernelInfoGetAttribute_string(api_, info_, name, nullptr, &size), name);
  std::string value(size, '\0');
  check_status(api_, ort::KernelInfoGetAttribute_string(api_, info_, name, value.data(), &size), name);
  return value.c_str();
}

cct_ints Node::integers(const char* name) {
  size_t count = 0;
  check_status(api_, ort::KernelInfoGetAttributeArray_int64(api_, info_, name, nullptr, &count), name);
  auto values = std::make_unique<std::vector<int64_t>>(count);
  if (count) {
    check_status(api_, ort::KernelInfoGetAttributeArray_int64(api_, info_, name, values->data(), &count),
                 name);
  }
  return {keep(std::move(values)), static_cast<int64_t>(count)};
}

cct_tensor Node::constant(Input input) {
  const char* name = kInputNames[input];
  int is_constant = 0;
  const OrtValue* value = nullptr;
  check_status(api_, ort::KernelInfoGetConstantInput_tensor(api_, info_, input, &is_constant, &value), name);
  if (!is_constant || !value) {
    const bool half = input_type(types_, input) == ORT_FLOAT16;
    fail("PatternConv: ", name, " must be a constant initializer",
         half ? "; a model with float16 activations needs onnxruntime 1.23 on the CPU" : "");
  }
  check_memory(api_, value, name);
  auto dims = std::make_unique<std::vector<int64_t>>(dims_of(api_, value, name));
  const auto rank = static_cast<int64_t>(dims->size());
  const void* data = aligned(data_of(api_, value, name), element_size(input_type(types_, input)), *dims);
  return {data, keep(std::move(dims)), rank};
}

// ONNX Runtime maps initializers of other files wherever they lie: a copy if that is at an odd address.
const void* Node::aligned(const void* data, size_t element, const std::vector<int64_t>& dims) {
  if (reinterpret_cast<uintptr_t>(data) % element == 0) return data;
  int64_t bytes = static_cast<int64_t>(element);
  for (int64_t dim : dims) bytes = product("PatternConv: a constant", bytes, dim);
  auto copy = std::make_unique<std::vector<int64_t>>(divide_up(bytes, sizeof(int64_t)));
  std::memcpy(copy->data(), data, bytes);
  return keep(std::move(copy));
}

const int64_t* Node::keep(std::unique_ptr<std::vector<int64_t>> values) {
  kept_.push_back(std::move(values));
  return kept_.back()->data();
}

}  // namespace cct
