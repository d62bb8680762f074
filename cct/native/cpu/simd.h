// Vectors of floats: the only place with intrinsics. Included once per ISA row, inside of its namespace.
//
// In all rows: `first` functions touch only what the first n lanes (0 <= n <= kLanes) need of memory, and
// lanes that are loaded beyond are zero; load_even and load_even_first (1 <= n) take every second float;
// compress moves the kept lanes to the front; load_inside touches and loads the lanes whose bits are set, the
// others are zero; expand moves the first lanes to those whose bits are set, the others are zero; clip passes
// NaN on, as ONNX Runtime's Clip and Relu do. kWhole and kTail: see Routine.
#ifndef CCT_ISA
#error "compile with -DCCT_ISA=generic|avx2|avx512|neon"
#endif

#define CCT_INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__)

typedef __m512 Vec;
constexpr int kLanes = 16;
// Accumulators and inputs of a tile must fit into 32 registers beside a weight: vectors at width 1, 2, 4.
constexpr int kWidest[5] = {0, 14, 8, 0, 6};
constexpr int kWhole = 32;
constexpr int kStripRows = 7;
constexpr int kStripSets = 2;
constexpr int kTail = 4;
constexpr bool kTailBeside = true;
constexpr int kTapsTogether[5] = {0, 8, 6, 0, 4};  // of the gradient, by the width of a tile

CCT_INLINE __mmask16 first_lanes(int64_t n) { return static_cast<__mmask16>((1u << n) - 1); }
CCT_INLINE Vec broadcast(float value) { return _mm512_set1_ps(value); }
CCT_INLINE Vec load(const float* p) { return _mm512_loadu_ps(p); }
CCT_INLINE Vec load_first(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(first_lanes(n), p); }
CCT_INLINE Vec even_of(Vec low, Vec high) {
  const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
  return _mm512_permutex2var_ps(low, even, high);
}
CCT_INLINE Vec odd_of(Vec low, Vec high) {
  const __m512i odd = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
  return _mm512_permutex2var_ps(low, odd, high);
}
CCT_INLINE Vec load_even_first(const float* p, int64_t n) {
  const int64_t span = 2 * n - 1, low = span < 16 ? span : 16;
  return even_of(load_first(p, low), load_first(p + 16, span - low));
}
CCT_INLINE void store(float* p, Vec v) { _mm512_storeu_ps(p, v); }
CCT_INLINE void store_first(float* p, Vec v, int64_t n) { _mm512_mask_storeu_ps(p, first_lanes(n), v); }
CCT_INLINE Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
CCT_INLINE Vec multiply_add(Vec a, Vec b, Vec sum) { return _mm512_fmadd_ps(a, b, sum); }
// max and min return their second operand when one is NaN. (The forms without a mask make GCC 12 warn of an
// uninitialized variable of its own.)
CCT_INLINE Vec clip(Vec v, Vec low, Vec high) {
  return _mm512_maskz_min_ps(0xffff, high, _mm512_maskz_max_ps(0xffff, low, v));
}
CCT_INLINE Vec load_inside(const float* p, uint32_t inside) {
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>(inside), p);
}
CCT_INLINE Vec expand(Vec v, uint32_t inside) {
  return _mm512_maskz_expand_ps(static_cast<__mmask16>(inside), v);
}
typedef __mmask16 Kept;
CCT_INLINE Kept kept_lanes(uint32_t keep) { return static_cast<__mmask16>(keep); }
CCT_INLINE Vec compress(Vec v, Kept kept) { return _mm512_maskz_compress_ps(kept, v); }

#elif defined(__AVX2__)

typedef __m256 Vec;
constexpr int kLanes = 8;
constexpr int kWidest[5] = {0, 12, 5, 0, 3};  // of 16 registers
constexpr int kWhole = 8;
constexpr int kStripRows = 6;
constexpr int kStripSets = 1;
constexpr int kTail = 1;
constexpr bool kTailBeside = false;
constexpr int kTapsTogether[5] = {0, 8, 4, 0, 2};

