// Arrays on the GPU: collected on the host, then uploaded together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "cuda/cuda_conv.h"
#include "cuda/driver.h"
#include "format/fault.h"

namespace cct::cuda {

class Tables {
 public:
  Tables(const Context& context, const cct_cuda_memory& memory) : context_(context), memory_(memory) {}
  ~Tables() {
    if (base_) memory_.release(memory_.owner, base_);
  }
  Tables(const Tables&) = delete;
  Tables& operator=(const Tables&) = delete;

  // `place` gets the array's address with `upload`.
  template <class T>
  void add(const std::vector<T>& array, const T*& place) {
    const size_t at = bytes_.size(), size = array.size() * sizeof(T);
    bytes_.resize(at + divide_up(size, kAlignment) * kAlignment);
    if (size) std::memcpy(bytes_.data() + at, array.data(), size);
    places_.push_back({reinterpret_cast<const void**>(&place), at});
  }

  void upload() {
    if (bytes_.empty()) return;
    base_ = memory_.allocate(memory_.owner, bytes_.size());
    if (!base_) fail("not enough memory on the GPU for ", bytes_.size(), " bytes of weights");
    if (reinterpret_cast<uintptr_t>(base_) % kLeastAlignment)
      fail("the GPU's memory is not aligned to 16 bytes");
    context_.upload(base_, bytes_.data(), bytes_.size());
    for (const Place& place : places_) *place.pointer = static_cast<const char*>(base_) + place.at;
    std::vector<unsigned char>().swap(bytes_);
    places_.clear();
  }

 private:
  static constexpr size_t kAlignment = 256, kLeastAlignment = 16;

  struct Place {
    const void** pointer;
    size_t at;
  };

  const Context& context_;
  const cct_cuda_memory memory_;
  std::vector<unsigned char> bytes_;
  std::vector<Place> places_;
  void* base_ = nullptr;
};

}  // namespace cct::cuda
