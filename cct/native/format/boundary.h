// The boundary of the C API: nothing is thrown through it.
#pragma once

#include <cstddef>
#include <cstdio>
#include <new>

#include "format/fault.h"

namespace cct {

// Runs `body`; what it throws becomes one line.
template <class Body>
bool succeeds(char* error, size_t error_size, Body body) {
  const auto say = [&](const char* text) {
    if (error && error_size) std::snprintf(error, error_size, "PatternConv: %s", text);
    return false;
  };
  try {
    body();
    return true;
  } catch (const Fault& fault) {
    return say(fault.text.c_str());
  } catch (const std::bad_alloc&) {
    return say("not enough memory");
  } catch (...) {
    return say("unexpected exception");
  }
}

}  // namespace cct
