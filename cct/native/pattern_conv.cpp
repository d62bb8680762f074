// The seam: checks what comes in, cuts the work into units, and has the routine of the chosen row do them.
#include "pattern_conv.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <new>
#include <thread>

#include "fault.h"
#include "geometry.h"
#include "isa.h"
#include "packed.h"
#include "weights.h"

// Immutable once it is made, so that runs may overlap.
struct cct_pattern_conv {
  cct_pattern_conv(const cct::Packed& packed, const cct::Isa& isa)
      : routine(*isa.routine), convolution(packed), weights(packed) {}

  const cct::Routine& routine;
  const cct::Convolution convolution;
  const cct::Weights weights;
};

namespace cct {
namespace {

constexpr int64_t kPackedTogether = 8;           // channels of a unit of packing
constexpr int64_t kConvertedTogether = 1 << 14;  // numbers of a unit of conversion

// Where the numbers of a run are.
template <class Number>
struct Images {
  const Number *x, *z;
  Number* y;
};

// One call of cct_pattern_conv_run.
struct Run {
  const cct_pattern_conv& conv;
  const Geometry& geometry;
  char* scratch;
  Images<float> floats;
  Images<uint16_t> halves;  // with float16: what the caller has; the floats are in the scratch then

  template <class Item>
  Item* table(int64_t at) const {
    return reinterpret_cast<Item*>(scratch + at);
  }
  const float* image(int64_t n) const {
    return floats.x + n * geometry.channels * geometry.in[0] * geometry.in[1];
  }
  float* slot(int64_t i) const { return table<float>(geometry.slots_at) + i * geometry.slot_floats; }

  // Packs what the vectors begin..end of image n read of some channels.
  void pack(int64_t n, int64_t begin, int64_t end, float* to, int64_t first_channel,
            int64_t end_channel) const {
    const Band band{image(n), to, table<Plane>(geometry.planes_at), geometry.first_row(begin),
                    geometry.rows(begin, end)};
    conv.routine.pack(geometry.layout, band, first_channel, end_channel);
  }