CCT_INLINE __m256i first_lanes(int64_t n) {
  alignas(64) static const int32_t ones_then_zeros[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(ones_then_zeros + 8 - n));
}
CCT_INLINE Vec broadcast(float value) { return _mm256_set1_ps(value); }
CCT_INLINE Vec load(const float* p) { return _mm256_loadu_ps(p); }
CCT_INLINE Vec load_first(const float* p, int64_t n) { return _mm256_maskload_ps(p, first_lanes(n)); }
CCT_INLINE Vec in_order(Vec halves) {  // pairs of lanes: first, third, second, fourth
  return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(halves), 0xd8));
}
CCT_INLINE Vec even_of(Vec low, Vec high) { return in_order(_mm256_shuffle_ps(low, high, 0x88)); }
CCT_INLINE Vec odd_of(Vec low, Vec high) { return in_order(_mm256_shuffle_ps(low, high, 0xdd)); }
CCT_INLINE Vec load_even_first(const float* p, int64_t n) {
  const int64_t span = 2 * n - 1, low = span < 8 ? span : 8;
  return even_of(load_first(p, low), load_first(p + 8, span - low));
}
CCT_INLINE void store(float* p, Vec v) { _mm256_storeu_ps(p, v); }
CCT_INLINE void store_first(float* p, Vec v, int64_t n) { _mm256_maskstore_ps(p, first_lanes(n), v); }
CCT_INLINE Vec add(Vec a, Vec b) { return _mm256_add_ps(a, b); }
CCT_INLINE Vec multiply_add(Vec a, Vec b, Vec sum) { return _mm256_fmadd_ps(a, b, sum); }
// max and min return their second operand when one is NaN.
CCT_INLINE Vec clip(Vec v, Vec low, Vec high) { return _mm256_min_ps(high, _mm256_max_ps(low, v)); }
CCT_INLINE __m256i lanes_of(uint32_t bits) {
  const __m256i bit = _mm256_set_epi32(128, 64, 32, 16, 8, 4, 2, 1);
  return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(static_cast<int32_t>(bits)), bit), bit);
}
CCT_INLINE Vec load_inside(const float* p, uint32_t inside) {
  return inside == 255 ? load(p) : _mm256_maskload_ps(p, lanes_of(inside));
}
// For each set of kept lanes their numbers, a byte each; and for each lane its number among the kept ones.
struct CompressTable {
  uint64_t lanes[256], numbers[256];
  constexpr CompressTable() : lanes(), numbers() {
    for (uint64_t keep = 0; keep < 256; ++keep) {
      for (uint64_t lane = 0, to = 0; lane < 8; ++lane) {
        if (!(keep >> lane & 1)) continue;
        numbers[keep] |= to << 8 * lane;
        lanes[keep] |= lane << 8 * to++;
      }
    }
  }
};
constexpr CompressTable kCompress;
CCT_INLINE __m256i eight_bytes(const uint64_t* p) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
CCT_INLINE Vec expand(Vec v, uint32_t inside) {
  if (inside == 255) return v;
  const Vec spread = _mm256_permutevar8x32_ps(v, eight_bytes(kCompress.numbers + inside));
  return _mm256_and_ps(spread, _mm256_castsi256_ps(lanes_of(inside)));
}
typedef __m256i Kept;
CCT_INLINE Kept kept_lanes(uint32_t keep) { return eight_bytes(kCompress.lanes + keep); }
CCT_INLINE Vec compress(Vec v, Kept kept) { return _mm256_permutevar8x32_ps(v, kept); }

#elif defined(CCT_NEON)  // a macro of ours: every aarch64 compiler has NEON on, for the generic row too

typedef float32x4_t Vec;
constexpr int kLanes = 4;
constexpr int kWidest[5] = {0, 15, 10, 0, 5};  // of 32 registers; a weight of its own for each output
constexpr int kWhole = 8;
constexpr int kStripRows = 0;
constexpr int kTail = 0;
constexpr bool kTailBeside = false;
constexpr int kTapsTogether[5] = {0, 8, 6, 0, 4};

