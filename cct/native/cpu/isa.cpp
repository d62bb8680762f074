#include "cpu/isa.h"

#include <cstdlib>
#include <cstring>

#include "format/fault.h"

namespace cct {

#if defined(__x86_64__)
namespace avx512 {
extern const Routine routine;
}
namespace avx2 {
extern const Routine routine;
}
#elif defined(__aarch64__)
namespace neon {
extern const Routine routine;
}
#endif
namespace generic {
extern const Routine routine;
}

namespace {

#if defined(__x86_64__)
// These builtins ask the operating system too (xgetbv): without its support the registers are not saved.
bool supports_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool supports_avx512() {
  return supports_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
}
#elif defined(__aarch64__)
bool supports_neon() { return true; }  // part of the architecture
#endif
bool supports_generic() { return true; }

}  // namespace

// A row enters this list, and with it the automatic choice, once the whole suite has run on a CPU that has
// it; for neon, on one that QEMU emulates, which says nothing of its speed.
const Isa kIsas[] = {
#if defined(__x86_64__)
    {"avx512", supports_avx512, true, &avx512::routine},
    {"avx2", supports_avx2, true, &avx2::routine},
#elif defined(__aarch64__)
    {"neon", supports_neon, false, &neon::routine},
#endif
    {"generic", supports_generic, false, &generic::routine},
};
const int kIsaCount = sizeof(kIsas) / sizeof(kIsas[0]);

const Isa& choose_isa(const char* name) {
  if (!name || !*name) name = std::getenv("CCT_ISA");
  const bool forced = name && *name;
  std::string names;
  for (const Isa& isa : kIsas) {
    if (forced ? !std::strcmp(isa.name, name) : isa.supported()) {
      if (isa.supported()) return isa;
      fail("CCT_ISA = ", name, ", but this CPU does not support it");
    }
    names += std::string(names.empty() ? "" : ", ") + isa.name;
  }
  fail("CCT_ISA = ", name, " is unknown or not compiled into this library, which has ", names);
}

}  // namespace cct
