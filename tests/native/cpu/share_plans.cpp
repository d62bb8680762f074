// share_plans ISA ROUNDS SEED: threads that share convolutions and gradients, on more sizes of images than
// these remember, while other threads create and destroy some. For ThreadSanitizer, which says what is not
// locked; exit code 1, with a line on stderr, when a result has other bits than without threads.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "cpu/pattern_conv.h"

namespace {

constexpr int kSizes = 9, kThreads = 6, kTurns = 12;
constexpr int64_t kChannels = 6, kOutputs = 5, kPositions = 9;

using Random = std::mt19937;
using Floats = std::vector<float>;

int between(Random& random, int least, int most) {
  return std::uniform_int_distribution<int>(least, most)(random);
}

[[noreturn]] void stop(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  std::exit(1);
}

Floats normal(Random& random, int64_t count) {
  std::normal_distribution<float> value;
  Floats values(count);
  for (float& v : values) v = value(random);
  return values;
}

int64_t count_of(const int64_t dims[4]) { return dims[0] * dims[1] * dims[2] * dims[3]; }

// A convolution by 3x3 with some kernels of one position each, as a file states it.
class Stated {
 public:
  Stated(Random& random, int64_t outputs_together) {
    block_[0] = outputs_together;
    strides_[0] = strides_[1] = between(random, 1, 2);
    const int64_t blocks = (kOutputs + block_[0] - 1) / block_[0];
    for (int64_t i = 0; i < kPositions; ++i) pool_.push_back(i);
    for (int64_t i = 0; i < blocks * block_[0]; ++i) order_.push_back(i < kOutputs ? i : -1);
    for (int64_t i = 0; i < kChannels; ++i) in_order_.push_back(i);
    for (int64_t f = 0; f < blocks; ++f) {
      for (int64_t c = 0; c < kChannels; ++c) {
        for (int64_t p = 0; p < kPositions; ++p) {
          if (between(random, 0, 2)) continue;
          filters_.push_back(f);
          channels_.push_back(c);
          patterns_.push_back(p);
        }
      }
    }
    weights_ = normal(random, filters_.size() * block_[0]);
    for (size_t i = 0; i < weights_.size(); ++i) {
      if (order_[filters_[i / block_[0]] * block_[0] + i % block_[0]] < 0) weights_[i] = 0;
    }
    bias_ = normal(random, kOutputs);
    w_dims_[0] = kernels_[0] = filters_.size();
    w_dims_[2] = block_[0];
    orders_[0] = order_.size();
  }
  Stated(const Stated&) = delete;  // what `packed` answers points into it

  cct_packed packed() const {
    cct_packed packed{};
    packed.layout = "NCHW";
    packed.kernel_shape = {kernel_, 2};
    packed.strides = {strides_, 2};
    packed.pads = {ones_, 4};
    packed.dilations = {ones_, 2};
    packed.pool = {pool_.data(), kPositions};
    packed.block = {block_, 2};
    packed.group = packed.entries = 1;
    packed.in_channels = kChannels;
    packed.out_channels = kOutputs;
    packed.clip_min = -1;
    packed.clip_max = 1;
    packed.type = packed.weight_type = CCT_FLOAT32;
    packed.W = {weights_.data(), w_dims_, 3};
    packed.filters = {filters_.data(), kernels_, 1};
    packed.channels = {channels_.data(), kernels_, 1};
    packed.patterns = {patterns_.data(), kernels_, 1};
    packed.order = {order_.data(), orders_, 1};
    packed.in_order = {in_order_.data(), in_orders_, 1};
    packed.B = {bias_.data(), outputs_, 1};
    return packed;
  }
  size_t weights() const { return weights_.size(); }

 private:
  int64_t kernel_[2] = {3, 3}, strides_[2], ones_[4] = {1, 1, 1, 1}, block_[2] = {1, 1};
  int64_t w_dims_[3] = {0, 1, 0}, kernels_[1], orders_[1], in_orders_[1] = {kChannels},
          outputs_[1] = {kOutputs};
  std::vector<int64_t> pool_;
  std::vector<int32_t> filters_, channels_, order_, in_order_;
  std::vector<uint8_t> patterns_;
  Floats weights_, bias_;
};

// Threads of its own for each loop, as the runtime's may be anyone's.
int on_threads(void*, void (*task)(void*, size_t), size_t count, void* argument) {
  std::vector<std::thread> threads;
  for (size_t i = 0; i < count; ++i) threads.emplace_back(task, argument, i);
  for (std::thread& thread : threads) thread.join();
  return 0;
}

struct Images {
  int64_t x_dims[4], y_dims[4];
  Floats x, z, y, dw;  // y and dw: what runs answer
};

struct Functions {
  const char* isa;

