// cct::PatternConv for ONNX Runtime: what the library registers, and how ONNX Runtime calls it.
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cpu/isa.h"
#include "ort/infer_shape.h"
#include "ort/kernel.h"
#include "ort/node.h"
#include "ort/ort_calls.h"

namespace {

using cct::Clip;
using cct::Form;
using cct::guarded;
using cct::Kernel;
using cct::Types;

constexpr const char* kDomain = "cct";

constexpr Form kForms[] = {
    {"PatternConv", false, Clip::kNone},     {"PatternConvAdd", true, Clip::kNone},
    {"PatternConvRelu", false, Clip::kRelu}, {"PatternConvAddRelu", true, Clip::kRelu},
    {"PatternConvClip", false, Clip::kAny},  {"PatternConvAddClip", true, Clip::kAny},
};

constexpr Types kTypes[] = {{ORT_FLOAT, ORT_FLOAT}, {ORT_FLOAT, ORT_FLOAT16}, {ORT_FLOAT16, ORT_FLOAT16}};

struct Provider {
  const char* name;
  OrtMemType constants;  // where the library reads them, when a session is created
  cct::MakeKernel* make_kernel;
};

// Every library has both: without its kernel for CUDA, ONNX Runtime would put the node on the CPU or call the
// model invalid, where that kernel says what is missing.
constexpr Provider kProviders[] = {
    {"CPUExecutionProvider", ORT_MEM_DEFAULT, cct::make_cpu_kernel},
    {"CUDAExecutionProvider", ORT_MEM_CPU_INPUT, cct::make_cuda_kernel},
};

// What is registered; ONNX Runtime chooses by name, provider and types. It asks questions without saying
// where its API is.
struct Operator : OrtCustomOp {
  const OrtApi* api;
  Form form;
  Types types;
  Provider provider;
};

const Operator& of(const OrtCustomOp* op) { return *static_cast<const Operator*>(op); }

bool is_constant(size_t input) { return input != cct::kX && input != cct::kZ; }

Operator make_operator(const OrtApi* api, const Form& form, const Types& types, const Provider& provider) {
  Operator op{};
  op.api = api;
  op.form = form;
  op.types = types;
  op.provider = provider;
  op.version = kOrtApiVersion;
  op.GetName = [](const OrtCustomOp* op) { return of(op).form.name; };
  op.GetExecutionProviderType = [](const OrtCustomOp* op) { return of(op).provider.name; };
  op.GetInputTypeCount = [](const OrtCustomOp* op) -> size_t {
    return of(op).form.residual ? cct::kInputs : cct::kZ;
  };
  op.GetInputType = [](const OrtCustomOp* op, size_t i) { return cct::input_type(of(op).types, i); };
  op.GetInputCharacteristic = [](const OrtCustomOp*, size_t) { return ORT_REQUIRED; };
  op.GetInputMemoryType = [](const OrtCustomOp* op, size_t i) {
    return is_constant(i) ? of(op).provider.constants : ORT_MEM_DEFAULT;
  };
  op.GetOutputTypeCount = [](const OrtCustomOp*) -> size_t { return 1; };
  op.GetOutputType = [](const OrtCustomOp* op, size_t) { return of(op).types.type; };
  op.GetOutputCharacteristic = [](const OrtCustomOp*, size_t) { return ORT_REQUIRED; };
  op.GetStartVersion = [](const OrtCustomOp*) { return 1; };
  op.GetEndVersion = [](const OrtCustomOp*) { return 1; };
  op.CreateKernelV2 = [](const OrtCustomOp* op, const OrtApi* api, const OrtKernelInfo* info, void** kernel) {
    return guarded(api, [&]() -> OrtStatus* {
      *kernel = of(op).provider.make_kernel(api, info, of(op).form, of(op).types).release();
      return nullptr;
    });
  };
  op.KernelComputeV2 = [](void* kernel, OrtKernelContext* context) {
    const auto* self = static_cast<const Kernel*>(kernel);
    return guarded(self->api(), [&] { return self->compute(context); });
  };
  op.KernelDestroy = [](void* kernel) { delete static_cast<Kernel*>(kernel); };
  op.InferOutputShapeFn = [](const OrtCustomOp* op, OrtShapeInferContext* context) {
    const OrtApi* api = of(op).api;
    return guarded(api, [&]() -> OrtStatus* {
      cct::infer_shape(api, context);
      return nullptr;
    });
  };
  return op;
}

// What one runtime has registered. Sessions keep pointers to the domain and the operators and tell nobody
// when they end, so both stay.
struct Registered {
  const OrtApi* api;
  OrtCustomOpDomain* domain = nullptr;
  std::vector<Operator> operators;

  explicit Registered(const OrtApi* api) : api(api) {
    for (const Form& form : kForms) {
      for (const Types& types : kTypes) {
        for (const Provider& provider : kProviders) {
          operators.push_back(make_operator(api, form, types, provider));
        }
      }
    }
    cct::check_status(api, ort::CreateCustomOpDomain(api, kDomain, &domain), "domain");
    try {
      for (const Operator& op : operators) {
        cct::check_status(api, ort::CustomOpDomain_Add(api, domain, &op), "domain");
      }
    } catch (...) {
      ort::ReleaseCustomOpDomain(api, domain);
      throw;
    }
  }
};

// The domain of a runtime: made at the first call, and read only from then on, so that any number of sessions
// share it. A process may have several runtimes, each with its own API and its own kind of domain. One that
// is unloaded leaves its domain behind.
OrtCustomOpDomain* domain_of(const OrtApi* api) {
  // Neither is destroyed at exit: other threads may still create sessions then.
  static std::mutex& mutex = *new std::mutex;
  static auto& all = *new std::vector<std::unique_ptr<const Registered>>;
  const std::lock_guard<std::mutex> lock(mutex);
  for (const auto& known : all) {
    if (known->api == api) return known->domain;
  }
  all.reserve(all.size() + 1);  // so that a domain that was made is kept
  all.push_back(std::make_unique<Registered>(api));
  return all.back()->domain;
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
    // What CCT_ISA asks for in vain fails here, also for a model without the operator.
    cct::choose_isa(nullptr);
    return ort::AddCustomOpDomain(api, options, domain_of(api));
  });
}
