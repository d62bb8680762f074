#include "cuda/driver.h"

#include <dlfcn.h>

#include <cstdlib>
#include <memory>

#include "cuda/fatbin.h"
#include "format/fault.h"

namespace cct::cuda {
namespace {

// Of cuda.h, which no machine without nvcc has.
using Result = int;
using Pointer = unsigned long long;  // CUdeviceptr
using Handle = void*;                // CUcontext, CUmodule, CUfunction, CUstream
constexpr Result kNoImage = 209;     // CUDA_ERROR_NO_BINARY_FOR_GPU
constexpr int kMultiprocessors = 16, kMajor = 75, kMinor = 76, kSharedBytes = 97;  // CU_DEVICE_ATTRIBUTE_...
constexpr int kMostDynamicShared = 8, kSharedCarveout = 9;                         // CU_FUNC_ATTRIBUTE_...
constexpr int kMostGrid = 65535;                                                   // of y and z

// ---------------------------------------------------------------- the driver

struct Driver {
  Result (*cuInit)(unsigned flags);
  Result (*cuDriverGetVersion)(int* version);
  Result (*cuGetErrorName)(Result error, const char** name);
  Result (*cuGetErrorString)(Result error, const char** text);
  Result (*cuDeviceGet)(int* device, int ordinal);
  Result (*cuDeviceGetAttribute)(int* value, int attribute, int device);
  Result (*cuDevicePrimaryCtxRetain)(Handle* context, int device);
  Result (*cuCtxGetCurrent)(Handle* context);
  Result (*cuCtxGetDevice)(int* device);
  Result (*cuCtxPushCurrent)(Handle context);
  Result (*cuCtxPopCurrent)(Handle* context);
  Result (*cuModuleLoadData)(Handle* module, const void* image);
  Result (*cuModuleGetFunction)(Handle* function, Handle module, const char* name);
  Result (*cuFuncSetAttribute)(Handle function, int attribute, int value);
  Result (*cuMemcpyHtoD)(Pointer to, const void* from, size_t bytes);
  Result (*cuStreamSynchronize)(Handle stream);
  Result (*cuLaunchKernel)(Handle function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                           unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                           Handle stream, void** parameters, void** extra);
};

template <class Signature>
void find(void* library, Signature*& function, const char* name) {
  function = reinterpret_cast<Signature*>(dlsym(library, name));
  if (!function) fail("the NVIDIA driver has no ", name, ": it is too old for cct");
}

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

Driver load() {
  const Fatbin& ours = fatbin();  // nothing to load a driver for otherwise
  const char* named = std::getenv("CCT_LIBCUDA");
  const char* file = named && *named ? named : "libcuda.so.1";
  void* library = dlopen(file, RTLD_NOW | RTLD_LOCAL);  // never closed
  if (!library) fail("CUDA needs the NVIDIA driver, which is not there: ", dlerror());
  Driver driver;
  // Some names of cuda.h are macros for the second version of a function.
  find(library, driver.cuInit, "cuInit");
  find(library, driver.cuDriverGetVersion, "cuDriverGetVersion");
  find(library, driver.cuGetErrorName, "cuGetErrorName");
  find(library, driver.cuGetErrorString, "cuGetErrorString");
  find(library, driver.cuDeviceGet, "cuDeviceGet");
  find(library, driver.cuDeviceGetAttribute, "cuDeviceGetAttribute");
  find(library, driver.cuDevicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain");
  find(library, driver.cuCtxGetCurrent, "cuCtxGetCurrent");
  find(library, driver.cuCtxGetDevice, "cuCtxGetDevice");
  find(library, driver.cuCtxPushCurrent, "cuCtxPushCurrent_v2");
  find(library, driver.cuCtxPopCurrent, "cuCtxPopCurrent_v2");
  find(library, driver.cuModuleLoadData, "cuModuleLoadData");
  find(library, driver.cuModuleGetFunction, "cuModuleGetFunction");
  find(library, driver.cuFuncSetAttribute, "cuFuncSetAttribute");
  find(library, driver.cuMemcpyHtoD, "cuMemcpyHtoD_v2");
  find(library, driver.cuStreamSynchronize, "cuStreamSynchronize");
  find(library, driver.cuLaunchKernel, "cuLaunchKernel");

  // A driver runs what the nvcc of its own major version made, of any minor one, and of all before.
  int version = 0;
  driver.cuDriverGetVersion(&version);
  if (version < ours.nvcc_major * 1000) {
    fail("the NVIDIA driver is too old: it has CUDA ", version_text(version),
         ", and this library was built by nvcc ", ours.nvcc_major, ".", ours.nvcc_minor,
         ", which needs CUDA ", ours.nvcc_major, ".0 or newer");
  }
  return driver;
}

const Driver& driver() {
  static const Driver driver = load();  // after a Fault the next call tries again
  return driver;
}

void check(Result result, const char* what) {
  if (!result) return;
  const char *name = nullptr, *text = nullptr;
  driver().cuGetErrorName(result, &name);
  driver().cuGetErrorString(result, &text);
  fail(what, ": ", name ? name : "CUDA error", " (", result, "): ", text ? text : "unknown to this driver");
}

// ---------------------------------------------------------------- contexts

// Makes a context current in this thread, if it is not: ONNX Runtime may run a node in a thread that has
// none.
class Current {
 public:
  explicit Current(Handle context) {
    Handle current = nullptr;
    check(driver().cuCtxGetCurrent(&current), "cuCtxGetCurrent");
    pushed_ = current != context;
    if (pushed_) check(driver().cuCtxPushCurrent(context), "cuCtxPushCurrent");
  }
  ~Current() {
    Handle popped = nullptr;
    if (pushed_) driver().cuCtxPopCurrent(&popped);
  }
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;

 private:
  bool pushed_;
};

Handle current_or_primary(int ordinal) {
  check(driver().cuInit(0), "cuInit");
  int device = 0, current_device = 0;
  check(driver().cuDeviceGet(&device, ordinal), "cuDeviceGet");
  Handle context = nullptr;
  check(driver().cuCtxGetCurrent(&context), "cuCtxGetCurrent");
  if (context) check(driver().cuCtxGetDevice(&current_device), "cuCtxGetDevice");
  if (!context || current_device != device)
    check(driver().cuDevicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain");
  return context;
}

}  // namespace

const Context& Context::of(int ordinal) {
  Handle handle = current_or_primary(ordinal);
  // Never destroyed: at the end of the process the driver may be gone before.
  static auto& contexts = *new std::map<Handle, std::unique_ptr<Context>>;
  static std::mutex& mutex = *new std::mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  auto& context = contexts[handle];
  if (!context) context.reset(new Context(handle));
  return *context;
}

Context::Context(void* handle) : handle_(handle) {
  const Current current(handle_);
  int device = 0;
  check(driver().cuCtxGetDevice(&device), "cuCtxGetDevice");
  const auto attribute = [&](int which) {
    int value = 0;
    check(driver().cuDeviceGetAttribute(&value, which, device), "cuDeviceGetAttribute");
    return value;
  };
  device_ = {attribute(kMajor), attribute(kMinor), attribute(kMultiprocessors), attribute(kSharedBytes)};
  const Result result = driver().cuModuleLoadData(&module_, fatbin().data);
  if (result == kNoImage) {
    fail("this GPU has compute capability ", device_.major, ".", device_.minor,
         ", and this library has kernels for ", fatbin().architectures, " only");
  }
  check(result, "cuModuleLoadData");
}

void* Context::function(const char* kernel, int shared_bytes) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  Function& function = functions_[kernel];
  if (!function.handle) check(driver().cuModuleGetFunction(&function.handle, module_, kernel), kernel);
  if (shared_bytes > function.shared_bytes) {
    check(driver().cuFuncSetAttribute(function.handle, kMostDynamicShared, shared_bytes), kernel);
    // As much as can be of the memory that the cache has too, so that several blocks fit.
    check(driver().cuFuncSetAttribute(function.handle, kSharedCarveout, 100), kernel);
    function.shared_bytes = shared_bytes;
  }
  return function.handle;
}

void Context::upload(void* to, const void* from, size_t bytes) const {
  const Current current(handle_);
  check(driver().cuMemcpyHtoD(reinterpret_cast<Pointer>(to), from, bytes), "cuMemcpyHtoD");
  // From pageable memory the copy may return before the last bytes are there.
  check(driver().cuStreamSynchronize(nullptr), "cuStreamSynchronize");
}

void Context::launch(const char* kernel, const Grid& grid, int threads, int shared_bytes, Stream stream,
                     const void* arguments) const {
  if (grid.x > INT32_MAX || grid.y > kMostGrid || grid.z > kMostGrid) {
    fail(kernel, ": a grid of ", grid.x, " x ", grid.y, " x ", grid.z, " blocks is more than CUDA allows");
  }
  const Current current(handle_);
  void* parameters[] = {const_cast<void*>(arguments)};
  const auto size = [](int64_t blocks) { return static_cast<unsigned>(blocks); };
  check(driver().cuLaunchKernel(function(kernel, shared_bytes), size(grid.x), size(grid.y), size(grid.z),
                                threads, 1, 1, shared_bytes, stream, parameters, nullptr),
        kernel);
}

}  // namespace cct::cuda
