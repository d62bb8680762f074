// The kernels as a library for the tests: cct_emulate runs one on the CPU.
#include "cuda/pattern_conv.cu"
#include "cuda/tiles.h"

namespace {
using namespace cct::emulator;
}

#pragma GCC visibility push(default)
extern "C" {

// Runs a kernel, by the function of its name, on the arrays of its launch. Returns 0, or 1 and what it does
// wrong.
int cct_emulate(void (*kernel)(const void*), const int grid[3], int threads, int64_t shared_bytes,
                const void* arguments, const Range* ranges, int range_count, uint32_t seed,
                Counters* counters, char* error, size_t error_size) {
  std::mt19937 random(seed);
  Global global(ranges, range_count);
  *counters = {};
  try {
    for (int z = 0; z < grid[2]; ++z) {
      for (int y = 0; y < grid[1]; ++y) {
        for (int x = 0; x < grid[0]; ++x) {
          Block(x, y, z, grid, threads, shared_bytes, global, counters).run(kernel, arguments, random);
        }
      }
    }
    return 0;
  } catch (const Fault& fault) {
    snprintf(error, error_size, "%s", fault.what.c_str());
    return 1;
  }
}

// What launch.h and tiles.h are for a C++ compiler, for the tests' own account of them.
int64_t cct_size_of(int which) {
  const int64_t sizes[] = {sizeof(cct::cuda::HaloArguments),   sizeof(cct::cuda::PointwiseArguments),
                           sizeof(cct::cuda::GatherArguments), sizeof(cct::cuda::ChunksArguments),
                           sizeof(cct::cuda::FinishArguments), sizeof(cct::cuda::PlainArguments)};
  return sizes[which];
}

const char* cct_tile(int number, int slabs, int32_t sizes[4]) {
  if (number >= cct::cuda::kTileCount) return nullptr;
  const cct::cuda::Tile& tile = cct::cuda::kTiles[number];
  sizes[0] = tile.rows, sizes[1] = tile.columns, sizes[2] = tile.out_channels;
  sizes[3] = tile.shared_bytes(slabs);
  return tile.kernel;
}

}  // extern "C"
#pragma GCC visibility pop
