// What follows the sums: bias, residual, activation, rounding, and where the results go.
#pragma once

#include "device.h"
#include "tiles.h"

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

CCT_DEVICE void end_one(float sum, const Ending& ending, float bias, int64_t at) {
  sum += bias;
  if (ending.residual) sum += widen(load_global(ending.residual + at));
  store_global(ending.y + at, narrow(activate(sum, ending.clip_min, ending.clip_max)));
}

#if defined(CCT_EMULATE) || __CUDA_ARCH__ >= 800

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

// 8 floats of shared memory as they go to Y.
CCT_DEVICE void end_eight(uint32_t from, const Ending& ending, float bias, int64_t at) {
  const float4 low = load_shared<float4>(from), high = load_shared<float4>(from + 16);
  float sums[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
  uint32_t residual[4] = {};
  if (ending.residual) {
    const uint4 z = load_global(reinterpret_cast<const uint4*>(ending.residual + at));
    residual[0] = z.x, residual[1] = z.y, residual[2] = z.z, residual[3] = z.w;
  }
  CCT_UNROLL for (int i = 0; i < 8; ++i) {
    sums[i] += bias;
    if (ending.residual) sums[i] += widen(static_cast<uint16_t>(residual[i / 2] >> i % 2 * 16));
    sums[i] = activate(sums[i], ending.clip_min, ending.clip_max);
  }
  store_global(reinterpret_cast<uint4*>(ending.y + at),
               uint4{narrow_pair(sums[0], sums[1]), narrow_pair(sums[2], sums[3]),
                     narrow_pair(sums[4], sums[5]), narrow_pair(sums[6], sums[7])});
}

// For planes of a multiple of 8 pixels: 8 pixels a thread. A quarter of a warp reads 4 x 8 pixels of 2 output
// channels, which lie in different banks.
template <int kTile, class PixelOf>
CCT_DEVICE void write_eights(Round<kTile> round, const Ending& ending, int out_tile, PixelOf pixel_of) {
  constexpr Tile tile = kTiles[kTile];
  constexpr int kWarpsAcross = tile.pixels() / 64, kStep = kThreads / 32 / kWarpsAcross * 4;
  const int thread = thread_index(), warp = thread / 32;
  const int p = (thread % 4 + thread / 8 % 2 * 4 + warp % kWarpsAcross * 8) * 8;
  const Pixel pixel = pixel_of(p);
  if (pixel.image < 0) return;
  for (int c = thread / 4 % 2 + thread / 16 % 2 * 2 + warp / kWarpsAcross * 4; c < round.kChannels;
       c += kStep) {
    const int place = out_tile * tile.out_channels + round.channel(c);
    const int32_t output = load_global(ending.outputs + place);
    if (output < 0) continue;
    end_eight(c * round.kPitch + p * 4, ending, load_global(ending.bias + place),
              index_in_y(ending, pixel, output));
  }
}

// For any plane: a warp writes consecutive pixels.
template <int kTile, class PixelOf>
CCT_DEVICE void write_ones(Round<kTile> round, const Ending& ending, int out_tile, PixelOf pixel_of) {
  constexpr Tile tile = kTiles[kTile];
  constexpr int kStep = kThreads / tile.pixels();
  static_assert(kStep >= 1, "only gather has such planes, and at most 128 pixels a tile");
  const int p = thread_index() % tile.pixels();
  const Pixel pixel = pixel_of(p);
  if (pixel.image < 0) return;
  for (int c = thread_index() / tile.pixels(); c < round.kChannels; c += kStep) {
    const int place = out_tile * tile.out_channels + round.channel(c);
    const int32_t output = load_global(ending.outputs + place);
    if (output < 0) continue;
    end_one(load_shared<float>(c * round.kPitch + p * 4), ending, load_global(ending.bias + place),
            index_in_y(ending, pixel, output));
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
  const int lane = thread_index() % 32, warp = thread_index() / 32;
  CCT_UNROLL for (int r = 0; r < tile.rounds(); ++r) {
    const Round<kTile> round{r};
    const uint32_t to = (warp / kAcross * round.kOfWarp + lane % 4 * 2) * round.kPitch +
                        (warp % kAcross * tile.warp_pixels + lane / 4) * 4;
    barrier();  // the pipeline's memory, or that of the round before, is read
    CCT_UNROLL for (int i = 0; i < tile.warp_pixels / 16; ++i) {
      CCT_UNROLL for (int j = 0; j < kOfRound; ++j) {
        CCT_UNROLL for (int q = 0; q < 4; ++q) {
          store_shared(to + (j * 8 + q % 2) * round.kPitch + (i * 16 + q / 2 * 8) * 4,
                       sums[i][r * kOfRound + j][q]);
        }
      }
    }
    barrier();
    if (ending.partials) {
      const int64_t first_place =
          (static_cast<int64_t>(block_z()) * out_tiles + out_tile) * tile.out_channels;
      write_partials(round, ending, first_place, pixel_of);
    } else if constexpr (tile.halo) {
      write_eights(round, ending, out_tile, pixel_of);
    } else if (ending.out_plane % 8 == 0) {
      write_eights(round, ending, out_tile, pixel_of);
    } else {
      write_ones(round, ending, out_tile, pixel_of);
    }
  }
}

#endif

}  // namespace cct::cuda
