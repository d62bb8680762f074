// The arithmetic, compiled once for each ISA row with -DCCT_ISA=<row>: see routine.h for the algorithm.
//
// Everything has internal linkage or lies in the namespace of the row, and no standard container is used: an
// inline function of a header could be emitted here with this row's instructions, and the linker could keep
// that copy for all.
#include "cpu/routine.h"

#include "format/float16.h"

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(CCT_NEON)
#include <arm_neon.h>
#endif

#ifdef __clang__
#define CCT_UNROLL _Pragma("unroll")
#else
#define CCT_UNROLL _Pragma("GCC unroll 16")
#endif

#define CCT_LAMBDA __attribute__((always_inline))

namespace cct {
namespace CCT_ISA {
namespace {

#include "cpu/simd.h"

constexpr int kWeightsAhead = 512;  // floats: 2 KB

CCT_INLINE void prefetch(const float* p) { __builtin_prefetch(p); }

#include "cpu/compute_gradient.h"
#include "cpu/compute_lanes.h"
#include "cpu/pack_lanes.h"
#include "cpu/strips.h"

// ---------------------------------------------------------------- float16

void widen_all(const uint16_t* from, float* to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] = widen(from[i]);
}

void narrow_all(const float* from, uint16_t* to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] = narrow(from[i]);
}

}  // namespace

extern const Routine routine;
const Routine routine{kLanes,     kWidest,       kWhole,   kTail,  kStripRows, pack,      compute,
                      pack_strip, compute_strip, gradient, spread, widen_all,  narrow_all};

}  // namespace CCT_ISA
}  // namespace cct
