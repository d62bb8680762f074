// Rows of an image into packed planes. Part of routine.cpp.

// Whole vectors are written: up to kLanes - 1 floats after the last are overwritten. Rows are written in
// ascending order and planes end in spare floats, so that what is overwritten is written again or never read.
CCT_INLINE void put_zeros(float* to, int64_t count) {
  if (count <= 0) return;
  store(to, broadcast(0));  // mostly a column or two
  for (int64_t i = kLanes; i < count; i += kLanes) store(to + i, broadcast(0));
}

// Every stride-th float of `from`, which may be read up to `end`.
CCT_INLINE void put_columns(float* to, const float* from, const float* end, int64_t count, int64_t stride) {
  int64_t i = 0;
  if (stride == 1) {
    for (; i < count && from + i + kLanes <= end; i += kLanes) store(to + i, load(from + i));
    if (i < count) store(to + i, load_first(from + i, count - i));
  } else if (stride == 2) {
    for (; i < count && from + 2 * (i + kLanes) <= end; i += kLanes) store(to + i, load_even(from + 2 * i));
    if (i < count) store(to + i, load_even_first(from + 2 * i, count - i < kLanes ? count - i : kLanes));
  } else {
    for (; i < count; ++i) to[i] = from[i * stride];
  }
}

// Planes without a stride: all rows in one run.
template <bool kWhole>
void pack_run(const Layout& layout, const Band& band, int64_t channels) {
  const int64_t pitch = layout.pitch, width = layout.width;
  const auto rows = [&](int64_t count) { return count < 0 ? 0 : count < band.rows ? count : band.rows; };
  const int64_t above = rows(layout.pad_top - band.first_row);  // rows of zeros above X
  const int64_t below = rows(band.first_row + band.rows - layout.pad_top - layout.height);
  const int64_t count = (band.rows - above - below) * pitch;
  for (int64_t channel = 0; channel < channels; ++channel) {
    const float* image = band.image + channel * layout.height * width;
    const float* image_end = image + layout.height * width;
    for (int64_t i = 0; i < layout.plane_count; ++i) {
      const Plane plane = band.planes[i];
      float* to = band.slot + channel * layout.channel_lanes + i * layout.plane_lanes;
      put_zeros(to, above * pitch);
      to += above * pitch;
      const float* from =
          image + (band.first_row + above - layout.pad_top) * width + plane.first_input_column;
      const uint32_t* inside = plane.inside;
      int64_t lane = 0;
      if (kWhole) {
        for (; lane + kLanes <= count; lane += kLanes) store(to + lane, load_inside(from + lane, *inside++));
        if (lane < count) store(to + lane, load_inside(from + lane, *inside & ((1u << (count - lane)) - 1)));
      } else {
        for (; lane < count && from + kLanes <= image_end; lane += kLanes) {
          store(to + lane, expand(load(from), *inside));
          from += __builtin_popcount(*inside++);
        }
        for (; lane < count; lane += kLanes) {
          store(to + lane, expand(load_first(from, image_end - from), *inside));
          from += __builtin_popcount(*inside++);
        }
      }
      put_zeros(to + count, below * pitch + layout.last_column);
    }
  }
}

// The planes row by row, so that X is read in its order.
void pack_rows(const Layout& layout, const Band& band, int64_t channels) {
  const int64_t pitch = layout.pitch, stride = layout.stride[0];
  for (int64_t channel = 0; channel < channels; ++channel) {
    const float* image = band.image + channel * layout.height * layout.width;
    const float* image_end = image + layout.height * layout.width;
    float* planes = band.slot + channel * layout.channel_lanes;
    for (int64_t r = 0; r < band.rows; ++r) {
      for (int64_t i = 0; i < layout.plane_count; ++i) {
        const Plane& plane = band.planes[i];
        float* row = planes + i * layout.plane_lanes + r * pitch;
        const int64_t in_row = (band.first_row + r) * stride + plane.row - layout.pad_top;
        if (in_row < 0 || in_row >= layout.height || !plane.columns) {
          put_zeros(row, pitch);
          continue;
        }
        const float* from = image + in_row * layout.width + plane.first_input_column;
        const int64_t put = plane.zeros + plane.columns;
        put_zeros(row, plane.zeros);
        put_columns(row + plane.zeros, from, image_end, plane.columns, layout.stride[1]);
        put_zeros(row + put, pitch - put);
      }
    }
    for (int64_t i = 0; i < layout.plane_count; ++i) {  // the right padding of the last row
      put_zeros(planes + i * layout.plane_lanes + band.rows * pitch, layout.last_column);
    }
  }
}

void pack(const Layout& layout, const Band& band, int64_t channels) {
  if (layout.whole) return pack_run<true>(layout, band, channels);
  if (layout.run) return pack_run<false>(layout, band, channels);
  pack_rows(layout, band, channels);
}
