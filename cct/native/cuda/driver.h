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

using Stream = void*;  // CUstream, which is cudaStream_t too

// What the choice of kernels depends on.
struct Device {
  int major, minor;  // compute capability
  int multiprocessors;
  int shared_bytes;  // most that a block may have
};

// Blocks of threads.
struct Grid {
  int64_t x, y, z;
};

// A context of a device with our kernels in it. There is one for each context of the driver, for as long as
// the process lives.
class Context {
 public:
  // Of the device of this number: the one that is current in this thread, or else the primary one, which is
  // what ONNX Runtime and torch use. A Fault when there is no driver, or none that runs our kernels.
  static const Context& of(int ordinal);

  const Device& device() const { return device_; }

  // Returns when the bytes have arrived.
  void upload(void* to, const void* from, size_t bytes) const;

  // Enqueues a kernel that takes one struct. Allocates nothing on the GPU and waits for nothing, so that a
  // CUDA graph may record it.
  void launch(const char* kernel, const Grid& grid, int threads, int shared_bytes, Stream stream,
              const void* arguments) const;

 private:
  struct Function {
    void* handle = nullptr;  // CUfunction
    int shared_bytes = 0;    // that a launch may ask for
  };

  explicit Context(void* handle);

  void* function(const char* kernel, int shared_bytes) const;

  void* const handle_;  // CUcontext
  Device device_;
  void* module_ = nullptr;
  mutable std::mutex mutex_;  // of what follows
  mutable std::map<std::string, Function> functions_;
};

}  // namespace cct::cuda
