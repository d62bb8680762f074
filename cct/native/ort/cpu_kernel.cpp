// The kernel of a node on ONNX Runtime's CPU provider: the C API with its threads and memory.
#include <memory>
#include <new>

#include "cpu/pattern_conv.h"
#include "format/fault.h"
#include "ort/kernel.h"

namespace cct {
namespace {

struct DestroyConv {
  void operator()(cct_pattern_conv* conv) const { cct_pattern_conv_destroy(conv); }
};

class CpuKernel : public Kernel {
 public:
  CpuKernel(const OrtApi* api, const OrtKernelInfo* info, const Form& form, const Types& types)
      : Kernel(api, info, form) {
    const Node node(api, info, form, types);
    char error[kErrorSize];
    conv_.reset(cct_pattern_conv_create(&node.packed(), nullptr, error, sizeof error));
    if (!conv_) fail(error);
  }

 private:
  void prepare(const OrtKernelContext*, const int64_t x_dims[4], int64_t y_dims[4],
               size_t* bytes) const override {
    char error[kErrorSize];
    if (cct_pattern_conv_prepare(conv_.get(), x_dims, y_dims, bytes, error, sizeof error)) fail(error);
  }

  OrtStatus* run(OrtKernelContext* context, const Images& images, size_t bytes) const override {
    // Not KernelContext_GetScratchBuffer: it follows a null stream on the CPU provider, and never frees.
    const Scratch scratch(api_, allocator_, bytes);
    Threads threads{api_, context, nullptr};
    const cct_threads parallel{Threads::parallel_for, &threads};
    char error[kErrorSize];
    const int failed = cct_pattern_conv_run(conv_.get(), images.x_dims, images.x, images.z, images.y,
                                            scratch.data, &parallel, error, sizeof error);
    if (threads.status) return threads.status;
    if (failed) fail(error);
    return nullptr;
  }

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

  std::unique_ptr<cct_pattern_conv, DestroyConv> conv_;
};

}  // namespace

std::unique_ptr<Kernel> make_cpu_kernel(const OrtApi* api, const OrtKernelInfo* info, const Form& form,
                                        const Types& types) {
  return std::make_unique<CpuKernel>(api, info, form, types);
}

}  // namespace cct