  // Computes the vectors begin..end of image n, which read `from` from `first_lane` on.
  void compute(int64_t n, int64_t begin, int64_t end, const float* from, int64_t first_lane,
               int64_t channel_lanes, int64_t first_tile, int64_t end_tile) const {
    const Geometry& g = geometry;
    const int64_t pixels = g.out[0] * g.out[1], output = n * g.outputs * pixels;
    const Lanes* lanes = table<Lanes>(g.lanes_at);
    const Span span{from,
                    first_lane,
                    channel_lanes,
                    table<int64_t>(g.offsets_at),
                    lanes,
                    begin,
                    end,
                    end == g.vectors ? pixels : lanes[end].pixel,
                    floats.y + output,
                    floats.z ? floats.z + output : nullptr,
                    pixels,
                    conv.convolution.clip_min,
                    conv.convolution.clip_max};
    conv.routine.compute(span, conv.weights.tiles().data() + first_tile, end_tile - first_tile);
  }
};

// ---------------------------------------------------------------- units of work

void band_unit(const Run& run, int64_t unit, int64_t worker) {
  const Geometry& g = run.geometry;
  const int64_t n = unit / g.bands, begin = unit % g.bands * g.band;
  const int64_t end = std::min(begin + g.band, g.vectors), tiles = run.conv.weights.tiles().size();
  float* slot = run.slot(worker);
  run.pack(n, begin, end, slot, 0, g.channels);
  const Spans spans = g.cut(end - begin);
  for (int64_t i = 0; i < spans.count; ++i) {
    const int64_t from = begin + spans.begin(i), to = begin + spans.begin(i + 1);
    run.compute(n, from, to, slot, g.packed_lane(from, begin), g.layout.channel_lanes, 0, tiles);
  }
}

int64_t pack_units(const Geometry& g) { return divide_up(g.channels, kPackedTogether); }

void pack_unit(const Run& run, int64_t unit, int64_t) {
  const Geometry& g = run.geometry;
  const int64_t n = unit / pack_units(g), channel = unit % pack_units(g) * kPackedTogether;
  run.pack(n, g.first_packed, g.vectors, run.slot(n), channel,
           std::min(channel + kPackedTogether, g.channels));
}

void compute_unit(const Run& run, int64_t unit, int64_t) {
  const Geometry& g = run.geometry;
  const int64_t n = unit / (g.spans * g.chunks), span = unit / g.chunks % g.spans, chunk = unit % g.chunks;
  const int64_t tiles = run.conv.weights.tiles().size();
  const int64_t first_tile = tiles * chunk / g.chunks, end_tile = tiles * (chunk + 1) / g.chunks;
  const Spans direct = g.cut(g.first_packed);
  if (span < direct.count) {
    const int64_t begin = direct.begin(span), end = direct.begin(span + 1);
    run.compute(n, begin, end, run.image(n), begin * g.lanes, g.in[0] * g.in[1], first_tile, end_tile);
  } else {
    const Spans packed = g.cut(g.vectors - g.first_packed);
    const int64_t begin = g.first_packed + packed.begin(span - direct.count);
    const int64_t end = g.first_packed + packed.begin(span - direct.count + 1);
    run.compute(n, begin, end, run.slot(n), g.packed_lane(begin, g.first_packed), g.layout.channel_lanes,
                first_tile, end_tile);
  }
}

int64_t conversion_units(int64_t count) { return divide_up(count, kConvertedTogether); }

void widen_some(const Run& run, const uint16_t* from, int64_t at, int64_t count, int64_t unit) {
  const int64_t begin = unit * kConvertedTogether, end = std::min(begin + kConvertedTogether, count);
  run.conv.routine.widen(from + begin, run.table<float>(at) + begin, end - begin);
}

void widen_x_unit(const Run& run, int64_t unit, int64_t) {
  widen_some(run, run.halves.x, run.geometry.x_at, run.geometry.x_count(), unit);
}

void widen_z_unit(const Run& run, int64_t unit, int64_t) {
  widen_some(run, run.halves.z, run.geometry.z_at, run.geometry.y_count(), unit);
}

void narrow_y_unit(const Run& run, int64_t unit, int64_t) {
  const int64_t begin = unit * kConvertedTogether;
  const int64_t end = std::min(begin + kConvertedTogether, run.geometry.y_count());
  run.conv.routine.narrow(run.floats.y + begin, run.halves.y + begin, end - begin);
}

// Each worker takes units from its own share, neighbours in the image, so that what it reads in one
// convolution it mostly wrote itself in the one before; then it helps with the shares of the others.
struct Work {
  struct alignas(64) Share {  // a cache line each
    std::atomic<int64_t> next;
    int64_t end;
  };

  const Run& run;
  void (*unit)(const Run&, int64_t unit, int64_t worker);
  int64_t workers;
  Share shares[Geometry::kMostWorkers];

  Work(const Run& run, void (*unit)(const Run&, int64_t, int64_t), int64_t units, int64_t workers)
      : run(run), unit(unit), workers(workers) {
    for (int64_t i = 0; i < workers; ++i) {
      shares[i].next = units * i / workers;
      shares[i].end = units * (i + 1) / workers;
    }
  }

