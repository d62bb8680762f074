// IEEE half precision to float and back, in bit arithmetic: no compiler needs to know the type, and all
// vectorize it.
//
// Internal linkage, always inlined: routine.cpp is compiled for several instruction sets.
#pragma once

#include <cstdint>

#define CCT_FLOAT16 static inline __attribute__((always_inline))

namespace cct {

CCT_FLOAT16 uint32_t bits_of(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}

CCT_FLOAT16 float float_of(uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

// Exact; no subnormal float takes part, so it does not matter whether the CPU flushes them.
CCT_FLOAT16 float widen(uint16_t half) {
  constexpr uint32_t kBias = 112u << 23, kOne = 1u << 23;  // 127 - 15 and 1 in the exponent of a float
  const uint32_t sign = (half & 0x8000u) << 16;
  const uint32_t rest = (half & 0x7fffu) << 13;  // exponent and fraction where a float has them
  const uint32_t normal = rest + kBias, special = normal + kBias;
  const uint32_t subnormal = bits_of(float_of(normal + kOne) - float_of(kBias + kOne));
  return float_of(sign | (rest < kOne ? subnormal : rest < 31 * kOne ? normal : special));
}

// To nearest, ties to even; what is too large becomes infinity, and a NaN stays one.
CCT_FLOAT16 uint16_t narrow(float value) {
  constexpr uint32_t kBias = 112u << 23;
  constexpr uint32_t kNormal = 113u << 23, kTooLarge = 143u << 23, kInfinity = 255u << 23;  // 2^-14, 2^16
  const uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000u, rest = bits & 0x7fffffffu;
  const uint32_t normal = (rest - kBias + 0xfffu + (rest >> 13 & 1)) >> 13;  // may carry, up to infinity
  // The last bit of a float near 0.5 counts 2^-24, as that of a subnormal half does.
  const uint32_t subnormal = bits_of(float_of(rest) + 0.5f) - bits_of(0.5f);
  const uint32_t nan = 0x7e00u | (rest >> 13 & 0x3ffu);
  const uint32_t large = rest > kInfinity ? nan : 0x7c00u;
  return static_cast<uint16_t>(sign | (rest < kNormal ? subnormal : rest < kTooLarge ? normal : large));
}

}  // namespace cct

#undef CCT_FLOAT16
