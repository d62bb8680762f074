#include "cuda/fatbin.h"

#include "format/fault.h"

#ifdef CCT_FATBIN

// The assembler takes the file in: no step that writes it as C, and nothing to link.
__asm__(
    ".section .rodata\n"
    ".balign 64\n"
    ".hidden cct_fatbin_data\n"
    ".globl cct_fatbin_data\n"
    "cct_fatbin_data:\n"
    ".incbin \"" CCT_FATBIN
    "\"\n"
    ".previous\n");
extern "C" const unsigned char cct_fatbin_data[];

namespace cct::cuda {

const Fatbin& fatbin() {
  static const Fatbin fatbin{cct_fatbin_data, CCT_NVCC_MAJOR, CCT_NVCC_MINOR, CCT_CUDA_ARCHITECTURES};
  return fatbin;
}

}  // namespace cct::cuda

#else

namespace cct::cuda {

const Fatbin& fatbin() {
  fail("this library was built without CUDA: reinstall cct with nvcc on the PATH, or use the CPU provider");
}

}  // namespace cct::cuda

#endif
