#include "cuda/launches.h"

#include "format/fault.h"

namespace cct::cuda {
namespace {

// The plan has seen to it that what the kernels count fits.
constexpr int32_t int32(int64_t value) { return static_cast<int32_t>(value); }

class Run {
 public:
  Run(const Context& context, const Convolution& conv, const GpuWeights& weights, const CudaPlan& plan,
      const Images& images, Stream stream)
      : context_(context), conv_(conv), weights_(weights), plan_(plan), images_(images), stream_(stream) {}

  void halo() const {
    HaloArguments arguments{};
    arguments.slabs = weights_.slabs()->slabs;
    arguments.ending = ending();
    arguments.x = images_.x;
    arguments.inputs = weights_.slabs()->inputs;
    arguments.images = int32(plan_.images);
    arguments.channels = int32(conv_.in_channels);
    arguments.height = int32(plan_.size.in[0]);
    arguments.width = int32(plan_.size.in[1]);
    arguments.row_tiles = int32(plan_.row_tiles);
    arguments.column_tiles = int32(plan_.column_tiles);
    launch_tiles(arguments);
  }

  void pointwise() const {
    PointwiseArguments arguments{};
    arguments.slabs = weights_.slabs()->slabs;
    arguments.ending = ending();
    arguments.x = images_.x;
    arguments.inputs = weights_.slabs()->inputs;
    arguments.images = int32(plan_.images);
    arguments.channels = int32(conv_.in_channels);
    arguments.plane = int32(plan_.in_plane());
    launch_tiles(arguments);
  }

  void gather() const {
    GatherArguments arguments{};
    arguments.slabs = weights_.slabs()->slabs;
    arguments.ending = ending();
    arguments.chunks = static_cast<const unsigned char*>(images_.workspace);
    arguments.chunk_count = int32(weights_.slabs()->shape.chunks);
    arguments.images = int32(plan_.images);
    arguments.height = int32(plan_.size.in[0]);
    arguments.width = int32(plan_.size.in[1]);
    arguments.out_width = int32(plan_.size.out[1]);
    for (int axis = 0; axis < 2; ++axis) arguments.stride[axis] = int32(conv_.window.stride[axis]);
    launch_tiles(arguments);
  }

  // What gather reads.
  void to_chunks() const {
    ChunksArguments arguments{};
    arguments.x = images_.x;
    arguments.inputs = weights_.slabs()->inputs;
    arguments.chunks = images_.workspace;
    arguments.images = int32(plan_.images);
    arguments.channels = int32(conv_.in_channels);
    arguments.chunk_count = int32(weights_.slabs()->shape.chunks);
    arguments.plane = int32(plan_.in_plane());
    launch(conv_.half ? "cct_to_chunks_float16" : "cct_to_chunks_tf32",
           {blocks_of(plan_.images * plan_.in_plane()), arguments.chunk_count, 1}, 0, arguments);
  }

  // Adds the parts.
  void finish() const {
    const FinishArguments arguments{ending(), int32(plan_.images), int32(plan_.parts)};
    const SlabShape& shape = weights_.slabs()->shape;
    const int64_t places = shape.out_tiles * shape.tile_channels;
    launch(conv_.half ? "cct_finish_float16" : "cct_finish_float32",
           {blocks_of(plan_.images * plan_.out_plane()), places, 1}, 0, arguments);
  }

  void plain() const {
    const GpuWeights::OfQuads& quads = *weights_.quads();
    PlainArguments arguments{};
    arguments.x = images_.x;
    arguments.residual = images_.z;
    arguments.y = images_.y;
    arguments.taps = quads.taps;
    arguments.first = quads.first;
    arguments.outputs = quads.outputs;
    arguments.bias = quads.bias;
    arguments.images = int32(plan_.images);
    arguments.channels = int32(conv_.in_channels);
    arguments.height = int32(plan_.size.in[0]);
    arguments.width = int32(plan_.size.in[1]);
    arguments.out_channels = int32(conv_.out_channels);
    arguments.out_height = int32(plan_.size.out[0]);
    arguments.out_width = int32(plan_.size.out[1]);
    for (int axis = 0; axis < 2; ++axis) arguments.stride[axis] = int32(conv_.window.stride[axis]);
    arguments.clip_min = conv_.clip_min;
    arguments.clip_max = conv_.clip_max;
    launch(conv_.half ? "cct_plain_float16" : "cct_plain_float32",
           {blocks_of(plan_.images * plan_.out_plane()), quads.count, 1}, 0, arguments);
  }

 private:
  static int64_t blocks_of(int64_t threads) { return divide_up(threads, kThreads); }

  Ending ending() const {
    Ending ending{};
    ending.bias = weights_.slabs()->bias;
    ending.outputs = weights_.slabs()->outputs;
    ending.residual = images_.z;
    ending.y = images_.y;
    if (plan_.parts > 1) {
      ending.partials = reinterpret_cast<float*>(static_cast<char*>(images_.workspace) + plan_.partials_at);
    }
    ending.partials_pitch = plan_.partials_pitch;
    ending.out_channels = int32(conv_.out_channels);
    ending.out_plane = int32(plan_.out_plane());
    ending.clip_min = conv_.clip_min;
    ending.clip_max = conv_.clip_max;
    return ending;
  }

  template <class Arguments>
  void launch_tiles(const Arguments& arguments) const {
    const int shared_bytes = plan_.tile->shared_bytes(static_cast<int>(plan_.slabs_of_part));
    launch(plan_.tile->kernel, {plan_.blocks, 1, plan_.parts}, shared_bytes, arguments);
  }

  template <class Arguments>
  void launch(const char* kernel, const Grid& grid, int shared_bytes, const Arguments& arguments) const {
    context_.launch(kernel, grid, kThreads, shared_bytes, stream_, &arguments);
  }

  const Context& context_;
  const Convolution& conv_;
  const GpuWeights& weights_;
  const CudaPlan& plan_;
  const Images& images_;
  const Stream stream_;
};

}  // namespace

void launch_all(const Context& context, const Convolution& conv, const GpuWeights& weights,
                const CudaPlan& plan, const Images& images, Stream stream) {
  if (!plan.images) return;
  const Run run(context, conv, weights, plan, images, stream);
  if (!plan.tile) return run.plain();
  switch (plan.tile->way) {
    case Way::kHalo:
      run.halo();
      break;
    case Way::kPointwise:
      run.pointwise();
      break;
    case Way::kGather:
      run.to_chunks();
      run.gather();
      break;
  }
  if (plan.parts > 1) run.finish();
}

}  // namespace cct::cuda
