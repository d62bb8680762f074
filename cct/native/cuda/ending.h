// What follows the sums: bias, residual, activation, rounding, and where the results go.
#pragma once

#include <type_traits>

#include "cuda/device.h"
#include "cuda/tiles.h"

namespace cct::cuda {

// One element of Y. A NaN passes the activation.
CCT_DEVICE float activate(float value, float clip_min, float clip_max) {
  value = value < clip_min ? clip_min : value;
  return value > clip_max ? clip_max : value;
}

// A pixel of Y; image -1 when it lies beyond.
struct Pixel {
  int32_t image;
  int32_t at;  // in its plane
};

CCT_DEVICE int64_t index_in_y(const Ending& ending, Pixel pixel, int32_t output) {
  return (static_cast<int64_t>(pixel.image) * ending.out_channels + output) * ending.out_plane + pixel.at;
}

// Numbers of X, Z and Y.
CCT_DEVICE float as_float(float value) { return value; }
CCT_DEVICE float as_float(Half value) { return widen(value); }
CCT_DEVICE void store_as(float* to, float value) { store_global(to, value); }
CCT_DEVICE void store_as(Half* to, float value) { store_global(to, narrow(value)); }

template <class T>
CCT_DEVICE void end_one(float sum, const Ending& ending, float bias, int64_t at) {
  sum += bias;
  if (ending.residual) sum += as_float(load_global(static_cast<const T*>(ending.residual) + at));
  store_as(static_cast<T*>(ending.y) + at, activate(sum, ending.clip_min, ending.clip_max));
}

#if defined(CCT_EMULATE) || __CUDA_ARCH__ >= 800

// Of X, Z and Y, for a tile's kernel.
template <int kTile>
using Number = std::conditional_t<kTiles[kTile].type == Type::kTf32, float, Half>;

// The sums of a thread, as multiply_add leaves them: 16 pixels x 8 output channels each.
template <int kTile>
using Sums = float[kTiles[kTile].warp_pixels / 16][kTiles[kTile].warp_channels / 8][4];

// Some sums of a tile lie in shared memory, pixel by pixel for each output channel, so that a thread finds
// what belongs together in Y. In round r these are part r of each warp's output channels.
template <int kTile>
struct Round {
  static constexpr Tile kOf = kTiles[kTile];
  static constexpr int kOfWarp = kOf.warp_channels / kOf.rounds();  // output channels of a warp
  static constexpr int kChannels = kOf.out_channels / kOf.rounds();
  static constexpr int kPitch = kOf.sums_pitch() * 4;  // bytes
  int number;

