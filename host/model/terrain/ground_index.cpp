#include "host/model/terrain/ground_index.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "host/base/error.hpp"

namespace stampede {
namespace {

/// Indices in floats are exact up to here.
constexpr std::size_t kMostBoxes = (1u << 24) - 1;

/// What a reach is taken longer by: kernels find the cell in floats [m].
constexpr double kRounding = 1e-3;

/// The rows and columns of cells that something spans, first and last included.
struct CellRange {
  int first_row, last_row, first_column, last_column;
};

CellRange cells_of(const GroundMap& map, const TerrainBox& box, double reach) {
  const auto cell = [](double x, int cells) {
    return static_cast<int>(std::clamp(std::floor(x / kCellSide), 0.0, static_cast<double>(cells - 1)));
  };
  const auto from = [&](int k, double sign, double origin) {
    return static_cast<double>(box.centre[k]) + sign * (static_cast<double>(box.half[k]) + reach) - origin;
  };
  return {cell(from(1, -1, map.origin_y), map.cell_rows), cell(from(1, 1, map.origin_y), map.cell_rows),
          cell(from(0, -1, map.origin_x), map.cell_columns), cell(from(0, 1, map.origin_x), map.cell_columns)};
}

std::size_t cell_index(const GroundMap& map, int row, int column) {
  return static_cast<std::size_t>(row) * static_cast<std::size_t>(map.cell_columns) + static_cast<std::size_t>(column);
}

/// Lists for each cell of the boxes that a sphere with its centre in it can touch, from the lowest bottom up; sets
/// `boxes_per_cell`, the longest one's length.
std::vector<std::vector<int>> list_boxes(GroundMap& map, const std::function<std::string(double, double)>& where) {
  std::vector<std::vector<int>> lists(static_cast<std::size_t>(map.cell_columns) *
                                      static_cast<std::size_t>(map.cell_rows));
  std::size_t longest = 0;
  for (std::size_t b = 0; b < map.boxes.size(); ++b) {
    const CellRange range = cells_of(map, map.boxes[b], map.reach + kRounding);
    for (int r = range.first_row; r <= range.last_row; ++r) {
      for (int c = range.first_column; c <= range.last_column; ++c) {
        auto& list = lists[cell_index(map, r, c)];
        list.push_back(static_cast<int>(b));
        longest = std::max(longest, list.size());
        if (list.size() <= kMaxBoxesPerCell) continue;
        const double x = map.origin_x + (c + 0.5) * kCellSide, y = map.origin_y + (r + 0.5) * kCellSide;
        throw Error(fmt::format(
            "terrain: more than {} boxes within {:.4g} m of the cell at ({:.3g}, {:.3g}) m in the {}; a shorter "
            "reach or a larger tile would do",
            kMaxBoxesPerCell, map.reach, x, y, where(x, y)));
      }
    }
  }
  const auto bottom = [&](int b) {
    const TerrainBox& box = map.boxes[static_cast<std::size_t>(b)];
    return box.centre[2] - box.half[2];
  };
  for (auto& list : lists) {
    std::stable_sort(list.begin(), list.end(), [&](int a, int b) { return bottom(a) < bottom(b); });
  }
  map.boxes_per_cell = static_cast<int>(longest);
  return lists;
}

/// The highest of the heights within reach of each cell [m]; with `sign` -1, minus the lowest.
std::vector<float> extremes_of_heights(const GroundMap& map, double reach, float sign) {
  std::vector<float> tops(static_cast<std::size_t>(map.cell_columns) * static_cast<std::size_t>(map.cell_rows), -1e6f);
  for (int r = 0; map.rows > 0 && r < map.cell_rows; ++r) {
    const auto between = [&](double low, double high, int count, int& first, int& last) {
      first = static_cast<int>(std::clamp(std::floor(low / map.spacing), 0.0, static_cast<double>(count - 1)));
      last = static_cast<int>(std::clamp(std::ceil(high / map.spacing), 0.0, static_cast<double>(count - 1)));
    };
    int first_row = 0, last_row = 0;
    between(r * kCellSide - reach, (r + 1) * kCellSide + reach, map.rows, first_row, last_row);
    // The highest of the rows, column by column, then of the columns.
    std::vector<float> highest(static_cast<std::size_t>(map.columns), -HUGE_VALF);
    for (int i = first_row; i <= last_row; ++i) {
      const float* row = &map.heights[static_cast<std::size_t>(i) * static_cast<std::size_t>(map.columns)];
      for (std::size_t j = 0; j < highest.size(); ++j) highest[j] = std::max(highest[j], sign * row[j]);
    }
    for (int c = 0; c < map.cell_columns; ++c) {
      int first = 0, last = 0;
      between(c * kCellSide - reach, (c + 1) * kCellSide + reach, map.columns, first, last);
      tops[cell_index(map, r, c)] = *std::max_element(highest.begin() + first, highest.begin() + last + 1);
    }
  }
  return tops;
}

/// The highest ground within reach of each cell [m].
std::vector<float> tops_of(const GroundMap& map, double reach) {
  reach += kRounding;
  std::vector<float> tops = extremes_of_heights(map, reach, 1);
  for (const TerrainBox& box : map.boxes) {
    const CellRange range = cells_of(map, box, reach);
    for (int r = range.first_row; r <= range.last_row; ++r) {
      for (int c = range.first_column; c <= range.last_column; ++c) {
        float& top = tops[cell_index(map, r, c)];
        top = std::max(top, box.centre[2] + box.half[2]);
      }
    }
  }
  return tops;
}

}  // namespace

void index_ground(GroundMap& map, double reach, double link_reach,
                  const std::function<std::string(double, double)>& where) {
  if (map.boxes.size() > kMostBoxes) {
    throw Error(fmt::format("terrain: {} boxes, {} at most: fewer tiles would do", map.boxes.size(), kMostBoxes));
  }
  map.reach = reach;
  map.link_reach = link_reach;
  double wide = (map.columns - 1) * map.spacing, deep = (map.rows - 1) * map.spacing;
  if (map.rows == 0) {
    double low[2] = {HUGE_VAL, HUGE_VAL}, high[2] = {-HUGE_VAL, -HUGE_VAL};
    for (const TerrainBox& box : map.boxes) {
      for (int k = 0; k < 2; ++k) {
        low[k] = std::min(low[k], static_cast<double>(box.centre[k]) - static_cast<double>(box.half[k]));
        high[k] = std::max(high[k], static_cast<double>(box.centre[k]) + static_cast<double>(box.half[k]));
      }
    }
    // The cells go on around the boxes as far as a link reaches: a point beyond takes the nearest cell, which should
    // not tell it of boxes that are out of its reach.
    const double around = std::max(reach, link_reach) + kCellSide;
    map.origin_x = low[0] - around, map.origin_y = low[1] - around;
    wide = high[0] - low[0] + 2 * around, deep = high[1] - low[1] + 2 * around;
  }
  const auto cells = [&](double side) {
    const double count = std::max(1.0, std::ceil(side / kCellSide));
    if (!(count <= 1 << 15)) {
      throw Error(fmt::format("terrain: {:.3g} m are too wide for boxes and heights, {:.3g} m at most", side,
                              kCellSide * (1 << 15)));
    }
    return static_cast<int>(count);
  };
  map.cell_columns = cells(wide);
  map.cell_rows = cells(deep);
  const auto lists = list_boxes(map, where);
  std::vector<float>& buffer = map.buffer;
  buffer = map.heights;
  const auto append = [&](const std::vector<float>& part) {
    const std::size_t at = buffer.size();
    buffer.insert(buffer.end(), part.begin(), part.end());
    return at;
  };
  map.boxes_at = buffer.size();
  for (const TerrainBox& box : map.boxes) {
    for (const auto& part : {box.centre, box.half}) buffer.insert(buffer.end(), {part[0], part[1], part[2], 0.0f});
  }
  buffer.insert(buffer.end(), {0.0f, 0.0f, -1e6f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f});
  map.cells_at = buffer.size();
  for (const auto& list : lists) {
    for (std::size_t slot = 0; slot < static_cast<std::size_t>(map.boxes_per_cell); ++slot) {
      buffer.push_back(
          static_cast<float>(slot < list.size() ? static_cast<std::size_t>(list[slot]) : map.boxes.size()));
    }
  }
  map.tops_at = append(tops_of(map, map.reach));
  map.link_tops_at = append(tops_of(map, map.link_reach));
  map.seen_at = append(tops_of(map, 0));
  append(extremes_of_heights(map, kRounding, 1));
  std::vector<float> low = extremes_of_heights(map, kRounding, -1);
  for (float& height : low) height = -height;
  append(low);
}

}  // namespace stampede
