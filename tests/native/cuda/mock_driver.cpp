// A libcuda.so.1 for machines without a GPU: its memory is the host's, and it runs a launch in the emulator,
// on the kernels' own source. It refuses what a driver would refuse.
//
// Device n has the properties of row n of kDevices. The environment changes what a test wants to see fail:
// CCT_MOCK_VERSION, CCT_MOCK_INIT and CCT_MOCK_LAUNCH are what cuDriverGetVersion, cuInit and cuLaunchKernel
// answer, and with CCT_MOCK_RUN=0 a launch does nothing.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>

#include "cuda/pattern_conv.cu"
#include "cuda/tiles.h"

namespace {

using namespace cct::cuda;
using cct::emulator::Range;

enum Error {
  kInvalidValue = 1,
  kNoDevice = 100,
  kInvalidImage = 200,
  kInvalidContext = 201,
  kNoImage = 209,
  kInvalidHandle = 400,
  kNotFound = 500,
  kLaunchFailed = 719
};

struct MockDevice {
  int major, minor, multiprocessors, shared_bytes;
};
constexpr MockDevice kDevices[] = {{8, 0, 108, 166912}, {7, 5, 40, 65536},    {9, 0, 132, 232448},
                                   {7, 0, 80, 98304},   {12, 0, 188, 101376}, {8, 6, 4, 101376}};
constexpr int kDeviceCount = sizeof kDevices / sizeof *kDevices;

struct MockContext {
  int device;
  int modules = 0;
};

struct Kernel {
  const MockContext* context;
  std::string name;
  void (*run)(const void*);
  int shared_bytes = 48 << 10;  // that a launch may ask for
};

struct Module {
  MockContext* context;
  std::map<std::string, Kernel> kernels;  // that were asked for
};

// What a test reads of a launch.
struct Launch {
  char kernel[32];
  int32_t grid[3], threads, shared_bytes;
  void* stream;
  unsigned char arguments[256];
};

std::mutex mutex;  // of everything here but `contexts`; the emulator runs one block at a time
std::map<char*, size_t> allocations;
std::vector<Launch> launches;
std::string fault;
MockContext primary[kDeviceCount];
thread_local std::vector<MockContext*> contexts;

int from_environment(const char* name, int otherwise) {
  const char* text = getenv(name);
  return text && *text ? atoi(text) : otherwise;
}

// The kernel of this name, which CCT_KERNEL defines in this file.
void (*find_kernel(const char* name))(const void*) {
  Dl_info here;
  if (strncmp(name, "cct_", 4) || !dladdr(reinterpret_cast<void*>(&from_environment), &here)) return nullptr;
  static void* const self = dlopen(here.dli_fname, RTLD_NOW | RTLD_NOLOAD);
  return reinterpret_cast<void (*)(const void*)>(dlsym(self, name));
}

bool starts_with(const std::string& name, const char* start) { return name.rfind(start, 0) == 0; }

size_t argument_bytes(const std::string& kernel) {
  return starts_with(kernel, "cct_halo")        ? sizeof(HaloArguments)
         : starts_with(kernel, "cct_pointwise") ? sizeof(PointwiseArguments)
         : starts_with(kernel, "cct_gather")    ? sizeof(GatherArguments)
         : starts_with(kernel, "cct_to_chunks") ? sizeof(ChunksArguments)
         : starts_with(kernel, "cct_finish")    ? sizeof(FinishArguments)
                                                : sizeof(PlainArguments);
}

// What a kernel writes, by its arguments.
struct Written {
  void* begin;
  int64_t bytes;
};

// Bytes of a number of X or Y; kernels of float16 alone don't say so.
int64_t number_bytes(const std::string& kernel) {
  const auto ends_with = [&](const std::string& end) {
    return kernel.size() >= end.size() && !kernel.compare(kernel.size() - end.size(), end.size(), end);
  };
  return ends_with("tf32") || ends_with("float32") ? 4 : 2;
}

Written all_of_y(const Kernel& kernel, void* y, int64_t images, int64_t channels, int64_t plane) {
  return {y, images * channels * plane * number_bytes(kernel.name)};
}

Written written_by_tiles(const Kernel& kernel, const Slabs& slabs, const Ending& ending, int64_t images,
                         int64_t parts) {
  if (!ending.partials) return all_of_y(kernel, ending.y, images, ending.out_channels, ending.out_plane);
  for (const Tile& tile : kTiles) {
    if (tile.kernel != kernel.name) continue;
    return {ending.partials, parts * slabs.out_tiles * tile.out_channels * ending.partials_pitch * 4};
  }
  return {};
}

Written written_by(const Kernel& kernel, const void* arguments, int parts) {
  const std::string& name = kernel.name;
  if (starts_with(name, "cct_halo")) {
    const auto& halo = *static_cast<const HaloArguments*>(arguments);
    return written_by_tiles(kernel, halo.slabs, halo.ending, halo.images, parts);
  }
  if (starts_with(name, "cct_pointwise")) {
    const auto& pointwise = *static_cast<const PointwiseArguments*>(arguments);
    return written_by_tiles(kernel, pointwise.slabs, pointwise.ending, pointwise.images, parts);
  }
  if (starts_with(name, "cct_gather")) {
    const auto& gather = *static_cast<const GatherArguments*>(arguments);
    return written_by_tiles(kernel, gather.slabs, gather.ending, gather.images, parts);
  }
  if (starts_with(name, "cct_to_chunks")) {
    const auto& pack = *static_cast<const ChunksArguments*>(arguments);
    return {pack.chunks, int64_t{pack.images} * pack.chunk_count * pack.plane * kChunkBytes};
  }
  if (starts_with(name, "cct_finish")) {
    const auto& finish = *static_cast<const FinishArguments*>(arguments);
    const Ending& ending = finish.ending;
    return all_of_y(kernel, ending.y, finish.images, ending.out_channels, ending.out_plane);
  }
  const auto& plain = *static_cast<const PlainArguments*>(arguments);
  return all_of_y(kernel, plain.y, plain.images, plain.out_channels,
                  int64_t{plain.out_height} * plain.out_width);
}

// All memory, readable but for what the kernel writes.
std::vector<Range> ranges_of(const Written& written) {
  std::vector<Range> ranges;
  char *const begin = static_cast<char*>(written.begin), *const end = begin + written.bytes;
  bool found = false;
  for (const auto& [memory, size] : allocations) {
    char* const memory_end = memory + size;
    if (begin < memory || end > memory_end) {
      ranges.push_back({"memory", memory, static_cast<int64_t>(size), 0});
      continue;
    }
    found = true;
    ranges.push_back({"memory", memory, begin - memory, 0});
    ranges.push_back({"result", begin, end - begin, 1});
    ranges.push_back({"memory", end, memory_end - end, 0});
  }
  if (!found) cct::emulator::fail("what the kernel writes is not allocated");
  return ranges;
}

void run(const Kernel& kernel, const int grid[3], int threads, int64_t shared_bytes, const void* arguments) {
  const std::vector<Range> ranges = ranges_of(written_by(kernel, arguments, grid[2]));
  cct::emulator::Global global(ranges.data(), static_cast<int>(ranges.size()));
  cct::emulator::Counters counters{};
  std::mt19937 random(0);
  for (int z = 0; z < grid[2]; ++z) {
    for (int y = 0; y < grid[1]; ++y) {
      for (int x = 0; x < grid[0]; ++x) {
        cct::emulator::Block(x, y, z, grid, threads, shared_bytes, global, &counters)
            .run(kernel.run, arguments, random);
      }
    }
  }
}

bool is_current(const MockContext* context) { return !contexts.empty() && contexts.back() == context; }

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

// ---------------------------------------------------------------- the driver

int cuInit(unsigned) { return from_environment("CCT_MOCK_INIT", 0); }

int cuDriverGetVersion(int* version) {
  *version = from_environment("CCT_MOCK_VERSION", 13000);
  return 0;
}

int cuGetErrorName(int error, const char** name) {
  const std::map<int, const char*> names = {{kNoDevice, "CUDA_ERROR_NO_DEVICE"},
                                            {kInvalidContext, "CUDA_ERROR_INVALID_CONTEXT"},
                                            {kLaunchFailed, "CUDA_ERROR_LAUNCH_FAILED"}};
  const auto found = names.find(error);
  *name = found == names.end() ? nullptr : found->second;
  return *name ? 0 : kInvalidValue;
}

int cuGetErrorString(int error, const char** text) {
  static thread_local std::string said;
  const std::lock_guard<std::mutex> lock(mutex);
  said = error == kNoDevice ? "no CUDA-capable device is detected" : fault;
  *text = said.c_str();
  return 0;
}

int cuDeviceGet(int* device, int ordinal) {
  if (ordinal < 0 || ordinal >= kDeviceCount) return kInvalidValue;
  *device = ordinal;
  return 0;
}

int cuDeviceGetAttribute(int* value, int attribute, int device) {
  const MockDevice& of = kDevices[device];
  *value = attribute == 75   ? of.major
           : attribute == 76 ? of.minor
           : attribute == 16 ? of.multiprocessors
           : attribute == 97 ? of.shared_bytes
                             : 0;
  return *value || attribute == 76 ? 0 : kInvalidValue;
}

int cuDevicePrimaryCtxRetain(void** context, int device) {
  primary[device].device = device;
  *context = &primary[device];
  return 0;
}

int cuCtxGetCurrent(void** context) {
  *context = contexts.empty() ? nullptr : contexts.back();
  return 0;
}

int cuCtxGetDevice(int* device) {
  if (contexts.empty()) return kInvalidContext;
  *device = contexts.back()->device;
  return 0;
}

int cuCtxPushCurrent_v2(void* context) {
  contexts.push_back(static_cast<MockContext*>(context));
  return 0;
}

int cuCtxPopCurrent_v2(void** context) {
  if (contexts.empty()) return kInvalidContext;
  *context = contexts.back();
  contexts.pop_back();
  return 0;
}

int cuModuleLoadData(void** module, const void* image) {
  if (contexts.empty()) return kInvalidContext;
  uint32_t magic = 0;
  memcpy(&magic, image, sizeof magic);
  if (magic != 0xba55ed50 || reinterpret_cast<uintptr_t>(image) % 8) return kInvalidImage;
  if (kDevices[contexts.back()->device].major * 10 + kDevices[contexts.back()->device].minor < 75)
    return kNoImage;
  const std::lock_guard<std::mutex> lock(mutex);
  ++contexts.back()->modules;
  *module = new Module{contexts.back(), {}};
  return 0;
}

int cuModuleGetFunction(void** function, void* module, const char* name) {
  auto& of = *static_cast<Module*>(module);
  if (!is_current(of.context)) return kInvalidContext;
  const auto run = find_kernel(name);
  if (!run) return kNotFound;
  const std::lock_guard<std::mutex> lock(mutex);
  *function = &of.kernels.insert({name, {of.context, name, run}}).first->second;
  return 0;
}

int cuFuncSetAttribute(void* function, int attribute, int value) {
  if (contexts.empty()) return kInvalidContext;
  if (attribute == 9) return value >= 0 && value <= 100 ? 0 : kInvalidValue;
  if (attribute != 8 || value < 0 || value > kDevices[contexts.back()->device].shared_bytes)
    return kInvalidValue;
  static_cast<Kernel*>(function)->shared_bytes = value;
  return 0;
}

int cuMemcpyHtoD_v2(unsigned long long to, const void* from, size_t bytes) {
  if (contexts.empty()) return kInvalidContext;
  const std::lock_guard<std::mutex> lock(mutex);
  char* const begin = reinterpret_cast<char*>(to);
  for (const auto& [memory, size] : allocations) {
    if (begin < memory || begin + bytes > memory + size) continue;
    memcpy(begin, from, bytes);
    return 0;
  }
  return kInvalidValue;
}

int cuStreamSynchronize(void*) { return contexts.empty() ? kInvalidContext : 0; }

int cuLaunchKernel(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned threads,
                   unsigned block_y, unsigned block_z, unsigned shared_bytes, void* stream, void** parameters,
                   void** extra) {
  const Kernel& kernel = *static_cast<Kernel*>(function);
  if (contexts.empty()) return kInvalidContext;
  if (!is_current(kernel.context)) return kInvalidHandle;
  if (!grid_x || !grid_y || !grid_z || grid_x > INT32_MAX || grid_y > 65535 || grid_z > 65535)
    return kInvalidValue;
  if (threads != kThreads || block_y != 1 || block_z != 1 || extra) return kInvalidValue;
  if (static_cast<int>(shared_bytes) > kernel.shared_bytes) return kInvalidValue;
  if (const int failed = from_environment("CCT_MOCK_LAUNCH", 0)) return failed;
  const std::lock_guard<std::mutex> lock(mutex);
  Launch launch{};
  snprintf(launch.kernel, sizeof launch.kernel, "%s", kernel.name.c_str());
  const int grid[] = {static_cast<int>(grid_x), static_cast<int>(grid_y), static_cast<int>(grid_z)};
  memcpy(launch.grid, grid, sizeof grid);
  launch.threads = threads;
  launch.shared_bytes = shared_bytes;
  launch.stream = stream;
  static_assert(sizeof launch.arguments >= sizeof(HaloArguments) &&
                sizeof launch.arguments >= sizeof(GatherArguments));
  memcpy(launch.arguments, parameters[0], argument_bytes(kernel.name));
  launches.push_back(launch);
  if (!from_environment("CCT_MOCK_RUN", 1)) return 0;
  try {
    run(kernel, grid, kThreads, shared_bytes, launch.arguments);
  } catch (const cct::emulator::Fault& found) {
    fault = found.what;
    return kLaunchFailed;
  }
  return 0;
}

// ---------------------------------------------------------------- for the tests

void* mock_allocate(size_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex);
  void* memory = aligned_alloc(256, (bytes + 255) / 256 * 256);
  memset(memory, 0xff, bytes);  // not a number
  allocations[static_cast<char*>(memory)] = bytes;
  return memory;
}

void mock_release(void* memory) {
  const std::lock_guard<std::mutex> lock(mutex);
  allocations.erase(static_cast<char*>(memory));
  free(memory);
}

int mock_allocation_count() { return static_cast<int>(allocations.size()); }

// The launches since the last call.
int mock_take_launches(Launch* to, int most) {
  const std::lock_guard<std::mutex> lock(mutex);
  const int count = std::min<int>(most, launches.size());
  std::copy_n(launches.begin(), count, to);
  launches.clear();
  return count;
}

// Another context than the primary one.
void* mock_make_context(int device) { return new MockContext{device}; }
int mock_modules_of(const void* context) { return static_cast<const MockContext*>(context)->modules; }
int mock_context_depth() { return static_cast<int>(contexts.size()); }

}  // extern "C"
#pragma GCC visibility pop