  cct_pattern_conv* conv(const Stated& stated) const {
    const cct_packed packed = stated.packed();
    char error[512];
    cct_pattern_conv* conv = cct_pattern_conv_create(&packed, isa, error, sizeof error);
    if (!conv) stop(error);
    return conv;
  }

  cct_weight_gradient* gradient(const Stated& stated) const {
    const cct_packed packed = stated.packed();
    char error[512];
    cct_weight_gradient* gradient = cct_weight_gradient_create(&packed, isa, error, sizeof error);
    if (!gradient) stop(error);
    return gradient;
  }

  Floats y(const cct_pattern_conv* conv, const Images& images, const cct_threads* threads) const {
    char error[512];
    int64_t y_dims[4];
    size_t bytes;
    if (cct_pattern_conv_prepare(conv, images.x_dims, y_dims, &bytes, error, sizeof error)) stop(error);
    std::vector<char> scratch(bytes);
    Floats y(count_of(y_dims));
    if (cct_pattern_conv_run(conv, images.x_dims, images.x.data(), images.z.data(), y.data(), scratch.data(),
                             threads, error, sizeof error)) {
      stop(error);
    }
    return y;
  }

  Floats dw(const cct_weight_gradient* gradient, size_t weights, const Images& images,
            const cct_threads* threads) const {
    char error[512];
    int64_t y_dims[4];
    size_t bytes;
    if (cct_weight_gradient_prepare(gradient, images.x_dims, y_dims, &bytes, error, sizeof error))
      stop(error);
    std::vector<char> scratch(bytes);
    Floats dw(weights);
    if (cct_weight_gradient_run(gradient, images.x_dims, images.x.data(), images.z.data(), dw.data(),
                                scratch.data(), threads, error, sizeof error)) {
      stop(error);
    }
    return dw;
  }
};

// Images of many sizes, and what a convolution and a gradient of their own answer, without threads.
std::vector<Images> some_images(Random& random, const Stated& stated, const Functions& functions) {
  std::vector<Images> all(kSizes);
  for (Images& images : all) {
    cct_pattern_conv* conv = functions.conv(stated);
    cct_weight_gradient* gradient = functions.gradient(stated);
    const int64_t dims[4] = {between(random, 1, 2), kChannels, between(random, 1, 20),
                             between(random, 1, 40)};
    std::copy(dims, dims + 4, images.x_dims);
    char error[512];
    size_t bytes;
    if (cct_pattern_conv_prepare(conv, dims, images.y_dims, &bytes, error, sizeof error)) stop(error);
    images.x = normal(random, count_of(dims));
    images.z = normal(random, count_of(images.y_dims));
    images.y = functions.y(conv, images, nullptr);
    images.dw = functions.dw(gradient, stated.weights(), images, nullptr);
    cct_pattern_conv_destroy(conv);
    cct_weight_gradient_destroy(gradient);
  }
  return all;
}

bool same_bits(const Floats& a, const Floats& b) {
  return a.size() == b.size() && !std::memcmp(a.data(), b.data(), a.size() * sizeof(float));
}

void play(Random& random, int64_t outputs_together, const Functions& functions) {
  const Stated stated(random, outputs_together);
  const std::vector<Images> all = some_images(random, stated, functions);
  cct_pattern_conv* shared = functions.conv(stated);
  cct_weight_gradient* gradient = functions.gradient(stated);
  const cct_threads parallel{on_threads, nullptr};
  std::vector<std::thread> threads;
  for (int number = 0; number < kThreads; ++number) {
    threads.emplace_back([&, seed = random(), creates = number == 0] {
      Random own(seed);
      for (int turn = 0; turn < kTurns; ++turn) {
        const Images& images = all[between(own, 0, kSizes - 1)];
        const cct_threads* inner = between(own, 0, 2) ? nullptr : &parallel;
        cct_pattern_conv* conv = creates ? functions.conv(stated) : shared;
        if (!same_bits(functions.y(conv, images, inner), images.y)) stop("Y differs");
        if (creates) cct_pattern_conv_destroy(conv);
        if (!same_bits(functions.dw(gradient, stated.weights(), images, inner), images.dw))
          stop("dW differs");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  cct_pattern_conv_destroy(shared);
  cct_weight_gradient_destroy(gradient);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) return 2;
  Random random(std::atoi(arguments[3]));
  const Functions functions{arguments[1]};
  for (int round = 0; round < std::atoi(arguments[2]); ++round) {
    for (int64_t outputs_together : {1, 4})
      play(random, outputs_together, functions);  // by strips and by lanes
  }
}
