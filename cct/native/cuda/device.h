// What only a GPU has: its instructions, and the memory of a block of threads. All kernels are plain C++
// above these functions; with CCT_EMULATE they are those of the emulator of the tests.
//
// Shared memory is addressed by bytes from its start.
#pragma once

#include <cstdint>

#ifdef CCT_EMULATE
#include "emulator.h"  // of the tests
#else

#define CCT_DEVICE __device__ __forceinline__
#define CCT_UNROLL _Pragma("unroll")
#define CCT_NO_UNROLL _Pragma("unroll 1")
// Defines a kernel that the host finds by this name; its body has `arguments`. At least `blocks` blocks of it
// fit a multiprocessor's registers.
#define CCT_KERNEL(name, Arguments, blocks)                                 \
  extern "C" __global__ void __launch_bounds__(cct::cuda::kThreads, blocks) \
      name(const __grid_constant__ cct::cuda::Arguments arguments)

namespace cct::cuda {

extern __shared__ __align__(128) unsigned char shared_memory[];

CCT_DEVICE int thread_index() { return threadIdx.x; }
CCT_DEVICE int block_x() { return blockIdx.x; }
CCT_DEVICE int block_y() { return blockIdx.y; }
CCT_DEVICE int block_z() { return blockIdx.z; }
CCT_DEVICE int grid_y() { return gridDim.y; }
CCT_DEVICE int grid_z() { return gridDim.z; }

// Until all threads of the block are here; what they wrote before is then seen by all.
CCT_DEVICE void barrier() { __syncthreads(); }

template <class T>
CCT_DEVICE T load_global(const T* from) {
  return __ldg(from);
}

template <class T>
CCT_DEVICE void store_global(T* to, T value) {
  *to = value;
}

template <class T>
CCT_DEVICE T load_shared(uint32_t from) {
  return *reinterpret_cast<const T*>(shared_memory + from);
}

template <class T>
CCT_DEVICE void store_shared(uint32_t to, T value) {
  *reinterpret_cast<T*>(shared_memory + to) = value;
}

// The value, of which the compiler forgets how it came about, so that it does not compute it again in a loop.
template <class T>
CCT_DEVICE T kept(T value) {
  if constexpr (sizeof value == 8) {
    asm("" : "+l"(value));
  } else {
    asm("" : "+r"(value));
  }
  return value;
}

CCT_DEVICE float widen(uint16_t half) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(half));
  return value;
}

CCT_DEVICE uint16_t narrow(float value) {
  uint16_t half;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(value));
  return half;
}

CCT_DEVICE float float_of(uint32_t bits) { return __uint_as_float(bits); }
CCT_DEVICE uint32_t bits_of(float value) { return __float_as_uint(value); }

// What tensor cores are given for a number: float32 is rounded to the nearest of tf32, ties away from zero.
CCT_DEVICE uint32_t operand_of(uint16_t half) { return half; }

#if __CUDA_ARCH__ >= 800

CCT_DEVICE uint32_t operand_of(float value) {
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return bits;
}

CCT_DEVICE uint32_t address_of(uint32_t shared) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(shared_memory + shared));
}

// Two numbers as float16, the first one in the low half.
CCT_DEVICE uint32_t narrow_pair(float low, float high) {
  uint32_t pair;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}

// Starts to copy 16 bytes to shared memory, or zeros, in which case `from` is not read.
CCT_DEVICE void copy_async(uint32_t to, const void* from, bool inside) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address_of(to)), "l"(from),
               "r"(inside ? 16 : 0)
               : "memory");
}

// The same of 8 bytes.
CCT_DEVICE void copy_async_8(uint32_t to, const void* from, bool inside) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(address_of(to)), "l"(from),
               "r"(inside ? 8 : 0)
               : "memory");
}

// Closes a group of copies.
CCT_DEVICE void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Until this thread's copies have arrived, but for its last `kGroups` groups. Other threads see them after a
// barrier.
template <int kGroups>
CCT_DEVICE void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kGroups) : "memory");
}

// Four matrices of 8 rows; lane l gives the address of row l % 8 of matrix l / 8, which has 16 bytes. Lane l
// receives of each matrix the 4 bytes l % 4 of row l / 4: elements 2 * (l % 4) and the next one of float16,
// or element l % 4 of tf32.
CCT_DEVICE void load_matrices(uint32_t (&to)[4], uint32_t from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(address_of(from))
               : "memory");
}

// The same of transposed 8x8 matrices of float16: lane l receives the rows 2 * (l % 4) and the next one of
// column l / 4.
CCT_DEVICE void load_transposed(uint32_t (&to)[4], uint32_t from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(address_of(from))
               : "memory");
}

// sums += a x b of a warp: 16x8 += 16x16 x 16x8 of float16, 16x8 x 8x8 of float as tf32. a is four matrices
// as load_matrices has them: rows 0-7 and 8-15 of its left half, then of its right one; b is two, each with a
// row for every column of b. Lane l has the sums of row l / 4, columns 2 * (l % 4) and the next one, then
// those of row l / 4 + 8.
template <class T>
CCT_DEVICE void multiply_add(float (&sums)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);

template <>
CCT_DEVICE void multiply_add<uint16_t>(float (&sums)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

template <>
CCT_DEVICE void multiply_add<float>(float (&sums)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

#endif

}  // namespace cct::cuda

#endif
