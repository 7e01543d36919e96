#include "host/terrain/terrain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "host/base/error.hpp"
#include "host/base/suggest.hpp"
#include "host/terrain/tiles.hpp"

namespace stampede {

namespace {

/// Side of the cells that boxes are listed for [m].
constexpr double kCellSide = 0.25;
/// Indices are 32 bits and, where they are kept in floats, 24.
constexpr double kMostHeights = 1e9;
constexpr std::size_t kMostBoxes = (1u << 24) - 1;

TerrainKind kind_of(const std::string& name) {
  std::vector<std::string> names;
  for (std::size_t k = 0; k < kTerrainKinds.size(); ++k) {
    if (name == kTerrainKinds[k].name) return static_cast<TerrainKind>(k);
    names.emplace_back(kTerrainKinds[k].name);
  }
  throw Error(fmt::format("terrain: no kind '{}'; {}", name, suggestion(name, names)));
}

void require(bool right, const std::string& message) {
  if (!right) throw Error("terrain: " + message);
}

/// Checks the settings and fills in what they leave open.
TerrainSettings settled(TerrainSettings s, std::vector<TerrainKind>& kinds) {
  if (s.kinds.empty()) {
    for (const TerrainKindInfo& info : kTerrainKinds) s.kinds.emplace_back(info.name);
  }
  for (const std::string& name : s.kinds) kinds.push_back(kind_of(name));
  const auto any_kind = [&](const auto& test) { return std::any_of(kinds.begin(), kinds.end(), test); };
  if (s.spacing == 0) {
    const bool fine = any_kind([](TerrainKind kind) { return kTerrainKinds[static_cast<std::size_t>(kind)].fine; });
    s.spacing = fine ? 0.05 : 0.1;
  }
  require(s.levels > 0, fmt::format("levels {}, at least 1 is needed", s.levels));
  require(s.columns >= static_cast<int>(kinds.size()),
          fmt::format("columns {} are too few for {} kinds, which need one each", s.columns, kinds.size()));
  require(std::isfinite(s.tile) && s.tile > 0, fmt::format("tile {} m, it must be above 0", s.tile));
  require(std::isfinite(s.spacing) && s.spacing > 0, fmt::format("spacing {} m, it must be above 0", s.spacing));
  require(s.spacing <= s.tile, fmt::format("spacing {} m is above the tile's {} m", s.spacing, s.tile));
  const double cells = std::max(1.0, std::round(s.tile / s.spacing));
  require(std::fabs(cells * s.spacing - s.tile) <= 1e-9 * s.tile,
          fmt::format("tile {} m is not a whole number of spacings of {} m; {:.9g} m would be", s.tile, s.spacing,
                      cells * s.spacing));
  require(std::isfinite(s.border) && s.border >= 0, fmt::format("border {} m, it must be 0 or more", s.border));
  for (const double d : {s.easiest, s.hardest}) {
    require(d >= 0 && d <= 1, fmt::format("difficulty {}, it must be from 0 to 1", d));
  }
  require(std::isfinite(s.reach) && s.reach >= 0, fmt::format("reach {} m, it must be 0 or more", s.reach));
  for (const TerrainKind kind : kinds) {
    if (kind == TerrainKind::kFlat) continue;
    const TerrainKindInfo& info = kTerrainKinds[static_cast<std::size_t>(kind)];
    const double coarsest = info.fine ? 0.05 : 0.2;
    require(s.tile >= kSmallestTile,
            fmt::format("tile {} m is too small for {}, which needs {} m", s.tile, info.name, kSmallestTile));
    require(s.spacing <= coarsest,
            fmt::format("spacing {} m is too coarse for {}, {} m at most", s.spacing, info.name, coarsest));
  }
  const double x = (s.levels * s.tile + 2 * s.border) / s.spacing, y = (s.columns * s.tile + 2 * s.border) / s.spacing;
  require((x + 3) * (y + 3) <= kMostHeights,
          fmt::format("{:.3g} heights are too many, {:.0e} at most: a wider spacing or fewer tiles would do", x * y,
                      kMostHeights));
  return s;
}

double origin_x(const Terrain& t) { return -0.5 * (t.columns - 1) * t.settings.spacing; }
double origin_y(const Terrain& t) { return -0.5 * (t.rows - 1) * t.settings.spacing; }

/// The tile around a point, for messages.
std::string tile_at(const Terrain& t, double x, double y) {
  for (const TerrainTile& tile : t.tiles) {
    if (x >= tile.corner[0] && x <= tile.corner[0] + t.settings.tile && y >= tile.corner[1] &&
        y <= tile.corner[1] + t.settings.tile) {
      return fmt::format("tile of level {}, column {} ({})", tile.level, tile.column,
                         kTerrainKinds[static_cast<std::size_t>(tile.kind)].name);
    }
  }
  return "border";
}

/// Lists of the boxes that a sphere with its centre in a cell can touch; sets the terrain's sizes of them.
std::vector<std::vector<int>> list_boxes(Terrain& t) {
  t.cell_columns = std::max(1, static_cast<int>(std::ceil((t.columns - 1) * t.settings.spacing / kCellSide)));
  t.cell_rows = std::max(1, static_cast<int>(std::ceil((t.rows - 1) * t.settings.spacing / kCellSide)));
  std::vector<std::vector<int>> lists(static_cast<std::size_t>(t.cell_columns) * static_cast<std::size_t>(t.cell_rows));
  // A little more than the reach: the kernel finds the cell in floats.
  const double reach = t.settings.reach + 1e-3;
  std::size_t longest = 0;
  for (std::size_t b = 0; b < t.boxes.size(); ++b) {
    const TerrainBox& box = t.boxes[b];
    const double low[2] = {static_cast<double>(box.centre[0]) - static_cast<double>(box.half[0]) - reach - origin_x(t),
                           static_cast<double>(box.centre[1]) - static_cast<double>(box.half[1]) - reach - origin_y(t)};
    const double wide[2] = {2 * (static_cast<double>(box.half[0]) + reach),
                            2 * (static_cast<double>(box.half[1]) + reach)};
    const auto cell = [](double x, int cells) {
      return std::clamp(static_cast<int>(std::floor(x / kCellSide)), 0, cells - 1);
    };
    for (int r = cell(low[1], t.cell_rows); r <= cell(low[1] + wide[1], t.cell_rows); ++r) {
      for (int c = cell(low[0], t.cell_columns); c <= cell(low[0] + wide[0], t.cell_columns); ++c) {
        auto& list =
            lists[static_cast<std::size_t>(r) * static_cast<std::size_t>(t.cell_columns) + static_cast<std::size_t>(c)];
        list.push_back(static_cast<int>(b));
        longest = std::max(longest, list.size());
        const double x = origin_x(t) + (c + 0.5) * kCellSide, y = origin_y(t) + (r + 0.5) * kCellSide;
        require(
            list.size() <= kMaxBoxesPerCell,
            fmt::format("more than {} boxes within {} m of the cell at ({:.3g}, {:.3g}) m in the {}; a shorter reach "
                        "or a larger tile would do",
                        kMaxBoxesPerCell, t.settings.reach, x, y, tile_at(t, x, y)));
      }
    }
  }
  t.boxes_per_cell = static_cast<int>(longest);
  return lists;
}

/// The highest of each block of heights and one around it.
std::vector<float> ceilings_of(const Terrain& t) {
  const int across = (t.columns - 1) / kCeilingCells + 1, along = (t.rows - 1) / kCeilingCells + 1;
  std::vector<float> ceilings;
  for (int r = 0; r < along; ++r) {
    for (int c = 0; c < across; ++c) {
      float highest = -HUGE_VALF;
      for (int i = std::max(0, r * kCeilingCells - 1); i <= std::min(t.rows - 1, (r + 1) * kCeilingCells); ++i) {
        for (int j = std::max(0, c * kCeilingCells - 1); j <= std::min(t.columns - 1, (c + 1) * kCeilingCells); ++j) {
          highest = std::max(highest, t.heights[static_cast<std::size_t>(i) * static_cast<std::size_t>(t.columns) +
                                                static_cast<std::size_t>(j)]);
        }
      }
      ceilings.push_back(highest);
    }
  }
  return ceilings;
}

}  // namespace

TerrainView Terrain::view(const float* copy) const {
  const double spacing = settings.spacing;
  return {copy,
          copy + ceilings_at_,
          copy + boxes_at_,
          copy + cells_at_,
          columns,
          rows,
          (columns - 1) / kCeilingCells + 1,
          cell_columns,
          cell_rows,
          boxes_per_cell,
          static_cast<float>(origin_x(*this)),
          static_cast<float>(origin_y(*this)),
          static_cast<float>(spacing),
          static_cast<float>(1 / spacing),
          static_cast<float>(1 / kCellSide)};
}

Terrain make_terrain(const TerrainSettings& settings) {
  Terrain t;
  std::vector<TerrainKind> kinds;
  t.settings = settled(settings, kinds);
  const TerrainSettings& s = t.settings;
  const int cells = static_cast<int>(std::lround(s.tile / s.spacing));
  const int border = static_cast<int>(std::ceil(s.border / s.spacing - 1e-9));
  t.columns = s.levels * cells + 2 * border + 1;
  t.rows = s.columns * cells + 2 * border + 1;
  t.heights.assign(static_cast<std::size_t>(t.rows) * static_cast<std::size_t>(t.columns), 0.0f);
  for (int level = 0; level < s.levels; ++level) {
    const double difficulty = s.levels == 1 ? s.hardest : s.easiest + (s.hardest - s.easiest) * level / (s.levels - 1);
    for (int column = 0; column < s.columns; ++column) {
      const std::size_t share = static_cast<std::size_t>(column) * kinds.size() / static_cast<std::size_t>(s.columns);
      TileCanvas canvas{t, border + column * cells, border + level * cells, cells, 0, 0};
      TerrainTile tile{kinds[share], level, column, difficulty, {}, {}};
      tile.corner[0] = origin_x(t) + canvas.first_column * s.spacing;
      tile.corner[1] = origin_y(t) + canvas.first_row * s.spacing;
      canvas.middle_x = tile.corner[0] + 0.5 * s.tile, canvas.middle_y = tile.corner[1] + 0.5 * s.tile;
      const std::size_t first_box = t.boxes.size();
      draw_tile(canvas, tile.kind, difficulty, static_cast<std::uint32_t>(level * s.columns + column));
      double top = -HUGE_VAL;  // of the boxes; the heights follow below
      for (std::size_t b = first_box; b < t.boxes.size(); ++b) {
        const TerrainBox& box = t.boxes[b];
        const double x = canvas.middle_x - static_cast<double>(box.centre[0]);
        const double y = canvas.middle_y - static_cast<double>(box.centre[1]);
        if (std::fabs(x) <= static_cast<double>(box.half[0]) && std::fabs(y) <= static_cast<double>(box.half[1])) {
          top = std::max(top, static_cast<double>(box.centre[2]) + static_cast<double>(box.half[2]));
        }
      }
      tile.spawn[0] = canvas.middle_x, tile.spawn[1] = canvas.middle_y, tile.spawn[2] = top;
      t.tiles.push_back(tile);
    }
  }
  require(t.boxes.size() <= kMostBoxes,
          fmt::format("{} boxes, {} at most: fewer tiles would do", t.boxes.size(), kMostBoxes));

  const auto lists = list_boxes(t);
  const auto ceilings = ceilings_of(t);
  t.buffer = t.heights;
  t.ceilings_at_ = t.buffer.size();
  t.buffer.insert(t.buffer.end(), ceilings.begin(), ceilings.end());
  t.boxes_at_ = t.buffer.size();
  for (const TerrainBox& box : t.boxes) {
    t.buffer.insert(t.buffer.end(), std::begin(box.centre), std::end(box.centre));
    t.buffer.insert(t.buffer.end(), std::begin(box.half), std::end(box.half));
  }
  t.buffer.insert(t.buffer.end(), {0.0f, 0.0f, -1e6f, 0.0f, 0.0f, 0.0f});
  t.cells_at_ = t.buffer.size();
  for (const auto& list : lists) {
    for (std::size_t slot = 0; slot < static_cast<std::size_t>(t.boxes_per_cell); ++slot) {
      t.buffer.push_back(
          static_cast<float>(slot < list.size() ? static_cast<std::size_t>(list[slot]) : t.boxes.size()));
    }
  }
  for (TerrainTile& tile : t.tiles) {
    tile.spawn[2] = std::max(tile.spawn[2], height_at(t.view(), tile.spawn[0], tile.spawn[1]).height);
  }
  return t;
}

void check_reach(const Terrain& t, double radius, const std::string& name) {
  require(
      radius <= 0.5 * t.settings.spacing,
      fmt::format("the radius and margin of {}, {:.4g} m, are above half the heights' spacing of {} m; a spacing of "
                  "{:.4g} m would do",
                  name, radius, t.settings.spacing, 2 * radius));
  require(radius <= t.settings.reach,
          fmt::format("the radius and margin of {}, {:.4g} m, are above the boxes' reach of {} m", name, radius,
                      t.settings.reach));
}

std::string to_mjcf(const Terrain& t) {
  const auto [low, high] = std::minmax_element(t.heights.begin(), t.heights.end());
  const double lowest = static_cast<double>(*low), range = static_cast<double>(*high) - lowest;
  // MuJoCo shifts and scales the elevations to 0 … 1 and multiplies by the size. The first row of a file is the last in y.
  std::string text = fmt::format(
      "<mujoco model=\"terrain\">\n  <asset>\n    <hfield name=\"terrain\" nrow=\"{}\" ncol=\"{}\" "
      "size=\"{:.17g} {:.17g} {:.17g} 0.5\" elevation=\"",
      t.rows, t.columns, -origin_x(t), -origin_y(t), range > 0 ? range : 1.0);
  auto out = std::back_inserter(text);
  for (int r = t.rows - 1; r >= 0; --r) {
    const auto row = t.heights.begin() + static_cast<std::ptrdiff_t>(r) * t.columns;
    for (int c = 0; c < t.columns; ++c) fmt::format_to(out, "{:.9g} ", static_cast<double>(row[c]));
  }
  fmt::format_to(out,
                 "\"/>\n  </asset>\n  <worldbody>\n    <geom name=\"terrain\" type=\"hfield\" hfield=\"terrain\" "
                 "pos=\"0 0 {:.17g}\" rgba=\"0.55 0.6 0.5 1\"/>\n",
                 lowest);
  for (const TerrainBox& b : t.boxes) {
    double numbers[6];
    for (int k = 0; k < 3; ++k) {
      numbers[k] = static_cast<double>(b.centre[k]), numbers[3 + k] = static_cast<double>(b.half[k]);
    }
    fmt::format_to(out, "    <geom type=\"box\" pos=\"{} {} {}\" size=\"{} {} {}\" rgba=\"0.6 0.55 0.5 1\"/>\n",
                   numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]);
  }
  text += "  </worldbody>\n</mujoco>\n";
  return text;
}

}  // namespace stampede
