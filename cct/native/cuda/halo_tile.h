// Which part of Y a block of threads of halo computes.
#pragma once

#include "cuda/slab_products.h"

namespace cct::cuda {

#if defined(CCT_EMULATE) || __CUDA_ARCH__ >= 800

template <int kTile>
struct HaloTile {
  static constexpr Tile kOf = kTiles[kTile];
  int out_tile, image, first_row, first_column, height, width;

  CCT_DEVICE explicit HaloTile(const HaloArguments& arguments)
      : height(arguments.height), width(arguments.width) {
    int block = block_x();
    out_tile = block % arguments.slabs.out_tiles;
    block /= arguments.slabs.out_tiles;
    first_column = block % arguments.column_tiles * kOf.columns;
    block /= arguments.column_tiles;
    first_row = block % arguments.row_tiles * kOf.rows;
    image = block / arguments.row_tiles;
  }

  CCT_DEVICE bool in_image(int row, int column) const {
    return row >= 0 && row < height && column >= 0 && column < width;
  }

  // A pixel of the tile.
  CCT_DEVICE Pixel operator()(int p) const {
    const int row = first_row + p / kOf.columns, column = first_column + p % kOf.columns;
    return in_image(row, column) ? Pixel{image, row * width + column} : Pixel{-1, 0};
  }
};

#endif

}  // namespace cct::cuda
