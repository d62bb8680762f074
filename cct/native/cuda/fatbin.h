// What nvcc made of pattern_conv.cu, for every architecture, as it lies in this library.
#pragma once

namespace cct::cuda {

struct Fatbin {
  const void* data;            // as cuModuleLoadData takes it
  int nvcc_major, nvcc_minor;  // that made it
  const char* architectures;   // "7.5 8.0 ...": compute capabilities that have machine code in it
};

// A Fault in a library that was built without nvcc.
const Fatbin& fatbin();

}  // namespace cct::cuda