CCT_INLINE Vec broadcast(float value) { return vdupq_n_f32(value); }
CCT_INLINE Vec load(const float* p) { return vld1q_f32(p); }
// Three lanes at most: for four there are better ways.
CCT_INLINE Vec load_lanes(const float* p, int64_t step, int64_t n) {
  Vec v = broadcast(0);
  if (n > 0) v = vld1q_lane_f32(p, v, 0);
  if (n > 1) v = vld1q_lane_f32(p + step, v, 1);
  if (n > 2) v = vld1q_lane_f32(p + 2 * step, v, 2);
  return v;
}
CCT_INLINE Vec load_first(const float* p, int64_t n) { return n == kLanes ? load(p) : load_lanes(p, 1, n); }
CCT_INLINE Vec even_of(Vec low, Vec high) { return vuzp1q_f32(low, high); }
CCT_INLINE Vec odd_of(Vec low, Vec high) { return vuzp2q_f32(low, high); }
CCT_INLINE Vec load_even_first(const float* p, int64_t n) {
  if (n < kLanes) return load_lanes(p, 2, n);
  const Vec high = load(p + 3);  // 3 4 5 6
  return vuzp1q_f32(load(p), vextq_f32(high, high, 1));
}
CCT_INLINE Vec load_inside(const float* p, uint32_t inside) {
  if (inside == 15) return load(p);
  Vec v = broadcast(0);
  if (inside & 1) v = vld1q_lane_f32(p, v, 0);
  if (inside & 2) v = vld1q_lane_f32(p + 1, v, 1);
  if (inside & 4) v = vld1q_lane_f32(p + 2, v, 2);
  if (inside & 8) v = vld1q_lane_f32(p + 3, v, 3);
  return v;
}
CCT_INLINE void store(float* p, Vec v) { vst1q_f32(p, v); }
CCT_INLINE void store_first(float* p, Vec v, int64_t n) {
  if (n == kLanes) return store(p, v);
  if (n > 0) vst1q_lane_f32(p, v, 0);
  if (n > 1) vst1q_lane_f32(p + 1, v, 1);
  if (n > 2) vst1q_lane_f32(p + 2, v, 2);
}
CCT_INLINE Vec add(Vec a, Vec b) { return vaddq_f32(a, b); }
CCT_INLINE Vec multiply_add(Vec a, Vec b, Vec sum) { return vfmaq_f32(sum, a, b); }
CCT_INLINE Vec clip(Vec v, Vec low, Vec high) { return vminq_f32(vmaxq_f32(v, low), high); }
// For each set of kept lanes their bytes.
struct CompressTable {
  uint8_t bytes[16][16];
  constexpr CompressTable() : bytes() {
    for (int keep = 0; keep < 16; ++keep) {
      for (int lane = 0, to = 0; lane < 4; ++lane) {
        if (!(keep >> lane & 1)) continue;
        for (int byte = 0; byte < 4; ++byte) bytes[keep][to++] = static_cast<uint8_t>(lane * 4 + byte);
      }
    }
  }
};
constexpr CompressTable kCompress;
CCT_INLINE Vec expand(Vec v, uint32_t inside) {
  Vec result = broadcast(0);
  for (int lane = 0, from = 0; lane < kLanes; ++lane) {
    if (inside >> lane & 1) result[lane] = v[from++];
  }
  return result;
}
typedef uint8x16_t Kept;
CCT_INLINE Kept kept_lanes(uint32_t keep) { return vld1q_u8(kCompress.bytes[keep]); }
CCT_INLINE Vec compress(Vec v, Kept kept) {
  return vreinterpretq_f32_u8(vqtbl1q_u8(vreinterpretq_u8_f32(v), kept));
}

#else  // any CPU: vectors of the compiler

typedef float Vec __attribute__((vector_size(16)));
constexpr int kLanes = 4;
constexpr int kWidest[5] = {0, 6, 4, 0, 2};
constexpr int kWhole = 8;
constexpr int kStripRows = 0;
constexpr int kTail = 0;
constexpr bool kTailBeside = false;
constexpr int kTapsTogether[5] = {0, 8, 4, 0, 2};

CCT_INLINE Vec broadcast(float value) { return Vec{value, value, value, value}; }
CCT_INLINE Vec load_first(const float* p, int64_t n) {
  Vec v = {};
  __builtin_memcpy(&v, p, n * sizeof(float));
  return v;
}
CCT_INLINE Vec load(const float* p) { return load_first(p, kLanes); }
CCT_INLINE Vec even_of(Vec low, Vec high) { return Vec{low[0], low[2], high[0], high[2]}; }
CCT_INLINE Vec odd_of(Vec low, Vec high) { return Vec{low[1], low[3], high[1], high[3]}; }
CCT_INLINE Vec load_even_first(const float* p, int64_t n) {
  Vec v = {};
  for (int64_t i = 0; i < n; ++i) v[i] = p[2 * i];
  return v;
}
CCT_INLINE Vec load_inside(const float* p, uint32_t inside) {
  if (inside == 15) return load(p);
  Vec v = {};
  for (int64_t i = 0; i < kLanes; ++i) {
    if (inside >> i & 1) v[i] = p[i];
  }
  return v;
}
CCT_INLINE void store_first(float* p, Vec v, int64_t n) { __builtin_memcpy(p, &v, n * sizeof(float)); }
CCT_INLINE void store(float* p, Vec v) { store_first(p, v, kLanes); }
CCT_INLINE Vec add(Vec a, Vec b) { return a + b; }
CCT_INLINE Vec multiply_add(Vec a, Vec b, Vec sum) { return a * b + sum; }
CCT_INLINE Vec clip(Vec v, Vec low, Vec high) {
  v = v < low ? low : v;
  return v > high ? high : v;
}
CCT_INLINE Vec expand(Vec v, uint32_t inside) {
  Vec result = {};
  for (int lane = 0, from = 0; lane < kLanes; ++lane) {
    if (inside >> lane & 1) result[lane] = v[from++];
  }
  return result;
}
typedef uint32_t Kept;
CCT_INLINE Kept kept_lanes(uint32_t keep) { return keep; }
CCT_INLINE Vec compress(Vec v, Kept kept) {
  Vec result = {};
  for (int lane = 0, to = 0; lane < kLanes; ++lane) {
    if (kept >> lane & 1) result[to++] = v[lane];
  }
  return result;
}

