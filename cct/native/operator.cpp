// cct::PatternConv for ONNX Runtime's CPU provider. Beside infer_shape.cpp the only file that knows its
// types.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "infer_shape.h"
#include "isa.h"
#include "ort_calls.h"
#include "pattern_conv.h"

namespace {

using cct::check_status;
using cct::fail;
using cct::guarded;

constexpr const char* kDomain = "cct";
enum class Clip { kNone, kRelu, kAny };

// One operator: the names are for its function bodies, which can't branch (docs/operator.md).
struct Form {
  const char* name;
  bool residual;  // has an input Z
  Clip clip;      // what its clip attributes must say
};
constexpr Form kForms[] = {
    {"PatternConv", false, Clip::kNone},     {"PatternConvAdd", true, Clip::kNone},
    {"PatternConvRelu", false, Clip::kRelu}, {"PatternConvAddRelu", true, Clip::kRelu},
    {"PatternConvClip", false, Clip::kAny},  {"PatternConvAddClip", true, Clip::kAny},
};
enum Input : size_t { kX, kW, kFilters, kChannels, kPatterns, kOrder, kInOrder, kB, kZ, kInputs };
constexpr const char* kInputNames[kInputs] = {"X",     "W",        "filters", "channels", "patterns",
                                              "order", "in_order", "B",       "Z"};

// What is registered: ONNX Runtime chooses by provider and types.
struct Variant {
  const char* provider;
  OrtElementType type, weight_type;  // of X, B, Z and Y; of W
};
constexpr Variant kVariants[] = {
    {"CPUExecutionProvider", ORT_FLOAT, ORT_FLOAT},
    {"CPUExecutionProvider", ORT_FLOAT, ORT_FLOAT16},
    {"CPUExecutionProvider", ORT_FLOAT16, ORT_FLOAT16},
};

// A form and variant of one registration. ONNX Runtime asks it questions without saying where its API is.
struct Operator : OrtCustomOp {
  const OrtApi* api;
  Form form;
  Variant variant;
};

const Form& form_of(const OrtCustomOp* op) { return static_cast<const Operator*>(op)->form; }
const Variant& variant_of(const OrtCustomOp* op) { return static_cast<const Operator*>(op)->variant; }

OrtElementType input_type(const Variant& variant, size_t input) {
  switch (input) {
    case kW:
      return variant.weight_type;
    case kPatterns:
      return ORT_UINT8;
    case kX:
    case kB:
    case kZ:
      return variant.type;
    default:
      return ORT_INT32;
  }
}

size_t element_size(OrtElementType type) { return type == ORT_UINT8 ? 1 : type == ORT_FLOAT16 ? 2 : 4; }

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

// ---------------------------------------------------------------- attributes and constant inputs

// Reads a node; what it hands out lives as long as it does.
class Node {
 public:
  Node(const OrtApi* api, const OrtKernelInfo* info, const Variant& variant)
      : api_(api), info_(info), variant_(variant) {}

  int64_t integer(const char* name) const {
    int64_t value = 0;
    check_status(api_, ort::KernelInfoGetAttribute_int64(api_, info_, name, &value), name);
    return value;
  }

  float real(const char* name) const {
    float value = 0;
    check_status(api_, ort::KernelInfoGetAttribute_float(api_, info_, name, &value), name);
    return value;
  }

  std::string text(const char* name) const {
    size_t size = 0;  // with the terminating zero
    check_status(api_, ort::KernelInfoGetAttribute_string(api_, info_, name, nullptr, &size), name);
    std::string value(size, '\0');
    check_status(api_, ort::KernelInfoGetAttribute_string(api_, info_, name, value.data(), &size), name);
    return value.c_str();
  }

  cct_ints integers(const char* name) {
    size_t count = 0;
    check_status(api_, ort::KernelInfoGetAttributeArray_int64(api_, info_, name, nullptr, &count), name);
    auto values = std::make_unique<std::vector<int64_t>>(count);
    if (count) {
      check_status(api_, ort::KernelInfoGetAttributeArray_int64(api_, info_, name, values->data(), &count),
                   name);
    }
    return {keep(std::move(values)), static_cast<int64_t>(count)};
  }

  cct_tensor constant(Input input) {
    const char* name = kInputNames[input];
    int is_constant = 0;
    const OrtValue* value = nullptr;
    check_status(api_, ort::KernelInfoGetConstantInput_tensor(api_, info_, input, &is_constant, &value),
                 name);
    if (!is_constant || !value) {
      const bool half = input_type(variant_, input) == ORT_FLOAT16;
      fail("PatternConv: ", name, " must be a constant initializer",
           half ? "; a model with float16 activations needs onnxruntime 1.23 on the CPU" : "");
    }
    auto dims = std::make_unique<std::vector<int64_t>>(dims_of(api_, value, name));
    const auto rank = static_cast<int64_t>(dims->size());
    const void* data = aligned(data_of(api_, value, name), element_size(input_type(variant_, input)), *dims);
    return {data, keep(std::move(dims)), rank};
  }

