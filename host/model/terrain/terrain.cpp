#include "host/model/terrain/terrain.hpp"

#include <fmt/format.h>
#include <mujoco/mujoco.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "host/base/error.hpp"
#include "host/base/suggest.hpp"
#include "host/model/terrain/ground_index.hpp"
#include "host/model/terrain/tiles.hpp"

namespace stampede {

namespace {

/// Indices are 32 bits.
constexpr double kMostHeights = 1e9;
/// Links that reach farther are never skipped [m].
constexpr double kLinkReach = 0.5;

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
    constexpr double kCoarsest = 0.2;
    require(s.tile >= kSmallestTile,
            fmt::format("tile {} m is too small for {}, which needs {} m", s.tile, info.name, kSmallestTile));
    require(s.spacing <= kCoarsest,
            fmt::format("spacing {} m is too coarse for {}, {} m at most", s.spacing, info.name, kCoarsest));
  }
  const double x = (s.levels * s.tile + 2 * s.border) / s.spacing, y = (s.columns * s.tile + 2 * s.border) / s.spacing;
  require((x + 3) * (y + 3) <= kMostHeights,
          fmt::format("{:.3g} heights are too many, {:.0e} at most: a wider spacing or fewer tiles would do", x * y,
                      kMostHeights));
  return s;
}

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

}  // namespace

Terrain make_terrain(const TerrainSettings& settings) {
  Terrain t;
  std::vector<TerrainKind> kinds;
  t.settings = settled(settings, kinds);
  const TerrainSettings& s = t.settings;
  const int cells = static_cast<int>(std::lround(s.tile / s.spacing));
  const int border = static_cast<int>(std::ceil(s.border / s.spacing - 1e-9));
  t.columns = s.levels * cells + 2 * border + 1;
  t.rows = s.columns * cells + 2 * border + 1;
  t.spacing = s.spacing;
  t.origin_x = -0.5 * (t.columns - 1) * s.spacing;
  t.origin_y = -0.5 * (t.rows - 1) * s.spacing;
  t.heights.assign(static_cast<std::size_t>(t.rows) * static_cast<std::size_t>(t.columns), 0.0f);
  for (int level = 0; level < s.levels; ++level) {
    const double difficulty = s.levels == 1 ? s.hardest : s.easiest + (s.hardest - s.easiest) * level / (s.levels - 1);
    for (int column = 0; column < s.columns; ++column) {
      const std::size_t share = static_cast<std::size_t>(column) * kinds.size() / static_cast<std::size_t>(s.columns);
      TileCanvas canvas{t, border + column * cells, border + level * cells, cells, 0, 0};
      TerrainTile tile{kinds[share], level, column, difficulty, {}, {}};
      tile.corner[0] = t.origin_x + canvas.first_column * s.spacing;
      tile.corner[1] = t.origin_y + canvas.first_row * s.spacing;
      canvas.middle_x = tile.corner[0] + 0.5 * s.tile, canvas.middle_y = tile.corner[1] + 0.5 * s.tile;
      draw_tile(canvas, tile.kind, difficulty, static_cast<std::uint32_t>(level * s.columns + column));
      tile.spawn[0] = canvas.middle_x, tile.spawn[1] = canvas.middle_y;
      t.tiles.push_back(tile);
    }
  }
  index_ground(t, s.reach, kLinkReach, [&](double x, double y) { return tile_at(t, x, y); });
  for (TerrainTile& tile : t.tiles) tile.spawn[2] = t.top_at(tile.spawn[0], tile.spawn[1]);
  return t;
}

TerrainSettings with_kinds(TerrainSettings settings, const std::string& kinds) {
  settings.kinds.clear();
  std::istringstream list(kinds);
  for (std::string name; std::getline(list, name, ',');) {
    if (name == "all") {
      for (const TerrainKindInfo& info : kTerrainKinds) settings.kinds.emplace_back(info.name);
    } else {
      settings.kinds.push_back(name);
    }
  }
  if (settings.kinds.empty()) throw Error("terrain: no kind is named; \"all\" or \"rough,stairs-up\" would be right");
  settings.columns = static_cast<int>(settings.kinds.size());
  return settings;
}

void put_into(mjSpec* spec, const Terrain& t) {
  // Contact parameters are those of the first geom that is replaced.
  mjsGeom like{};
  mjs_defaultGeom(&like);
  bool found = false;
  std::vector<mjsElement*> planes;
  for (mjsElement* e = mjs_firstElement(spec, mjOBJ_GEOM); e != nullptr; e = mjs_nextElement(spec, e)) {
    const mjsGeom* geom = mjs_asGeom(e);
    if (mjs_getId(mjs_getParent(e)->element) != 0) continue;
    const bool collides = geom->contype != 0 || geom->conaffinity != 0;
    if (!found && collides) like = *geom, found = true;
    if (collides || geom->type == mjGEOM_PLANE) planes.push_back(e);
  }
  mjsBody* world = mjs_findBody(spec, "world");
  const auto add = [&](mjtGeom type) {
    mjsGeom* geom = mjs_addGeom(world, nullptr);
    geom->type = type;
    geom->contype = like.contype, geom->conaffinity = like.conaffinity;
    geom->condim = like.condim, geom->priority = like.priority;
    std::copy(like.friction, like.friction + 3, geom->friction);
    geom->solmix = like.solmix;
    std::copy(like.solref, like.solref + mjNREF, geom->solref);
    std::copy(like.solimp, like.solimp + mjNIMP, geom->solimp);
    geom->margin = like.margin, geom->gap = like.gap;
    const float colour[4] = {type == mjGEOM_BOX ? 0.6f : 0.5f, type == mjGEOM_BOX ? 0.55f : 0.58f, 0.5f, 1};
    std::copy(colour, colour + 4, geom->rgba);
    return geom;
  };
  const auto [low, high] = std::minmax_element(t.heights.begin(), t.heights.end());
  const double lowest = static_cast<double>(*low), range = static_cast<double>(*high) - lowest;
  // MuJoCo shifts and scales the elevations to 0 … 1 and multiplies by the size.
  mjsHField* field = mjs_addHField(spec);
  mjs_setName(field->element, "terrain");
  field->nrow = t.rows, field->ncol = t.columns;
  const double size[4] = {-t.origin_x, -t.origin_y, range > 0 ? range : 1.0, 0.5};
  std::copy(size, size + 4, field->size);
  mjs_setFloat(field->userdata, t.heights.data(), static_cast<int>(t.heights.size()));
  mjsGeom* heights = add(mjGEOM_HFIELD);
  mjs_setName(heights->element, "terrain");
  mjs_setString(heights->hfieldname, "terrain");
  heights->pos[2] = lowest;
  for (const TerrainBox& b : t.boxes) {
    mjsGeom* box = add(mjGEOM_BOX);
    for (int k = 0; k < 3; ++k) {
      box->pos[k] = static_cast<double>(b.centre[k]), box->size[k] = static_cast<double>(b.half[k]);
    }
  }
  for (mjsElement* plane : planes) mjs_delete(spec, plane);
}

}  // namespace stampede