  static void worker(void* argument, size_t worker) {
    Work& work = *static_cast<Work*>(argument);
    for (int64_t i = 0; i < work.workers; ++i) {
      Share& share = work.shares[(static_cast<int64_t>(worker) + i) % work.workers];
      for (int64_t unit; (unit = share.next.fetch_add(1, std::memory_order_relaxed)) < share.end;) {
        work.unit(work.run, unit, static_cast<int64_t>(worker));
      }
    }
  }
};

void do_all(const Run& run, void (*unit)(const Run&, int64_t, int64_t), int64_t units,
            const cct_threads* threads) {
  if (!units) return;
  // Nobody tells how many threads there are; more shares than cores would be too small to keep neighbours
  // together.
  static const int64_t cores = std::max<int64_t>(std::thread::hardware_concurrency(), 1);
  const int64_t workers = threads ? std::min({units, cores, Geometry::kMostWorkers}) : 1;
  Work work(run, unit, units, workers);
  if (!threads) return Work::worker(&work, 0);
  if (threads->parallel_for(threads->pool, Work::worker, workers, &work)) fail("the threads did not run");
}

template <class Number>
Images<Number> images_of(const void* x, const void* z, void* y) {
  return {static_cast<const Number*>(x), static_cast<const Number*>(z), static_cast<Number*>(y)};
}

// Runs `body`; what it throws becomes one line. Nothing is thrown through the C boundary.
template <class Body>
bool succeeds(char* error, size_t error_size, Body body) {
  const auto say = [&](const char* text) {
    if (error && error_size) std::snprintf(error, error_size, "PatternConv: %s", text);
    return false;
  };
  try {
    body();
    return true;
  } catch (const Fault& fault) {
    return say(fault.text.c_str());
  } catch (const std::bad_alloc&) {
    return say("not enough memory");
  } catch (...) {
    return say("unexpected exception");
  }
}

}  // namespace
}  // namespace cct

using namespace cct;

int cct_isa_count() { return kIsaCount; }
const char* cct_isa_name(int row) { return row >= 0 && row < kIsaCount ? kIsas[row].name : nullptr; }
int cct_isa_supported(int row) { return row >= 0 && row < kIsaCount && kIsas[row].supported(); }

cct_pattern_conv* cct_pattern_conv_create(const cct_packed* packed, const char* isa, char* error,
                                          size_t error_size) {
  cct_pattern_conv* conv = nullptr;
  succeeds(error, error_size, [&] { conv = new cct_pattern_conv(check(*packed), choose_isa(isa)); });
  return conv;
}

void cct_pattern_conv_destroy(cct_pattern_conv* conv) { delete conv; }

int cct_pattern_conv_prepare(const cct_pattern_conv* conv, const int64_t x_dims[4], int64_t y_dims[4],
                             size_t* scratch_bytes, char* error, size_t error_size) {
  return !succeeds(error, error_size, [&] {
    const Geometry geometry(conv->convolution, conv->weights, conv->routine, x_dims);
    const int64_t dims[4] = {geometry.images, geometry.outputs, geometry.out[0], geometry.out[1]};
    std::copy(dims, dims + 4, y_dims);
    *scratch_bytes = geometry.scratch_bytes;
  });
}

int cct_pattern_conv_run(const cct_pattern_conv* conv, const int64_t x_dims[4], const void* x, const void* z,
                         void* y, void* scratch, const cct_threads* threads, char* error, size_t error_size) {
  return !succeeds(error, error_size, [&] {
    const Geometry g(conv->convolution, conv->weights, conv->routine, x_dims);
    if (!g.images) return;
    void* aligned = scratch;
    size_t space = g.scratch_bytes;
    std::align(Geometry::kAlignment, g.slots_at, aligned, space);
    Run run{*conv, g, static_cast<char*>(aligned), {}, {}};
    g.describe(conv->convolution, conv->weights, run.scratch);
    if (conv->convolution.half) {
      run.halves = images_of<uint16_t>(x, z, y);
      run.floats = {run.table<float>(g.x_at), z ? run.table<float>(g.z_at) : nullptr,
                    run.table<float>(g.y_at)};
      do_all(run, widen_x_unit, conversion_units(g.x_count()), threads);
      if (z) do_all(run, widen_z_unit, conversion_units(g.y_count()), threads);
    } else {
      run.floats = images_of<float>(x, z, y);
    }
    if (g.banded) {
      do_all(run, band_unit, g.images * g.bands, threads);
    } else {
      if (g.slot_floats) do_all(run, pack_unit, g.images * pack_units(g), threads);
      do_all(run, compute_unit, g.images * g.spans * g.chunks, threads);
    }
    if (conv->convolution.half) do_all(run, narrow_y_unit, conversion_units(g.y_count()), threads);
  });
}
