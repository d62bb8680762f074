// The kernel of a node on ONNX Runtime's CUDA provider: the C API with its stream and memory.
#include <memory>

#include "cuda/cuda_conv.h"
#include "format/fault.h"
#include "ort/kernel.h"

namespace cct {
namespace {

struct DestroyConv {
  void operator()(cct_cuda_conv* conv) const { cct_cuda_conv_destroy(conv); }
};

class CudaKernel : public Kernel {
 public:
  CudaKernel(const OrtApi* api, const OrtKernelInfo* info, const Form& form, const Types& types)
      : Kernel(api, info, form) {
    check_status(api, ort::AllocatorGetInfo(api, allocator_, &memory_info_), "memory of the GPU");
    int device = 0;
    check_status(api, ort::MemoryInfoGetId(api, memory_info_, &device), "number of the GPU");
    const Node node(api, info, form, types);
    const cct_cuda_memory memory{allocate, release, this};
    char error[kErrorSize];
    conv_.reset(cct_cuda_conv_create(&node.packed(), device, &memory, error, sizeof error));
    if (!conv_) fail(error);
  }

 private:
  void prepare(const OrtKernelContext* context, const int64_t x_dims[4], int64_t y_dims[4],
               size_t* bytes) const override {
    char error[kErrorSize];
    if (cct_cuda_conv_prepare(conv_.get(), tf32(context), x_dims, y_dims, bytes, error, sizeof error))
      fail(error);
  }

  OrtStatus* run(OrtKernelContext* context, const Images& images, size_t bytes) const override {
    void* stream = nullptr;
    check_status(api_, ort::KernelContext_GetGPUComputeStream(api_, context, &stream), "stream");
    const Workspace workspace(*this, context, bytes);
    char error[kErrorSize];
    if (cct_cuda_conv_run(conv_.get(), tf32(context), images.x_dims, images.x, images.z, images.y,
                          workspace.data, stream, error, sizeof error)) {
      fail(error);
    }
    return nullptr;
  }

  // The provider's option use_tf32, which only a run can ask for. A provider that does not answer, or with an
  // error (none since 1.18 that was looked at), is taken to have its default, 1: there only
  // NVIDIA_TF32_OVERRIDE=0 keeps float32 exact. It would answer every question with NULL, which is also what
  // 0 is; but a handle of cuBLAS is never NULL where questions are answered.
  bool tf32(const OrtKernelContext* context) const {
    return !resource(context, ORT_CUBLAS_HANDLE) || resource(context, ORT_USE_TF32);
  }

  // NULL where the provider does not know it.
  void* resource(const OrtKernelContext* context, OrtCudaResource which) const {
    void* answer = nullptr;
    OrtStatus* status =
        ort::KernelContext_GetResource(api_, context, kOrtCudaResourceVersion, which, &answer);
    if (!status) return answer;
    ort::ReleaseStatus(api_, status);
    return nullptr;
  }

  // Memory of the stream, given back as soon as the kernels are enqueued, as ONNX Runtime's own kernels do.
  // What GetScratchBuffer takes is marked with the stream, and nothing but this stream gets it again before
  // the run ends; memory of AllocatorAlloc is not, and a run beside this one could write to it while our
  // kernels still read. GetScratchBuffer itself never frees.
  struct Workspace {
    Workspace(const CudaKernel& kernel, OrtKernelContext* context, size_t bytes) : kernel(kernel) {
      if (!bytes) return;
      check_status(
          kernel.api_,
          ort::KernelContext_GetScratchBuffer(kernel.api_, context, kernel.memory_info_, bytes, &data),
          "workspace");
      if (!data) fail("PatternConv: not enough memory on the GPU for ", bytes, " bytes of workspace");
    }
    ~Workspace() {
      if (data) kernel.release_memory(data);
    }
    const CudaKernel& kernel;
    void* data = nullptr;
  };

  static void* allocate(void* owner, size_t bytes) {
    const auto& kernel = *static_cast<const CudaKernel*>(owner);
    void* memory = nullptr;
    if (OrtStatus* status = ort::AllocatorAlloc(kernel.api_, kernel.allocator_, bytes, &memory)) {
      ort::ReleaseStatus(kernel.api_, status);
      return nullptr;
    }
    return memory;
  }

  static void release(void* owner, void* memory) {
    static_cast<const CudaKernel*>(owner)->release_memory(memory);
  }

  void release_memory(void* memory) const {
    if (OrtStatus* status = ort::AllocatorFree(api_, allocator_, memory)) ort::ReleaseStatus(api_, status);
  }

  const OrtMemoryInfo* memory_info_ = nullptr;  // the allocator's
  std::unique_ptr<cct_cuda_conv, DestroyConv> conv_;
};

}  // namespace

std::unique_ptr<Kernel> make_cuda_kernel(const OrtApi* api, const OrtKernelInfo* info, const Form& form,
                                         const Types& types) {
  return std::make_unique<CudaKernel>(api, info, form, types);
}

}  // namespace cct
