// Loaded before the address sanitizer, whose operator new ends the process where any other throws: for sizes
// that a forged file made up, this one throws, as it does without a sanitizer.
#include <dlfcn.h>

#include <cstddef>
#include <new>

namespace {

constexpr size_t kMost = size_t{256} << 20;

template <class... Rest>
void* allocate(const char* name, size_t size, Rest... rest) {
  if (size > kMost) throw std::bad_alloc();
  return reinterpret_cast<void* (*)(size_t, Rest...)>(dlsym(RTLD_NEXT, name))(size, rest...);
}

}  // namespace

void* operator new(size_t size) { return allocate("_Znwm", size); }
void* operator new[](size_t size) { return allocate("_Znam", size); }
void* operator new(size_t size, std::align_val_t at) { return allocate("_ZnwmSt11align_val_t", size, at); }
void* operator new[](size_t size, std::align_val_t at) { return allocate("_ZnamSt11align_val_t", size, at); }
