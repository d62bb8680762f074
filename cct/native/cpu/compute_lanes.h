// Tiles of lanes. Part of routine.cpp.

// Stores the tile's channels of a pixel.
CCT_INLINE void put_pixel(const Span& span, const Tile& tile, int64_t pixel, Quad sum) {
  float results[kTileWidth];
  store_quad(results, sum);
  for (int j = 0; j < kTileWidth; ++j) {
    const int64_t at = tile.outputs[j] * span.plane + pixel;
    Vec result = broadcast(results[j]);
    if (span.z) result = add(result, broadcast(span.z[at]));
    store_first(span.y + at, clip(result, broadcast(span.clip_min), broadcast(span.clip_max)), 1);
  }
}

// `kWidth` output channels x `kVectors` vectors: all sums stay in registers while the taps go by. With them
// the four channels of the `kBeside` pixels that follow, each pixel's sums a vector over channels.
template <int kWidth, int kVectors, int kBeside>
__attribute__((noinline)) void compute_tile(const Span& span, const Tile& tile, int64_t begin) {
  Vec sums[kWidth][kVectors];
  CCT_UNROLL for (int j = 0; j < kWidth; ++j) {
    CCT_UNROLL for (int v = 0; v < kVectors; ++v) sums[j][v] = broadcast(tile.bias[j]);
  }

  Quad tail[kBeside + 1];
  CCT_UNROLL for (int t = 0; t < kBeside; ++t) tail[t] = load_quad(tile.bias);

  const float* x = span.x + (begin - span.begin) * kLanes;
  const float* weights = tile.weights;
  const int32_t* offset = span.offsets + tile.first;
  for (const int32_t* end = offset + tile.count; offset < end; ++offset, weights += kWidth) {
    // Channels follow each other at random distances, which no processor foresees; weights come from far.
    prefetch(x + offset[kLookAhead]);
    prefetch(x + offset[kLookAhead] + (kVectors - 1) * kLanes);
    prefetch(weights + kWeightsAhead);
    const float* from = x + *offset;
    Vec inputs[kVectors];
    CCT_UNROLL for (int v = 0; v < kVectors; ++v) inputs[v] = load(from + v * kLanes);
    CCT_UNROLL for (int j = 0; j < kWidth; ++j) {
      const Vec weight = broadcast(weights[j]);
      CCT_UNROLL for (int v = 0; v < kVectors; ++v) sums[j][v] = multiply_add(weight, inputs[v], sums[j][v]);
    }
    CCT_UNROLL for (int t = 0; t < kBeside; ++t) {
      tail[t] = multiply_add(broadcast_quad(from[kVectors * kLanes + t]), load_quad(weights), tail[t]);
    }
  }

  // Locals: for all that the compiler knows, y could alias the span.
  const Vec low = broadcast(span.clip_min), high = broadcast(span.clip_max);
  const int64_t end_pixel = span.end_pixel, plane = span.plane;
  const float* z = span.z;
  float* y = span.y;
  int64_t image[kWidth];
  CCT_UNROLL for (int j = 0; j < kWidth; ++j) image[j] = tile.outputs[j] * plane;
  // Stores the vectors `sum(v, j)` at the pixels `first(v)`: whole ones where there is room, since the next
  // one overwrites what follows the kept lanes.
  const auto put = [&](auto sum, auto first, auto count) CCT_LAMBDA {
    if (first(kVectors - 1) + kLanes <= end_pixel && !z) {
      CCT_UNROLL for (int v = 0; v < kVectors; ++v) {
        float* to = y + first(v);
        CCT_UNROLL for (int j = 0; j < kWidth; ++j) store(to + image[j], clip(sum(v, j), low, high));
      }
    } else {
      CCT_UNROLL for (int v = 0; v < kVectors; ++v) {
        const bool whole = first(v) + kLanes <= end_pixel;
        const int64_t lanes = whole ? kLanes : count(v);
        CCT_UNROLL for (int j = 0; j < kWidth; ++j) {
          const int64_t at = image[j] + first(v);
          Vec result = sum(v, j);
          if (z) result = add(result, whole ? load(z + at) : load_first(z + at, lanes));
          result = clip(result, low, high);
          if (whole) {
            store(y + at, result);
          } else {
            store_first(y + at, result, lanes);
          }
        }
      }
    }
  };
  if (!span.gaps) {
    const int64_t pixel = begin * kLanes;
    put([&](int v, int j) CCT_LAMBDA { return sums[j][v]; },
        [&](int v) CCT_LAMBDA { return pixel + v * kLanes; },
        [&](int v) CCT_LAMBDA { return end_pixel - pixel - v * kLanes; });
    CCT_UNROLL for (int t = 0; t < kBeside; ++t) {
      if (t < span.tail) put_pixel(span, tile, pixel + kVectors * kLanes + t, tail[t]);
    }
  } else {
    const Lanes* gaps = span.gaps + begin;
    put([&](int v, int j) CCT_LAMBDA { return compress(sums[j][v], kept_lanes(gaps[v].keep)); },
        [&](int v) CCT_LAMBDA { return gaps[v].pixel; },
        [&](int v) CCT_LAMBDA { return int64_t{gaps[v].count}; });
  }
}

