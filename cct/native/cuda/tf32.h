// float32 as tensor cores multiply it: 8 bits of exponent, 10 of mantissa.
#pragma once

#include <cstdint>
#include <cstring>

namespace cct::cuda {

// The nearest such number, ties away from zero, as the GPU's own conversion; what is too large becomes
// infinity, and a NaN stays one.
inline float round_to_tf32(float value) {
  constexpr uint32_t kLast = 1u << 13, kInfinity = 0x7f800000u, kNan = 0x7fffffffu;
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const bool nan = (bits & ~(1u << 31)) > kInfinity;
  bits = nan ? kNan : (bits + kLast / 2) & ~(kLast - 1);
  std::memcpy(&value, &bits, sizeof bits);
  return value;
}

}  // namespace cct::cuda
