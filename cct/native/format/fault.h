// What is wrong with an input, in one line with the numbers. Thrown inside the library, caught at its C
// boundary.
#pragma once

#include <cstdint>
#include <sstream>
#include <string>

namespace cct {

struct Fault {
  std::string text;
};

// fail("filters[", 3, "] = ", 17, ...)
template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw Fault{text.str()};
}

// a * b * ... of sizes, none negative, or a Fault that names `what` when it does not fit.
template <class... Factors>
int64_t product(const char* what, Factors... factors) {
  int64_t result = 1;
  bool fits = true;
  ((fits = fits && !__builtin_mul_overflow(result, static_cast<int64_t>(factors), &result)), ...);
  if (!fits) fail(what, " would have more bytes than 63 bits can count");
  return result;
}

inline int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace cct