 private:
  // ONNX Runtime maps initializers of other files wherever they lie: a copy if that is at an odd address.
  const void* aligned(const void* data, size_t element, const std::vector<int64_t>& dims) {
    if (reinterpret_cast<uintptr_t>(data) % element == 0) return data;
    int64_t bytes = static_cast<int64_t>(element);
    for (int64_t dim : dims) bytes = cct::product("PatternConv: a constant", bytes, dim);
    auto copy = std::make_unique<std::vector<int64_t>>(cct::divide_up(bytes, sizeof(int64_t)));
    std::memcpy(copy->data(), data, bytes);
    return keep(std::move(copy));
  }

  const int64_t* keep(std::unique_ptr<std::vector<int64_t>> values) {
    kept_.push_back(std::move(values));
    return kept_.back()->data();
  }

  const OrtApi* api_;
  const OrtKernelInfo* info_;
  const Variant& variant_;
  std::vector<std::unique_ptr<std::vector<int64_t>>> kept_;
};

// With or without the library a node must mean the same: the body of its name ignores the attributes.
void check_clip(const Form& form, float clip_min, float clip_max) {
  if (form.clip == Clip::kAny) return;
  const float low = form.clip == Clip::kRelu ? 0.0f : -std::numeric_limits<float>::infinity();
  if (clip_min != low || clip_max != std::numeric_limits<float>::infinity())
    fail(form.name, ": clip_min = ", clip_min, " and clip_max = ", clip_max, ", which its name does not say");
}

// ---------------------------------------------------------------- kernel

struct DestroyConv {
  void operator()(cct_pattern_conv* conv) const { cct_pattern_conv_destroy(conv); }
};

// What ONNX Runtime calls the kernel of a node: one node of one session. Runs may overlap.
class Kernel {
 public:
  Kernel(const OrtApi* api, const OrtKernelInfo* info, const Form& form, const Variant& variant)
      : api_(api), residual_(form.residual) {
    Node node(api, info, variant);
    const std::string layout = node.text("layout");
    cct_packed packed{};
    packed.layout = layout.c_str();
    packed.kernel_shape = node.integers("kernel_shape");
    packed.strides = node.integers("strides");
    packed.pads = node.integers("pads");
    packed.dilations = node.integers("dilations");
    packed.pool = node.integers("pool");
    packed.block = node.integers("block");
    packed.group = node.integer("group");
    packed.in_channels = node.integer("in_channels");
    packed.out_channels = node.integer("out_channels");
    packed.entries = node.integer("entries");
    packed.clip_min = node.real("clip_min");
    packed.clip_max = node.real("clip_max");
    check_clip(form, packed.clip_min, packed.clip_max);
    packed.type = variant.type;
    packed.weight_type = variant.weight_type;
    packed.W = node.constant(kW);
    packed.filters = node.constant(kFilters);
    packed.channels = node.constant(kChannels);
    packed.patterns = node.constant(kPatterns);
    packed.order = node.constant(kOrder);
    packed.in_order = node.constant(kInOrder);
    packed.B = node.constant(kB);
    char error[kErrorSize];
    conv_.reset(cct_pattern_conv_create(&packed, nullptr, error, sizeof error));
    if (!conv_) fail(error);
    check_status(api, ort::KernelInfoGetAllocator(api, info, ORT_MEM_DEFAULT, &allocator_), "allocator");
  }
  ~Kernel() {
    if (allocator_) ort::ReleaseAllocator(api_, allocator_);
  }
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  const OrtApi* api() const { return api_; }

  OrtStatus* compute(OrtKernelContext* context) const {
    const OrtValue* x = input(context, kX);
    const std::vector<int64_t> x_dims = dims_of(api_, x, "X");
    if (x_dims.size() != 4) fail("PatternConv: X has rank ", x_dims.size(), ", not 4");
    std::vector<int64_t> y_dims(4);
    size_t scratch_bytes = 0;
    char error[kErrorSize];
    if (cct_pattern_conv_prepare(conv_.get(), x_dims.data(), y_dims.data(), &scratch_bytes, error,
                                 sizeof error)) {
      fail(error);
    }
    const OrtValue* z = residual_ ? input(context, kZ) : nullptr;
    if (z && dims_of(api_, z, "Z") != y_dims) fail("PatternConv: Z has another shape than Y");
    OrtValue* y = nullptr;
    check_status(api_, ort::KernelContext_GetOutput(api_, context, 0, y_dims.data(), y_dims.size(), &y), "Y");

    // Not KernelContext_GetScratchBuffer: it follows a null stream on the CPU provider, and never frees.
    const Scratch scratch(api_, allocator_, scratch_bytes);
    Threads threads{api_, context, nullptr};
    const cct_threads seam{Threads::parallel_for, &threads};
    const int failed = cct_pattern_conv_run(conv_.get(), x_dims.data(), data_of(api_, x, "X"),
                                            z ? data_of(api_, z, "Z") : nullptr, data_of(api_, y, "Y"),
                                            scratch.data, &seam, error, sizeof error);
    if (threads.status) return threads.status;
    if (failed) fail(error);
    return nullptr;
  }

 private:
  static constexpr size_t kErrorSize = 512;