// The pixels after the last vector, where there are no registers for them beside a tile.
void compute_tail(const Span& span, const Tile& tile) {
  constexpr int kChains = 4;  // sums of one pixel: each waits for itself
  for (int64_t t = 0; t < span.tail; ++t) {
    Quad sums[kChains] = {load_quad(tile.bias)};
    CCT_UNROLL for (int c = 1; c < kChains; ++c) sums[c] = broadcast_quad(0);
    const float* x = span.x + (span.end - span.begin) * kLanes + t;
    const float* weights = tile.weights;
    const int32_t *offset = span.offsets + tile.first, *end = offset + tile.count;
    for (; offset + kChains <= end; offset += kChains, weights += kChains * kTileWidth) {
      CCT_UNROLL for (int c = 0; c < kChains; ++c) {
        sums[c] = multiply_add(broadcast_quad(x[offset[c]]), load_quad(weights + c * kTileWidth), sums[c]);
      }
    }
    for (; offset < end; ++offset, weights += kTileWidth) {
      sums[0] = multiply_add(broadcast_quad(x[*offset]), load_quad(weights), sums[0]);
    }
    put_pixel(span, tile, span.end * kLanes + t, add(add(sums[0], sums[1]), add(sums[2], sums[3])));
  }
}

// One call of compute_tile, whose sizes are compile-time constants, for `count` vectors.
template <int kWidth, int kVectors, int kBeside = 0>
void compute_vectors(const Span& span, const Tile& tile, int64_t begin, int64_t count) {
  if (count == kVectors) {
    compute_tile<kWidth, kVectors, kBeside>(span, tile, begin);
  } else if constexpr (kVectors > 1) {
    compute_vectors<kWidth, kVectors - 1, kBeside>(span, tile, begin, count);
  }
}

template <int kWidth>
void compute_tiles(const Span& span, const Tile* tiles, const Tile* end) {
  constexpr int kMost = kWidest[kWidth];
  constexpr bool kBeside = kWidth == kTileWidth && kTailBeside;
  // For a narrow tile one more vector, with lanes that are dropped, is as good as a tail.
  const bool tail = kWidth == kTileWidth && span.tail;
  const int64_t vectors = span.end - span.begin + (span.tail && !tail);
  const int64_t all = vectors + (tail && kBeside);  // a tail takes the registers of a vector
  const int64_t parts = (all + kMost - 1) / kMost;  // of nearly equal size: the first ones are larger
  const int64_t size = all / parts, larger = all % parts;
  for (const Tile* tile = tiles; tile < end; ++tile) {
    int64_t begin = span.begin;
    for (int64_t part = 0; part < parts - (tail && kBeside); ++part) {
      const int64_t count = size + (part < larger);
      compute_vectors<kWidth, kMost>(span, *tile, begin, count);
      begin += count;
    }
    if (!tail) continue;
    if constexpr (!kBeside) {
      compute_tail(span, *tile);
    } else if (span.tail == 1) {
      compute_vectors<kWidth, kMost - 1, 1>(span, *tile, begin, span.end - begin);
    } else {
      compute_vectors<kWidth, kMost - 1, kTail>(span, *tile, begin, span.end - begin);
    }
  }
}

void compute(const Span& span, const Tile* tiles, int64_t count) {
  for (const Tile *tile = tiles, *end = tiles + count, *next; tile < end; tile = next) {
    for (next = tile + 1; next < end && next->width == tile->width;) ++next;
    switch (tile->width) {
      case 4:
        compute_tiles<4>(span, tile, next);
        break;
      case 2:
        compute_tiles<2>(span, tile, next);
        break;
      default:
        compute_tiles<1>(span, tile, next);
    }
  }
}