#endif

CCT_INLINE Vec load_even(const float* p) { return even_of(load(p), load(p + kLanes)); }

// ---------------------------------------------------------------- a tile's channels of one pixel

#if defined(__AVX2__)
typedef __m128 Quad;
CCT_INLINE Quad broadcast_quad(float value) { return _mm_set1_ps(value); }
CCT_INLINE Quad load_quad(const float* p) { return _mm_loadu_ps(p); }
CCT_INLINE void store_quad(float* p, Quad v) { _mm_storeu_ps(p, v); }
CCT_INLINE Quad add(Quad a, Quad b) { return _mm_add_ps(a, b); }
CCT_INLINE Quad multiply_add(Quad a, Quad b, Quad sum) { return _mm_fmadd_ps(a, b, sum); }
#if defined(__AVX512F__)  // (Without a mask GCC 12 warns, as above.)
CCT_INLINE __m256 folded(Vec v) {
  return _mm256_add_ps(_mm512_maskz_extractf32x8_ps(0xff, v, 0), _mm512_maskz_extractf32x8_ps(0xff, v, 1));
}
#else
CCT_INLINE Vec folded(Vec v) { return v; }
#endif
// The sum of all lanes of each.
CCT_INLINE Quad sums_of(Vec a, Vec b, Vec c, Vec d) {
  const __m256 ab = _mm256_hadd_ps(folded(a), folded(b)), cd = _mm256_hadd_ps(folded(c), folded(d));
  const __m256 all = _mm256_hadd_ps(ab, cd);
  return _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
}
#else
typedef Vec Quad;
CCT_INLINE Quad broadcast_quad(float value) { return broadcast(value); }
CCT_INLINE Quad load_quad(const float* p) { return load(p); }
CCT_INLINE void store_quad(float* p, Quad v) { store(p, v); }
CCT_INLINE float sum_of(Vec v) { return v[0] + v[1] + (v[2] + v[3]); }
CCT_INLINE Quad sums_of(Vec a, Vec b, Vec c, Vec d) {
  return Quad{sum_of(a), sum_of(b), sum_of(c), sum_of(d)};
}
#endif

// ---------------------------------------------------------------- eight floats, for strips

#if defined(__AVX512F__)
typedef __m256 Eight;
CCT_INLINE __mmask8 first_eight(int64_t n) { return static_cast<__mmask8>((1u << n) - 1); }
CCT_INLINE Eight broadcast_eight(float value) { return _mm256_set1_ps(value); }
CCT_INLINE Eight load_eight(const float* p) { return _mm256_loadu_ps(p); }
CCT_INLINE Eight load_first_eight(const float* p, int64_t n) {
  return _mm256_maskz_loadu_ps(first_eight(n), p);
}
CCT_INLINE void store_eight(float* p, Eight v) { _mm256_storeu_ps(p, v); }
CCT_INLINE void store_first_eight(float* p, Eight v, int64_t n) {
  _mm256_mask_storeu_ps(p, first_eight(n), v);
}
CCT_INLINE Eight add(Eight a, Eight b) { return _mm256_add_ps(a, b); }
CCT_INLINE Eight multiply_add(Eight a, Eight b, Eight sum) { return _mm256_fmadd_ps(a, b, sum); }
CCT_INLINE Eight clip(Eight v, Eight low, Eight high) { return _mm256_min_ps(high, _mm256_max_ps(low, v)); }
#elif defined(__AVX2__)
typedef Vec Eight;
CCT_INLINE Eight broadcast_eight(float value) { return broadcast(value); }
CCT_INLINE Eight load_eight(const float* p) { return load(p); }
CCT_INLINE Eight load_first_eight(const float* p, int64_t n) { return load_first(p, n); }
CCT_INLINE void store_eight(float* p, Eight v) { store(p, v); }
CCT_INLINE void store_first_eight(float* p, Eight v, int64_t n) { store_first(p, v, n); }
#endif