  struct Scratch {
    Scratch(const OrtApi* api, OrtAllocator* allocator, size_t bytes) : api(api), allocator(allocator) {
      check_status(api, ort::AllocatorAlloc(api, allocator, bytes, &data), "scratch");
      if (!data) throw std::bad_alloc();
    }
    ~Scratch() {
      if (OrtStatus* status = ort::AllocatorFree(api, allocator, data)) ort::ReleaseStatus(api, status);
    }
    const OrtApi* api;
    OrtAllocator* allocator;
    void* data = nullptr;
  };

  struct Threads {
    const OrtApi* api;
    const OrtKernelContext* context;
    OrtStatus* status;

    static int parallel_for(void* pool, void (*task)(void*, size_t), size_t count, void* argument) {
      Threads& threads = *static_cast<Threads*>(pool);
      threads.status = ort::KernelContext_ParallelFor(threads.api, threads.context, task, count, 0, argument);
      return threads.status != nullptr;
    }
  };

  const OrtValue* input(OrtKernelContext* context, Input index) const {
    const OrtValue* value = nullptr;
    check_status(api_, ort::KernelContext_GetInput(api_, context, index, &value), kInputNames[index]);
    return value;
  }

  const OrtApi* api_;
  const bool residual_;
  std::unique_ptr<cct_pattern_conv, DestroyConv> conv_;
  OrtAllocator* allocator_ = nullptr;
};

// ---------------------------------------------------------------- what ONNX Runtime calls

Operator make_operator(const OrtApi* api, const Form& form, const Variant& variant) {
  Operator op{};
  op.api = api;
  op.form = form;
  op.variant = variant;
  op.version = kOrtApiVersion;
  op.GetName = [](const OrtCustomOp* op) { return form_of(op).name; };
  op.GetExecutionProviderType = [](const OrtCustomOp* op) { return variant_of(op).provider; };
  op.GetInputTypeCount = [](const OrtCustomOp* op) -> size_t { return form_of(op).residual ? kInputs : kZ; };
  op.GetInputType = [](const OrtCustomOp* op, size_t i) { return input_type(variant_of(op), i); };
  op.GetInputCharacteristic = [](const OrtCustomOp*, size_t) { return ORT_REQUIRED; };
  op.GetInputMemoryType = [](const OrtCustomOp*, size_t) { return ORT_MEM_DEFAULT; };
  op.GetOutputTypeCount = [](const OrtCustomOp*) -> size_t { return 1; };
  op.GetOutputType = [](const OrtCustomOp* op, size_t) { return variant_of(op).type; };
  op.GetOutputCharacteristic = [](const OrtCustomOp*, size_t) { return ORT_REQUIRED; };
  op.GetStartVersion = [](const OrtCustomOp*) { return 1; };
  op.GetEndVersion = [](const OrtCustomOp*) { return 1; };
  op.CreateKernelV2 = [](const OrtCustomOp* op, const OrtApi* api, const OrtKernelInfo* info, void** kernel) {
    return guarded(api, [&]() -> OrtStatus* {
      *kernel = new Kernel(api, info, form_of(op), variant_of(op));
      return nullptr;
    });
  };
  op.KernelComputeV2 = [](void* kernel, OrtKernelContext* context) {
    const auto* self = static_cast<const Kernel*>(kernel);
    return guarded(self->api(), [&] { return self->compute(context); });
  };
  op.KernelDestroy = [](void* kernel) { delete static_cast<Kernel*>(kernel); };
  op.InferOutputShapeFn = [](const OrtCustomOp* op, OrtShapeInferContext* context) {
    const OrtApi* api = static_cast<const Operator*>(op)->api;
    return guarded(api, [&]() -> OrtStatus* {
      cct::infer_shape(api, context);
      return nullptr;
    });
  };
  return op;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) OrtStatus* RegisterCustomOps(OrtSessionOptions* options,
                                                                               const OrtApiBase* base) {
  const OrtApi* api = base->GetApi(kOrtApiVersion);
  if (!api) {
    // Without its API there is no way to make a status but the one of version 1, which every runtime has.
    const std::string text = std::string("cct needs onnxruntime 1.18 (API version ") +
                             std::to_string(kOrtApiVersion) + ") or newer, this is " +
                             base->GetVersionString();
    return ort::CreateStatus(base->GetApi(1), ORT_FAIL, text.c_str());
  }
  return guarded(api, [&]() -> OrtStatus* {
    cct::choose_isa(
        nullptr);  // a CCT_ISA that cannot be had fails here, also for a model without the operator
    // The session keeps pointers to the domain and the operators and tells nobody when it ends, so they stay.
    OrtCustomOpDomain* domain = nullptr;
    check_status(api, ort::CreateCustomOpDomain(api, kDomain, &domain), "domain");
    for (const Form& form : kForms) {
      for (const Variant& variant : kVariants) {
        auto op = std::make_unique<Operator>(make_operator(api, form, variant));
        check_status(api, ort::CustomOpDomain_Add(api, domain, op.release()), "domain");
      }
    }
    return ort::AddCustomOpDomain(api, options, domain);
  });
}
