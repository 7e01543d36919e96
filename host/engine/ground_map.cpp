#include "host/engine/ground_map.hpp"

#include <algorithm>
#include <cmath>

namespace stampede {

double GroundMap::high_x() const {
  return rows > 0 ? origin_x + (columns - 1) * spacing : origin_x + cell_columns * kCellSide;
}
double GroundMap::high_y() const {
  return rows > 0 ? origin_y + (rows - 1) * spacing : origin_y + cell_rows * kCellSide;
}

TerrainView GroundMap::view(const float* copy) const {
  TerrainView view{};
  view.heights = copy;
  view.boxes = copy + boxes_at;
  view.cells = copy + cells_at;
  view.tops = copy + tops_at;
  view.link_tops = copy + link_tops_at;
  const int cells = cell_rows * cell_columns;
  view.seen_tops = copy + seen_at;
  view.seen_high = view.seen_tops + cells;
  view.seen_low = view.seen_high + cells;
  view.columns = columns;
  view.rows = rows;
  view.cell_columns = cell_columns;
  view.cell_rows = cell_rows;
  view.boxes_per_cell = boxes_per_cell;
  view.box_count = static_cast<float>(boxes.size());
  view.origin_x = static_cast<float>(origin_x);
  view.origin_y = static_cast<float>(origin_y);
  view.spacing = static_cast<float>(spacing);
  view.inverse_spacing = rows > 0 ? static_cast<float>(1 / spacing) : 0.0f;
  view.inverse_cell = static_cast<float>(1 / kCellSide);
  view.link_reach = static_cast<float>(link_reach);
  return view;
}

double GroundMap::top_at(double x, double y) const {
  double top = rows > 0 ? height_at(view(), x, y).height : -HUGE_VAL;
  for (const TerrainBox& box : boxes) {
    if (std::fabs(x - static_cast<double>(box.centre[0])) <= static_cast<double>(box.half[0]) &&
        std::fabs(y - static_cast<double>(box.centre[1])) <= static_cast<double>(box.half[1])) {
      top = std::max(top, static_cast<double>(box.centre[2]) + static_cast<double>(box.half[2]));
    }
  }
  return top;
}

}  // namespace stampede
