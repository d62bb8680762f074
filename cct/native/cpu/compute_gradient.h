// The gradient of the weights. Part of routine.cpp.
//
// A tile's weight at a tap has as gradient the dot product of two rows of lanes: what the tap reads, and dY
// of the output channel. `kTaps` taps x `kWidth` channels of sums stay in registers: kTaps + kWidth loads for
// kTaps * kWidth multiply-adds.
template <int kWidth, int kTaps>
__attribute__((noinline)) void gradient_taps(const GradientSpan& span, const Tile& tile, int64_t first) {
  Vec sums[kTaps][kTileWidth];
  CCT_UNROLL for (int t = 0; t < kTaps; ++t) {
    CCT_UNROLL for (int j = 0; j < kTileWidth; ++j) sums[t][j] = broadcast(0);
  }
  for (int64_t image = 0; image < span.images; ++image) {
    const float *x[kTaps], *dy[kWidth];
    CCT_UNROLL for (int t = 0; t < kTaps; ++t) {
      x[t] = span.x + image * span.x_image + span.offsets[tile.first + first + t];
    }
    CCT_UNROLL for (int j = 0; j < kWidth; ++j) {
      dy[j] = span.dy + image * span.dy_image + tile.outputs[j] * span.dy_channel;
    }
    const auto multiply = [&](auto read) CCT_LAMBDA {
      Vec factors[kWidth];
      CCT_UNROLL for (int j = 0; j < kWidth; ++j) factors[j] = read(dy[j]);
      CCT_UNROLL for (int t = 0; t < kTaps; ++t) {
        const Vec input = read(x[t]);
        CCT_UNROLL for (int j = 0; j < kWidth; ++j) sums[t][j] = multiply_add(input, factors[j], sums[t][j]);
      }
    };
    const int64_t lanes = span.vectors * kLanes;
    for (int64_t lane = 0; lane < lanes; lane += kLanes) {
      multiply([&](const float* from) CCT_LAMBDA { return load(from + lane); });
    }
    if (span.rest)
      multiply([&](const float* from) CCT_LAMBDA { return load_first(from + lanes, span.rest); });
  }
  float* to = span.sums + (tile.weights - span.values) + first * kWidth;
  CCT_UNROLL for (int t = 0; t < kTaps; ++t, to += kWidth) {
    const Quad sum = sums_of(sums[t][0], sums[t][1], sums[t][2], sums[t][3]);
    if constexpr (kWidth == kTileWidth) {
      store_quad(to, add(load_quad(to), sum));
    } else {
      float channels[kTileWidth];
      store_quad(channels, sum);
      CCT_UNROLL for (int j = 0; j < kWidth; ++j) to[j] += channels[j];
    }
  }
}

// One call of gradient_taps, whose sizes are compile-time constants, for `count` taps.
template <int kWidth, int kTaps>
void gradient_some(const GradientSpan& span, const Tile& tile, int64_t first, int64_t count) {
  if (count == kTaps) {
    gradient_taps<kWidth, kTaps>(span, tile, first);
  } else if constexpr (kTaps > 1) {
    gradient_some<kWidth, kTaps - 1>(span, tile, first, count);
  }
}

template <int kWidth>
void gradient_tile(const GradientSpan& span, const Tile& tile) {
  constexpr int kMost = kTapsTogether[kWidth];
  int64_t first = 0;
  for (; first + kMost <= tile.count; first += kMost) gradient_taps<kWidth, kMost>(span, tile, first);
  gradient_some<kWidth, kMost>(span, tile, first, tile.count - first);
}

void gradient(const GradientSpan& span, const Tile* tiles, int64_t count) {
  for (const Tile* tile = tiles; tile < tiles + count; ++tile) {
    switch (tile->width) {
      case 4:
        gradient_tile<4>(span, *tile);
        break;
      case 2:
        gradient_tile<2>(span, *tile);
        break;
      default:
        gradient_tile<1>(span, *tile);
    }
  }
}

// A channel of dY as the lanes of X lie: zeros where a lane is no pixel.
void spread(const float* from, const float* end, const Lanes* gaps, int64_t vectors, float* to) {
  for (int64_t v = 0; v < vectors; ++v) {
    const float* pixels = from + gaps[v].pixel;
    const Vec next = pixels + kLanes <= end ? load(pixels) : load_first(pixels, gaps[v].count);
    store(to + v * kLanes, expand(next, gaps[v].keep));
  }
}
