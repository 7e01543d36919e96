#pragma once
/// \file Ground of heights and axis-aligned boxes, with what kernels look up in it (kernels/physics/terrain.hpp).

#include <vector>

#include "kernels/physics/terrain.hpp"

namespace stampede {

/// An axis-aligned box [m].
struct TerrainBox {
  float centre[3], half[3];
};

/// Side of the cells that boxes are listed for [m].
inline constexpr double kCellSide = 0.25;

/// A map. Without heights (`rows` and `columns` 0) there are boxes only.
struct GroundMap {
  int rows = 0, columns = 0;
  double spacing = 0;  ///< of rows and columns [m]
  double origin_x = 0,
         origin_y = 0;         ///< of the first column and row, or of the boxes' cells where there are no heights
  std::vector<float> heights;  ///< [rows][columns], along y and x [m]
  std::vector<TerrainBox> boxes;

  // Filled in by index_ground (host/model/terrain/ground_index.hpp).
  double reach = 0;       ///< largest radius plus margin that boxes are listed for [m]
  double link_reach = 0;  ///< largest reach of a link that `link_tops` hold for [m]
  int cell_rows = 0, cell_columns = 0, boxes_per_cell = 0;
  std::vector<float> buffer;  ///< all that kernels read

  /// Pointers to the parts of `copy`, a copy of `buffer` that may lie on the device.
  TerrainView view(const float* copy) const;
  TerrainView view() const { return view(buffer.data()); }

  /// Height of the highest surface at a point; -infinity where there is none [m].
  double top_at(double x, double y) const;
  /// Where the map begins and ends along x and y [m].
  double low_x() const { return origin_x; }
  double low_y() const { return origin_y; }
  double high_x() const;
  double high_y() const;

  std::size_t boxes_at = 0, cells_at = 0, tops_at = 0, link_tops_at = 0, seen_at = 0;  ///< in `buffer`
};

}  // namespace stampede
