// Strips. Part of routine.cpp.

// Lines of planes, each with zeros where it leaves the image.
void pack_strip(const StripBand& band, int64_t channels) {
  const int64_t across = band.stride[1];
  for (int64_t channel = 0; channel < channels; ++channel) {
    const float* image = band.image + channel * band.height * band.width;
    for (int64_t i = 0; i < band.plane_count; ++i) {
      const StripPlane plane = band.planes[i];
      float* line = band.slot + channel * band.channel_floats + i * band.plane_floats;
      const uint32_t inside = plane.begin < plane.end ? (1u << plane.end) - (1u << plane.begin) : 0;
      for (int64_t r = 0; r < band.rows; ++r, line += kStripLine) {
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

// Some runs of `kLength` positions below each other.
template <int kLength, int kRows, int kHalves>
CCT_INLINE void add_runs(Eight (&sums)[kRows][kHalves], const float* x, int64_t second, int64_t count,
                         const int32_t*& offset, const float*& weights) {
  for (const int32_t* end = offset + count; offset < end; ++offset, weights += kLength) {
    const float* from = x + *offset;
    Eight weight[kLength];
    CCT_UNROLL for (int k = 0; k < kLength; ++k) weight[k] = broadcast_eight(weights[k]);
    CCT_UNROLL for (int r = 0; r < kRows + kLength - 1; ++r) {
      prefetch(x + offset[kLookAhead / 2] + r * kStripLine);
      CCT_UNROLL for (int h = 0; h < kHalves; ++h) {
        Eight input = load_eight(from + r * kStripLine + (h ? second : 0));
        if (kLength > 1) asm("" : "+x"(input));  // else it is loaded again for each use, from memory
        CCT_UNROLL for (int k = 0; k < kLength; ++k) {
          if (r >= k && r - k < kRows) sums[r - k][h] = multiply_add(weight[k], input, sums[r - k][h]);
        }
      }
    }
  }
}

// One output channel x `kRows` rows x one vector, or the two of a wide strip: all sums stay in registers.
template <int kRows, int kHalves>
__attribute__((noinline)) void compute_strip_tile(const StripSpan& span, const StripTile& tile, int64_t row) {
  Eight sums[kRows][kHalves];
  CCT_UNROLL for (int r = 0; r < kRows; ++r) {
    CCT_UNROLL for (int h = 0; h < kHalves; ++h) sums[r][h] = broadcast_eight(tile.bias);
  }
  const int64_t second = span.columns - kStripLanes;
  const float* x = span.x + row * kStripLine;
  const float* weights = tile.weights;
  const int32_t *offset = span.offsets + tile.first, *counts = tile.counts;
  for (int64_t group = 0; group < tile.groups; ++group, counts += kLongestRun) {
    add_runs<1>(sums, x, second, counts[0], offset, weights);
    add_runs<2>(sums, x, second, counts[1], offset, weights);
    add_runs<3>(sums, x, second, counts[2], offset, weights);
  }

  const Eight low = broadcast_eight(span.clip_min), high = broadcast_eight(span.clip_max);
  const int64_t first = tile.output * span.plane + row * span.pitch, pitch = span.pitch;
  const int64_t lanes = span.columns < kStripLanes ? span.columns : kStripLanes;
  float* y = span.y;
  const float* z = span.z;
  CCT_UNROLL for (int r = 0; r < kRows; ++r) {
    CCT_UNROLL for (int h = 0; h < kHalves; ++h) {
      const int64_t at = first + r * pitch + (h ? second : 0);
      Eight sum = sums[r][h];
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

template <int kRows, int kHalves>
void compute_strip_rows(const StripSpan& span, const StripTile& tile, int64_t row, int64_t count) {
  if (count == kRows) {
    compute_strip_tile<kRows, kHalves>(span, tile, row);
  } else if constexpr (kRows > 1) {
    compute_strip_rows<kRows - 1, kHalves>(span, tile, row, count);
  }
}

template <int kMost, int kHalves>
void compute_strip_tiles(const StripSpan& span, const StripTile* tiles, int64_t count) {
  const int64_t parts = (span.rows + kMost - 1) / kMost;  // of nearly equal size: the first ones are larger
  const int64_t size = span.rows / parts, larger = span.rows % parts;
  for (int64_t part = 0, row = 0; part < parts; ++part) {
    const int64_t rows = size + (part < larger);
    for (const StripTile* tile = tiles; tile < tiles + count; ++tile) {
      compute_strip_rows<kMost, kHalves>(span, *tile, row, rows);
    }
    row += rows;
  }
}

void compute_strip(const StripSpan& span, const StripTile* tiles, int64_t count) {
  if (span.columns > kStripLanes) {
    compute_strip_tiles<kStripRows, 2>(span, tiles, count);
  } else {
    compute_strip_tiles<2 * kStripRows, 1>(span, tiles, count);
  }
}

#else

constexpr auto compute_strip = nullptr;

#endif
