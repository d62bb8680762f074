// Strips. Part of routine.cpp.

// Lines of planes, each with zeros where it leaves the image. Whole lines are written: of half a line that
// follows, the zeros at its start are the right padding, and the rest is written again.
void pack_strip(const StripBand& band, int64_t channels) {
  const int64_t across = band.stride[1];
  for (int64_t channel = 0; channel < channels; ++channel) {
    const float* image = band.image + channel * band.height * band.width;
    for (int64_t i = 0; i < band.plane_count; ++i) {
      const StripPlane plane = band.planes[i];
      float* line = band.slot + channel * band.channel_floats + i * band.plane_floats;
      const uint32_t inside = plane.begin < plane.end ? (1u << plane.end) - (1u << plane.begin) : 0;
      for (int64_t r = 0; r < band.rows; ++r, line += band.line) {
        const int64_t row = (band.first_row + r) * band.stride[0] + plane.row;
        if (row < 0 || row >= band.height || !inside) {
          for (int v = 0; v < kStripLine; v += kLanes) store(line + v, broadcast(0));
          continue;
        }
        const float* from = image + row * band.width + plane.column;
        if (across == 1) {
          for (int v = 0; v < kStripLine; v += kLanes) {
            store(line + v, load_inside(from + v, inside >> v & ((1u << (kLanes - 1) << 1) - 1)));
          }
        } else {
          for (int v = 0; v < kStripLine; ++v) line[v] = inside >> v & 1 ? from[v * across] : 0;
        }
      }
    }
  }
}

#if defined(__AVX2__)

// A run of `kLength` positions below each other.
template <int kLength, int kLine, int kRows, int kHalves>
CCT_INLINE void add_run(Eight (&sums)[kRows][kHalves], const float* from, int64_t second,
                        const float* weights) {
  Eight weight[kLength];
  CCT_UNROLL for (int k = 0; k < kLength; ++k) weight[k] = broadcast_eight(weights[k]);
  CCT_UNROLL for (int r = 0; r < kRows + kLength - 1; ++r) {
    CCT_UNROLL for (int h = 0; h < kHalves; ++h) {
      Eight input = load_eight(from + r * kLine + (h ? second : 0));
      if (kLength > 1) asm("" : "+v"(input));  // else it is loaded again for each use, from memory
      CCT_UNROLL for (int k = 0; k < kLength; ++k) {
        if (r >= k && r - k < kRows) sums[r - k][h] = multiply_add(weight[k], input, sums[r - k][h]);
      }
    }
  }
}

// Some of them, in turns into several sets of sums.
template <int kLength, int kLine, int kRows, int kHalves, int kSets>
CCT_INLINE void add_runs(Eight (&sums)[kSets][kRows][kHalves], const float* x, int64_t second, int64_t count,
                         const int32_t*& offset, const float*& weights) {
  const int32_t* end = offset + count;
  for (; offset + kSets <= end; offset += kSets) {
    CCT_UNROLL for (int s = 0; s < kSets; ++s, weights += kLength) {
      add_run<kLength, kLine>(sums[s], x + offset[s], second, weights);
    }
  }
  for (; offset < end; ++offset, weights += kLength) {
    add_run<kLength, kLine>(sums[0], x + *offset, second, weights);
  }
}

// One output channel x `kRows` rows x one vector, or the two of a wide strip: all sums stay in registers.
template <int kLine, int kRows, int kHalves>
__attribute__((noinline)) void compute_strip_tile(const StripSpan& span, const StripTile& tile, int64_t row) {
  const int64_t second = span.columns - kStripLanes;
  const int64_t first = tile.output * span.plane + row * span.pitch, pitch = span.pitch;
  const int64_t lanes = span.columns < kStripLanes ? span.columns : kStripLanes;
  float* y = span.y;
  // A sum waits for itself: with few rows a second set of them keeps the processor busy.
  constexpr int kSets = kRows * kHalves <= 8 ? kStripSets : 1;
  Eight sums[kSets][kRows][kHalves];
  CCT_UNROLL for (int r = 0; r < kRows; ++r) {
    CCT_UNROLL for (int h = 0; h < kHalves; ++h) {
      const float* before = y + first + r * pitch + (h ? second : 0);
      sums[0][r][h] = span.is_first          ? broadcast_eight(tile.bias)
                      : lanes == kStripLanes ? load_eight(before)
                                             : load_first_eight(before, lanes);
      CCT_UNROLL for (int s = 1; s < kSets; ++s) sums[s][r][h] = broadcast_eight(0);
    }
  }
  const float* x = span.x + row * kLine;
  const float* weights = tile.weights;
  const int32_t *offset = span.offsets + tile.first, *counts = tile.counts;
  for (int64_t group = 0; group < tile.groups; ++group, counts += kLongestRun) {
    add_runs<1, kLine>(sums, x, second, counts[0], offset, weights);
    add_runs<2, kLine>(sums, x, second, counts[1], offset, weights);
    add_runs<3, kLine>(sums, x, second, counts[2], offset, weights);
  }

  const Eight low = broadcast_eight(span.clip_min), high = broadcast_eight(span.clip_max);
  const float* z = span.z;
  CCT_UNROLL for (int r = 0; r < kRows; ++r) {
    CCT_UNROLL for (int h = 0; h < kHalves; ++h) {
      const int64_t at = first + r * pitch + (h ? second : 0);
      Eight sum = sums[0][r][h];
      CCT_UNROLL for (int s = 1; s < kSets; ++s) sum = add(sum, sums[s][r][h]);
      if (z) sum = add(sum, lanes == kStripLanes ? load_eight(z + at) : load_first_eight(z + at, lanes));
      sum = clip(sum, low, high);
      if (lanes == kStripLanes) {
        store_eight(y + at, sum);
      } else {
        store_first_eight(y + at, sum, lanes);
      }
    }
  }
}

template <int kLine, int kRows, int kHalves>
void compute_strip_rows(const StripSpan& span, const StripTile& tile, int64_t row, int64_t count) {
  if (count == kRows) {
    compute_strip_tile<kLine, kRows, kHalves>(span, tile, row);
  } else if constexpr (kRows > 1) {
    compute_strip_rows<kLine, kRows - 1, kHalves>(span, tile, row, count);
  }
}

template <int kLine, int kMost, int kHalves>
void compute_strip_tiles(const StripSpan& span, const StripTile* tiles, int64_t count) {
  const int64_t parts = (span.rows + kMost - 1) / kMost;  // of nearly equal size: the first ones are larger
  const int64_t size = span.rows / parts, larger = span.rows % parts;
  for (int64_t part = 0, row = 0; part < parts; ++part) {
    const int64_t rows = size + (part < larger);
    for (const StripTile* tile = tiles; tile < tiles + count; ++tile) {
      compute_strip_rows<kLine, kMost, kHalves>(span, *tile, row, rows);
    }
    row += rows;
  }
}

void compute_strip(const StripSpan& span, const StripTile* tiles, int64_t count) {
  if (span.columns > kStripLanes) {
    compute_strip_tiles<kStripLine, kStripRows, 2>(span, tiles, count);
  } else if (span.line == kStripLine) {
    compute_strip_tiles<kStripLine, 2 * kStripRows, 1>(span, tiles, count);
  } else {
    compute_strip_tiles<kStripLanes, 2 * kStripRows, 1>(span, tiles, count);
  }
}

#else

constexpr auto compute_strip = nullptr;

#endif
