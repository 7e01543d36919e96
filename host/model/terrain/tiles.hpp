#pragma once
/// \file Draws one tile of a kind into the map.

#include <vector>

#include "host/model/terrain/terrain.hpp"

namespace stampede {

/// The part of the map that belongs to one tile. Coordinates are from the tile's middle.
struct TileCanvas {
  Terrain& terrain;
  int first_row, first_column;  ///< of the heights
  int cells;                    ///< spacings a side
  double middle_x, middle_y;    ///< in the world [m]

  double side() const { return cells * terrain.settings.spacing; }
  /// Sets each height inside the rim to height(x, y).
  template <class Function>
  void heights(const Function& height) {
    const double spacing = terrain.settings.spacing;
    for (int r = 1; r < cells; ++r) {
      for (int c = 1; c < cells; ++c) {
        const std::size_t at = static_cast<std::size_t>(first_row + r) * static_cast<std::size_t>(terrain.columns) +
                               static_cast<std::size_t>(first_column + c);
        terrain.heights[at] = static_cast<float>(height((c - 0.5 * cells) * spacing, (r - 0.5 * cells) * spacing));
      }
    }
  }
  /// A box from these x to these y, from `bottom` to `top` [m].
  void box(double x0, double x1, double y0, double y1, double bottom, double top);
  /// A square frame of four boxes around the middle, or one box where `inner` is 0.
  void frame(double outer, double inner, double bottom, double top);
};

/// Draws the kind at a difficulty; `index` is the tile's number, by which its random numbers are keyed.
void draw_tile(TileCanvas& canvas, TerrainKind kind, double difficulty, std::uint32_t index);

}  // namespace stampede
