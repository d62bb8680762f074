// Calling ONNX Runtime, and being called by it: statuses to Faults and back.
#pragma once

#include <new>
#include <string>

#include "format/fault.h"
#include "ort/ort_abi.h"

namespace cct {

// A failed call of ONNX Runtime becomes a Fault.
inline void check_status(const OrtApi* api, OrtStatus* status, const char* what) {
  if (!status) return;
  const std::string message = ort::GetErrorMessage(api, status);
  ort::ReleaseStatus(api, status);
  fail("PatternConv: ", what, ": ", message);
}

// Nothing may be thrown into ONNX Runtime: what `body` throws becomes a status.
template <class Body>
OrtStatus* guarded(const OrtApi* api, Body body) {
  try {
    return body();
  } catch (const Fault& fault) {
    return ort::CreateStatus(api, ORT_INVALID_ARGUMENT, fault.text.c_str());
  } catch (const std::bad_alloc&) {
    return ort::CreateStatus(api, ORT_FAIL, "PatternConv: not enough memory");
  } catch (...) {
    return ort::CreateStatus(api, ORT_FAIL, "PatternConv: unexpected exception");
  }
}

}  // namespace cct
