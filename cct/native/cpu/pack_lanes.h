// Rows of an image into packed planes. Part of routine.cpp.

// Whole vectors are written: up to kLanes - 1 floats after the last are overwritten. Rows are written in
// ascending order and planes end in spare floats, so that what is overwritten is written again or never read.
CCT_INLINE void put_zeros(float* to, int64_t count) {
  if (count <= 0) return;
  if (count == 1) {  // mostly: a whole vector nearly always crosses cache lines
    *to = 0;
    return;
  }
  store(to, broadcast(0));
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

// A row of a plane: leading zeros, then columns of X, then zeros again.
struct PlaneRow {
  int64_t zeros, columns, first, right;

  PlaneRow() = default;
  PlaneRow(const Layout& layout, const Plane& plane)
      : zeros(plane.zeros),
        columns(plane.columns),
        first(plane.first_input_column),
        right(layout.pitch - plane.zeros - plane.columns) {}

  void put(float* to, const float* x_row, const float* end, int64_t stride) const {
    put_zeros(to, zeros);
    if (columns) put_columns(to + zeros, x_row + first, end, columns, stride);
    put_zeros(to + zeros + columns, right);
  }
};

// Planes of the same rows and of the even and odd columns of X, in turns: each vector of X is loaded once for
// all of them. Unrolled, so that what is known of each plane stays in registers.
#define CCT_EACH_PLANE _Pragma("GCC unroll 3") for (int i = 0; i < kPlanes; ++i)
template <int kPlanes, bool kOddFirst>
void pack_halves(const Layout& layout, const Band& band, const float* image, const Plane* planes, float* to) {
  const float* image_end = image + layout.height * layout.width;
  const int64_t pitch = layout.pitch, stride = layout.stride[0];
  PlaneRow rows[kPlanes];
  float* next[kPlanes];  // row of each plane
  int64_t columns = 0, first = INT64_MAX;
  CCT_EACH_PLANE {
    rows[i] = PlaneRow(layout, planes[i]);
    next[i] = to + i * layout.plane_lanes;
    if (columns < rows[i].columns) columns = rows[i].columns;
    if (first > rows[i].first) first = rows[i].first;
  }
  const int64_t read = first + 2 * ((columns + kLanes - 1) / kLanes * kLanes);
  int64_t in_row = band.first_row * stride + planes->row - layout.pad_top;
  for (int64_t r = 0; r < band.rows; ++r, in_row += stride) {
    const float* x_row = image + in_row * layout.width;
    if (in_row < 0 || in_row >= layout.height) {
      CCT_EACH_PLANE put_zeros(next[i], pitch);
    } else if (image_end - x_row < read) {
      CCT_EACH_PLANE rows[i].put(next[i], x_row, image_end, 2);
    } else {
      CCT_EACH_PLANE put_zeros(next[i], rows[i].zeros);
      const float* from = x_row + first;
      for (int64_t column = 0; column < columns; column += kLanes, from += 2 * kLanes) {
        const Vec a = load(from), b = load(from + kLanes), even = even_of(a, b), odd = odd_of(a, b);
        CCT_EACH_PLANE { store(next[i] + rows[i].zeros + column, (i % 2 == 0) == kOddFirst ? odd : even); }
      }
      CCT_EACH_PLANE put_zeros(next[i] + rows[i].zeros + rows[i].columns, rows[i].right);
    }
    CCT_EACH_PLANE next[i] += pitch;
  }
  CCT_EACH_PLANE put_zeros(next[i], layout.last_column);  // the last row's right padding
}
#undef CCT_EACH_PLANE

void pack_plane(const Layout& layout, const Band& band, const float* image, const Plane& plane, float* to) {
  const float* image_end = image + layout.height * layout.width;
  const PlaneRow row(layout, plane);
  int64_t in_row = band.first_row * layout.stride[0] + plane.row - layout.pad_top;
  for (int64_t r = 0; r < band.rows; ++r, in_row += layout.stride[0], to += layout.pitch) {
    if (in_row < 0 || in_row >= layout.height) {
      put_zeros(to, layout.pitch);
    } else {
      row.put(to, image + in_row * layout.width, image_end, layout.stride[1]);
    }
  }
  put_zeros(to, layout.last_column);
}

// How many planes from the first on pack_halves can take together, at most three; 1 is none.
int64_t count_halves(const Layout& layout, const Plane* planes, int64_t count) {
  int64_t least = planes->first_input_column, most = least, together = 1;
  while (layout.stride[1] == 2 && together < count && together < 3) {
    const Plane& next = planes[together];
    const int64_t columns = next.columns - planes->columns;
    least = least < next.first_input_column ? least : next.first_input_column;
    most = most > next.first_input_column ? most : next.first_input_column;
    if (next.row != planes->row || most - least != 1 || columns < -1 || columns > 1) break;
    if (!next.columns || !planes->columns) break;  // it may begin left of X
    if (next.first_input_column == planes[together - 1].first_input_column) break;
    ++together;
  }
  return together;
}

// The planes row by row.
void pack_rows(const Layout& layout, const Band& band, int64_t channels) {
  for (int64_t channel = 0; channel < channels; ++channel) {
    const float* image = band.image + channel * layout.height * layout.width;
    for (int64_t i = 0, together; i < layout.plane_count; i += together) {
      float* to = band.slot + channel * layout.channel_lanes + i * layout.plane_lanes;
      together = count_halves(layout, band.planes + i, layout.plane_count - i);
      const Plane* planes = band.planes + i;
      const bool odd_first = together > 1 && planes[0].first_input_column > planes[1].first_input_column;
      if (together == 3) {
        (odd_first ? pack_halves<3, true> : pack_halves<3, false>)(layout, band, image, planes, to);
      } else if (together == 2) {
        (odd_first ? pack_halves<2, true> : pack_halves<2, false>)(layout, band, image, planes, to);
      } else {
        pack_plane(layout, band, image, band.planes[i], to);
      }
    }
  }
}

void pack(const Layout& layout, const Band& band, int64_t channels) {
  if (layout.whole) return pack_run<true>(layout, band, channels);
  if (layout.run) return pack_run<false>(layout, band, channels);
  pack_rows(layout, band, channels);
}
