// NVIDIA's driver API, found by dlopen at the first use of CUDA: this library links nothing of CUDA, so it
// loads on machines without a driver, in no more time.
//
// The environment variable CCT_LIBCUDA names another file than libcuda.so.1; it is there for the tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace cct::cuda {

using Stream = void*;    // CUstream, which is cudaStream_t too
using Function = void*;  // CUfunction

// What the choice of kernels depends on.
struct Device {
  int major, minor;  // compute capability
  int multiprocessors;
  int shared_bytes;  // most that a block may have
};

// A context of a device with our kernels in it. There is one for each context of the driver, for as long as
// the process lives.
class Context {
 public:
  // The one that is current in this thread, or else the primary one of the device that `memory` lies on,
  // which is what ONNX Runtime and torch use. A Fault when there is no driver, or none that runs our kernels.
  static const Context& of(const void* memory);

  const Device& device() const { return device_; }

  // `shared_bytes`: what a launch of it may ask for.
  Function function(const char* name, int shared_bytes) const;

  // Returns when the bytes have arrived.
  void upload(void* to, const void* from, size_t bytes) const;

  struct Grid {
    int64_t x, y, z;
  };

  // Enqueues a kernel that takes one struct. Allocates nothing and waits for nothing, so that a CUDA graph
  // may record it.
  void launch(Function function, const Grid& grid, int threads, int shared_bytes, Stream stream,
              const void* arguments) const;

 private:
  explicit Context(void* handle);

  void* const handle_;  // CUcontext
  Device device_;
  void* module_ = nullptr;
  mutable std::mutex mutex_;  // of what follows
  mutable std::map<std::string, Function> functions_;
};

}  // namespace cct::cuda