  // Of the tile, for a channel of the round.
  CCT_DEVICE int channel(int c) const {
    return c / kOfWarp * kOf.warp_channels + number * kOfWarp + c % kOfWarp;
  }
};

// Number i of some that lie in words, and word i of some numbers.
template <class T>
CCT_DEVICE float number_in(const uint32_t* words, int i) {
  if constexpr (sizeof(T) == 4) {
    return float_of(words[i]);
  } else {
    return widen(static_cast<Half>(words[i / 2] >> i % 2 * 16));
  }
}

template <class T>
CCT_DEVICE uint32_t word_of(const float* numbers, int i) {
  if constexpr (sizeof(T) == 4) {
    return bits_of(numbers[i]);
  } else {
    return narrow_pair(numbers[2 * i], numbers[2 * i + 1]);
  }
}

// So many consecutive floats of shared memory as they go to Y, 16 or 8 bytes together.
template <class T, int kCount>
CCT_DEVICE void end_some(uint32_t from, const Ending& ending, float bias, int64_t at) {
  constexpr int kWords = kCount * sizeof(T) / 4;
  using Access = std::conditional_t<kWords == 4, uint4, uint2>;
  static_assert(sizeof(Access) == kCount * sizeof(T));
  float sums[kCount];
  CCT_UNROLL for (int i = 0; i < kCount; i += 4) {
    const float4 four = load_shared<float4>(from + i * 4);
    sums[i] = four.x, sums[i + 1] = four.y, sums[i + 2] = four.z, sums[i + 3] = four.w;
  }
  alignas(16) uint32_t words[kWords] = {};
  if (ending.residual) {
    const T* residual = static_cast<const T*>(ending.residual) + at;
    *reinterpret_cast<Access*>(words) = load_global(reinterpret_cast<const Access*>(residual));
  }
  CCT_UNROLL for (int i = 0; i < kCount; ++i) {
    sums[i] += bias;
    if (ending.residual) sums[i] += number_in<T>(words, i);
    sums[i] = activate(sums[i], ending.clip_min, ending.clip_max);
  }
  CCT_UNROLL for (int i = 0; i < kWords; ++i) words[i] = word_of<T>(sums, i);
  store_global(reinterpret_cast<Access*>(static_cast<T*>(ending.y) + at), *reinterpret_cast<Access*>(words));
}

// A round, so many pixels together: planes of Y are multiples of it. Threads of a warp take consecutive ones,
// but of 8 pixels, which are two accesses to shared memory: there a quarter of a warp takes 4 x 8 pixels of
// two output channels, which lie in different banks.
template <int kCount, int kTile, class PixelOf>
CCT_DEVICE void write_round(Round<kTile> round, const Ending& ending, int out_tile, PixelOf pixel_of) {
  constexpr Tile tile = kTiles[kTile];
  constexpr int kAcross = tile.pixels() / kCount, kDown = kAcross < kThreads ? kThreads / kAcross : 1;
  const int thread = thread_index(), warp = thread / 32;
  int across = thread % kAcross, down = thread / kAcross;
  if constexpr (kCount == 8) {
    across = thread % 4 + thread / 8 % 2 * 4 + warp % (kAcross / 8) * 8;
    down = thread / 4 % 2 + thread / 16 % 2 * 2 + warp / (kAcross / 8) * 4;
  }
  CCT_NO_UNROLL for (; across < kAcross; across += kThreads) {
    const int p = across * kCount;
    const Pixel pixel = pixel_of(p);
    if (pixel.image < 0) continue;
    for (int c = down; c < round.kChannels; c += kDown) {
      const int place = out_tile * tile.out_channels + round.channel(c);
      const int32_t output = load_global(ending.outputs + place);
      if (output < 0) continue;
      const uint32_t from = c * round.kPitch + p * 4;
      const float bias = load_global(ending.bias + place);
      const int64_t at = index_in_y(ending, pixel, output);
      if constexpr (kCount == 1) {
        end_one<Number<kTile>>(load_shared<float>(from), ending, bias, at);
      } else {
        end_some<Number<kTile>, kCount>(from, ending, bias, at);
      }
    }
  }
}

// The sums as they are, 4 pixels a thread; finish does the rest.
template <int kTile, class PixelOf>
CCT_DEVICE void write_partials(Round<kTile> round, const Ending& ending, int64_t first_place,
                               PixelOf pixel_of) {
  constexpr Tile tile = kTiles[kTile];
  constexpr int kAcross = tile.pixels() / 4;
  for (int i = thread_index(); i < round.kChannels * kAcross; i += kThreads) {
    const int c = i / kAcross, p = i % kAcross * 4;
    const Pixel pixel = pixel_of(p);
    if (pixel.image < 0) continue;
    float* to = ending.partials + (first_place + round.channel(c)) * ending.partials_pitch +
                static_cast<int64_t>(pixel.image) * ending.out_plane + pixel.at;
    store_global(reinterpret_cast<float4*>(to), load_shared<float4>(c * round.kPitch + p * 4));
  }
}

// Everything after the sums of a tile. `pixel_of` says which pixel of Y one of the tile is.
template <int kTile, class PixelOf>
CCT_DEVICE void end_tile(const Sums<kTile>& sums, const Ending& ending, int out_tile, int out_tiles,
                         PixelOf pixel_of) {
  constexpr Tile tile = kTiles[kTile];
  constexpr int kAcross = tile.pixels() / tile.warp_pixels, kOfRound = tile.warp_channels / 8 / tile.rounds();
  constexpr int kWidest = 16 / sizeof(Number<kTile>);  // pixels that are written together
  const int lane = thread_index() % 32, warp = thread_index() / 32;
  CCT_NO_UNROLL for (int r = 0; r < tile.rounds(); ++r) {
    const Round<kTile> round{r};
    const uint32_t to = (warp / kAcross * round.kOfWarp + lane % 4 * 2) * round.kPitch +
                        (warp % kAcross * tile.warp_pixels + lane / 4) * 4;
    barrier();  // the pipeline's memory, or that of the round before, is read
    CCT_UNROLL for (int j = 0; j < tile.warp_channels / 8; ++j) {
      if (j / kOfRound != r) continue;
      CCT_UNROLL for (int i = 0; i < tile.warp_pixels / 16; ++i) {
        CCT_UNROLL for (int q = 0; q < 4; ++q) {
          store_shared(to + (j % kOfRound * 8 + q % 2) * round.kPitch + (i * 16 + q / 2 * 8) * 4,
                       sums[i][j][q]);
        }
      }
    }
    barrier();
    if (ending.partials) {
      const int64_t first_place =
          (static_cast<int64_t>(block_z()) * out_tiles + out_tile) * tile.out_channels;
      write_partials(round, ending, first_place, pixel_of);
    } else if constexpr (tile.copy_pixels) {
      write_round<tile.copy_pixels>(round, ending, out_tile, pixel_of);
    } else if (ending.out_plane % kWidest == 0) {
      write_round<kWidest>(round, ending, out_tile, pixel_of);
    } else if (ending.out_plane % 4 == 0) {
      write_round<4>(round, ending, out_tile, pixel_of);
    } else {
      write_round<1>(round, ending, out_tile, pixel_of);
    }
  }
}

#endif

}  // namespace cct::cuda
