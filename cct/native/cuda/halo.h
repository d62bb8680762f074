#pragma once
#include "slab_products.h"
namespace cct::cuda {
#if defined(CCT_EMULATE) || __CUDA_ARCH__ >= 800
template <int kTile>
CCT_DEVICE void halo(const HaloArguments& arguments) {
  (void)arguments;
}
#endif
}  // namespace cct::cuda
