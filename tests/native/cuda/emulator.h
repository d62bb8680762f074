// The functions of cct/native/cuda/device.h on a CPU: included there with CCT_EMULATE. Each thread of a block
// is a fiber, so that the kernels' own source runs, and every access is watched.
#pragma once

#include "cuda/tf32.h"
#include "emulated_block.h"
#include "format/float16.h"

#define CCT_DEVICE inline
#define CCT_UNROLL
#define CCT_NO_UNROLL
#define CCT_KERNEL(name, Arguments, blocks)                                            \
  static void name##_body(const Arguments& arguments);                                 \
  extern "C" __attribute__((visibility("default"))) void name(const void* arguments) { \
    name##_body(*static_cast<const Arguments*>(arguments));                            \
  }                                                                                    \
  static void name##_body([[maybe_unused]] const Arguments& arguments)

struct alignas(8) int2 {
  int x, y;
};
struct alignas(8) uint2 {
  uint32_t x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};
struct alignas(16) float4 {
  float x, y, z, w;
};

namespace cct::cuda {

using emulator::Access;
using emulator::Block;
using emulator::Site;

// Where a function was called from: lanes of a warp that pass there together share the memory's banks.
#define CCT_HERE Site here = {__builtin_FILE(), __builtin_LINE()}

inline int thread_index() { return Block::current().running; }
inline int block_x() { return Block::current().x; }
inline int block_y() { return Block::current().y; }
inline int block_z() { return Block::current().z; }
inline int grid_y() { return Block::current().grid[1]; }
inline int grid_z() { return Block::current().grid[2]; }
inline void barrier(CCT_HERE) { Block::current().barrier(here); }

template <class T>
T load_global(const T* from) {
  Block::current().global.check(from, sizeof(T), false);
  return *from;
}

template <class T>
void store_global(T* to, T value) {
  Block::current().global.check(to, sizeof(T), true);
  *to = value;
}

template <class T>
T load_shared(uint32_t from, CCT_HERE) {
  Block& block = Block::current();
  block.shared.check(from, sizeof(T), block.running, false);
  block.shared.count(Access::load, here, block.running, from, sizeof(T));
  T value;
  memcpy(&value, block.shared.bytes() + from, sizeof value);
  return value;
}

template <class T>
void store_shared(uint32_t to, T value, CCT_HERE) {
  Block& block = Block::current();
  block.shared.check(to, sizeof(T), block.running, true);
  block.shared.count(Access::store, here, block.running, to, sizeof(T));
  memcpy(block.shared.bytes() + to, &value, sizeof value);
}

template <class T>
T kept(T value) {
  return value;
}

using cct::bits_of;
using cct::float_of;
using cct::narrow;
using cct::widen;

inline uint32_t operand_of(uint16_t half) { return half; }
inline uint32_t operand_of(float value) { return bits_of(round_to_tf32(value)); }

inline uint32_t narrow_pair(float low, float high) {
  return narrow(low) | static_cast<uint32_t>(narrow(high)) << 16;
}

inline void copy_async(uint32_t to, const void* from, bool inside, CCT_HERE) {
  Block::current().start_copy(to, inside ? from : nullptr, 16, here);
}

inline void copy_async_8(uint32_t to, const void* from, bool inside, CCT_HERE) {
  Block::current().start_copy(to, inside ? from : nullptr, 8, here);
}

inline void commit_copies() { ++Block::current().thread().group; }

template <int kGroups>
void wait_copies() {
  Block::current().finish_copies(kGroups);
}

// Of a warp, as one: lane l gives what lane l of the instruction does.
struct MatrixRows {
  uint32_t from;
  uint32_t* to;
  bool transposed;
};

inline void load_matrices_of_warp(Block& block, int warp, void* const* lanes) {
  const auto row = [&](int matrix, int i) {
    return reinterpret_cast<const uint16_t*>(block.shared.bytes() +
                                             static_cast<MatrixRows*>(lanes[matrix * 8 + i])->from);
  };
  for (int matrix = 0; matrix < 4; ++matrix) {
    uint32_t addresses[8];
    for (int i = 0; i < 8; ++i) {
      addresses[i] = static_cast<MatrixRows*>(lanes[matrix * 8 + i])->from;
      block.shared.check(addresses[i], 16, emulator::kWarpReads + warp, false);
    }
    block.shared.count_phase(Access::matrix, addresses, 8, 16);
    for (int lane = 0; lane < 32; ++lane) {
      const MatrixRows& rows = *static_cast<MatrixRows*>(lanes[lane]);
      const int i = lane / 4, j = lane % 4 * 2;
      const uint16_t low = rows.transposed ? row(matrix, j)[i] : row(matrix, i)[j];
      const uint16_t high = rows.transposed ? row(matrix, j + 1)[i] : row(matrix, i)[j + 1];
      rows.to[matrix] = low | static_cast<uint32_t>(high) << 16;
    }
  }
}

inline void load_matrices(uint32_t (&to)[4], uint32_t from) {
  MatrixRows rows = {from, to, false};
  Block::current().together(load_matrices_of_warp, &rows);
}

inline void load_transposed(uint32_t (&to)[4], uint32_t from) {
  MatrixRows rows = {from, to, true};
  Block::current().together(load_matrices_of_warp, &rows);
}

struct Products {
  float* sums;
  const uint32_t* a;
  uint32_t b[2];
};

// Element i of a register: of float16 it holds two; of tf32 one, whose last 13 bits have no meaning.
template <class T>
float element(uint32_t word, int i) {
  if (sizeof(T) == 2) return widen(static_cast<uint16_t>(word >> 16 * i));
  return float_of(word & ~0x1fffu);
}

template <class T>
void multiply_add_of_warp(Block& block, int, void* const* lanes) {
  constexpr int kOfWord = 4 / sizeof(T), kHalf = 4 * kOfWord;  // columns of a, rows of b
  float a[16][2 * kHalf], b[2 * kHalf][8];
  for (int lane = 0; lane < 32; ++lane) {
    const Products& of = *static_cast<Products*>(lanes[lane]);
    for (int e = 0; e < kOfWord; ++e) {
      const int i = lane / 4, j = lane % 4 * kOfWord + e;
      for (int q = 0; q < 4; ++q) a[i + q % 2 * 8][j + q / 2 * kHalf] = element<T>(of.a[q], e);
      for (int q = 0; q < 2; ++q) b[j + q * kHalf][i] = element<T>(of.b[q], e);
    }
  }
  for (int lane = 0; lane < 32; ++lane) {
    for (int q = 0; q < 4; ++q) {
      float& sum = static_cast<Products*>(lanes[lane])->sums[q];
      const int i = lane / 4 + q / 2 * 8, j = lane % 4 * 2 + q % 2;
      for (int k = 0; k < 2 * kHalf; ++k) sum += a[i][k] * b[k][j];
    }
  }
  ++block.counters->products;
}

template <class T>
void multiply_add(float (&sums)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  Products products = {sums, a, {b0, b1}};
  Block::current().together(multiply_add_of_warp<T>, &products);
}

}  // namespace cct::cuda
