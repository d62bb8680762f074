// The kernels of pattern convolution, by the names that the host asks for.
//
// Those for tensor cores are empty before compute capability 8.0: there the host runs plain.
#include "finish.h"
#include "gather.h"
#include "halo.h"
#include "plain.h"
#include "pointwise.h"
#include "to_chunks.h"

#if defined(CCT_EMULATE) || __CUDA_ARCH__ >= 800
#define CCT_TENSOR_CORES(body) body
#else
#define CCT_TENSOR_CORES(body)
#endif

namespace cct::cuda {

CCT_KERNEL(cct_gather_128x128, GatherArguments, 2) { CCT_TENSOR_CORES(gather<kGather128x128>(arguments)); }
CCT_KERNEL(cct_gather_256x64, GatherArguments, 2) { CCT_TENSOR_CORES(gather<kGather256x64>(arguments)); }
CCT_KERNEL(cct_gather_128x64, GatherArguments, 2) { CCT_TENSOR_CORES(gather<kGather128x64>(arguments)); }
CCT_KERNEL(cct_gather_64x64, GatherArguments, 2) { CCT_TENSOR_CORES(gather<kGather64x64>(arguments)); }
CCT_KERNEL(cct_halo_8x32x64, HaloArguments, 2) { CCT_TENSOR_CORES(halo<kHalo8x32x64>(arguments)); }
CCT_KERNEL(cct_halo_16x16x64, HaloArguments, 2) { CCT_TENSOR_CORES(halo<kHalo16x16x64>(arguments)); }
CCT_KERNEL(cct_halo_8x16x128, HaloArguments, 2) { CCT_TENSOR_CORES(halo<kHalo8x16x128>(arguments)); }
CCT_KERNEL(cct_halo_8x32x64_by4, HaloArguments, 2) { CCT_TENSOR_CORES(halo<kHalo8x32x64By4>(arguments)); }
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
CCT_KERNEL(cct_to_chunks, ChunksArguments, 1) { to_chunks(arguments); }
CCT_KERNEL(cct_finish, FinishArguments, 1) { finish(arguments); }
CCT_KERNEL(cct_plain_float32, PlainArguments, 1) { plain<float>(arguments); }
CCT_KERNEL(cct_plain_float16, PlainArguments, 1) { plain<uint16_t>(arguments); }

}  // namespace cct::cuda
