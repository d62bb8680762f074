// The ISA rows: the same routine compiled for several instruction sets, and which one runs.
#pragma once

#include "cpu/routine.h"

namespace cct {

struct Isa {
  const char* name;
  bool (*supported)();   // by this CPU and its operating system
  bool serves_training;  // its sparse products beat the dense ones of torch
  const Routine* routine;
};

// Best first.
extern const Isa kIsas[];
extern const int kIsaCount;

// The row of that name, or a Fault that says whether the CPU or this library lacks it. NULL or "" stands for
// the environment variable CCT_ISA, and when that is unset or empty too, for the first row that the CPU
// supports.
const Isa& choose_isa(const char* name);

}  // namespace cct
