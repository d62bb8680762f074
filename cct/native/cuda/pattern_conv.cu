// The kernels of pattern convolution, by the names that the host asks for.
//
// Those for tensor cores are empty before compute capability 8.0: there the host runs plain.
#include "cuda/finish.h"
#include "cuda/gather.h"
#include "cuda/halo.h"
#include "cuda/halo_tf32.h"
#include "cuda/plain.h"
#include "cuda/pointwise.h"
#include "cuda/to_chunks.h"

#if defined(CCT_EMULATE) || __CUDA_ARCH__ >= 800
#define CCT_TENSOR_CORES(body) body
#else
#define CCT_TENSOR_CORES(body)
#endif

namespace cct::cuda {

CCT_KERNEL(cct_halo_8x32x64, HaloArguments, 2) { CCT_TENSOR_CORES(halo<kHalo8x32x64>(arguments)); }
CCT_KERNEL(cct_halo_16x16x64, HaloArguments, 2) { CCT_TENSOR_CORES(halo<kHalo16x16x64>(arguments)); }
CCT_KERNEL(cct_halo_8x32x64_by4, HaloArguments, 2) { CCT_TENSOR_CORES(halo<kHalo8x32x64By4>(arguments)); }
CCT_KERNEL(cct_halo_8x16x128, HaloArguments, 2) { CCT_TENSOR_CORES(halo<kHalo8x16x128>(arguments)); }
CCT_KERNEL(cct_halo_4x32x128_by4, HaloArguments, 2) { CCT_TENSOR_CORES(halo<kHalo4x32x128By4>(arguments)); }
CCT_KERNEL(cct_pointwise_128x128, PointwiseArguments, 2) {
  CCT_TENSOR_CORES(pointwise<kPointwise128x128>(arguments));
}
CCT_KERNEL(cct_pointwise_256x64, PointwiseArguments, 2) {
  CCT_TENSOR_CORES(pointwise<kPointwise256x64>(arguments));
}
CCT_KERNEL(cct_pointwise_64x64, PointwiseArguments, 2) {
  CCT_TENSOR_CORES(pointwise<kPointwise64x64>(arguments));
}
CCT_KERNEL(cct_pointwise_128x128_by4, PointwiseArguments, 2) {
  CCT_TENSOR_CORES(pointwise<kPointwise128x128By4>(arguments));
}
CCT_KERNEL(cct_pointwise_256x64_by4, PointwiseArguments, 2) {
  CCT_TENSOR_CORES(pointwise<kPointwise256x64By4>(arguments));
}
CCT_KERNEL(cct_pointwise_64x64_by4, PointwiseArguments, 2) {
  CCT_TENSOR_CORES(pointwise<kPointwise64x64By4>(arguments));
}
CCT_KERNEL(cct_gather_128x128, GatherArguments, 2) { CCT_TENSOR_CORES(gather<kGather128x128>(arguments)); }
CCT_KERNEL(cct_gather_256x64, GatherArguments, 2) { CCT_TENSOR_CORES(gather<kGather256x64>(arguments)); }
CCT_KERNEL(cct_gather_128x64, GatherArguments, 2) { CCT_TENSOR_CORES(gather<kGather128x64>(arguments)); }
CCT_KERNEL(cct_gather_64x64, GatherArguments, 2) { CCT_TENSOR_CORES(gather<kGather64x64>(arguments)); }
CCT_KERNEL(cct_halo_8x32x64_tf32, HaloArguments, 2) {
  CCT_TENSOR_CORES(halo_tf32<kHalo8x32x64Tf32>(arguments));
}
CCT_KERNEL(cct_halo_16x16x64_tf32, HaloArguments, 2) {
  CCT_TENSOR_CORES(halo_tf32<kHalo16x16x64Tf32>(arguments));
}
CCT_KERNEL(cct_halo_8x16x128_tf32, HaloArguments, 2) {
  CCT_TENSOR_CORES(halo_tf32<kHalo8x16x128Tf32>(arguments));
}
CCT_KERNEL(cct_pointwise_128x128_tf32, PointwiseArguments, 2) {
  CCT_TENSOR_CORES(pointwise<kPointwise128x128Tf32>(arguments));
}
CCT_KERNEL(cct_pointwise_256x64_tf32, PointwiseArguments, 2) {
  CCT_TENSOR_CORES(pointwise<kPointwise256x64Tf32>(arguments));
}
CCT_KERNEL(cct_pointwise_64x64_tf32, PointwiseArguments, 2) {
  CCT_TENSOR_CORES(pointwise<kPointwise64x64Tf32>(arguments));
}
CCT_KERNEL(cct_gather_128x128_tf32, GatherArguments, 2) {
  CCT_TENSOR_CORES(gather<kGather128x128Tf32>(arguments));
}
CCT_KERNEL(cct_gather_256x64_tf32, GatherArguments, 2) {
  CCT_TENSOR_CORES(gather<kGather256x64Tf32>(arguments));
}
CCT_KERNEL(cct_gather_128x64_tf32, GatherArguments, 2) {
  CCT_TENSOR_CORES(gather<kGather128x64Tf32>(arguments));
}
CCT_KERNEL(cct_gather_64x64_tf32, GatherArguments, 2) {
  CCT_TENSOR_CORES(gather<kGather64x64Tf32>(arguments));
}
CCT_KERNEL(cct_to_chunks_float16, ChunksArguments, 1) { to_chunks<Half>(arguments); }
CCT_KERNEL(cct_to_chunks_tf32, ChunksArguments, 1) { CCT_TENSOR_CORES(to_chunks<float>(arguments)); }
CCT_KERNEL(cct_finish_float16, FinishArguments, 1) { finish<Half>(arguments); }
CCT_KERNEL(cct_finish_float32, FinishArguments, 1) { finish<float>(arguments); }
CCT_KERNEL(cct_plain_float16, PlainArguments, 1) { plain<Half>(arguments); }
CCT_KERNEL(cct_plain_float32, PlainArguments, 1) { plain<float>(arguments); }

}  // namespace cct::cuda
