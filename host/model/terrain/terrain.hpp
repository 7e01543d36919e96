#pragma once
/// \file Ground of tiles of graded difficulty, from a seed: heights, boxes, and where a robot starts on each tile.
///
/// Tiles stand in a grid: difficulty grows along x (levels), kinds and their variants along y (columns); the map's
/// middle is the origin of the world. Each tile is level at its rim, so tiles fit together, and a flat border runs
/// around all. What the kernels read (kernels/physics/terrain.hpp) is one buffer of floats.

#include <cstdint>
#include <string>
#include <vector>

#include "envs/legged/terrain/kinds.hpp"
#include "host/engine/ground_map.hpp"

struct mjSpec_;

namespace stampede {

struct TerrainSettings {
  std::vector<std::string> kinds;   ///< names of kTerrainKinds, each a share of the columns; none: all
  int levels = 10;                  ///< tiles along x, from the easiest to the hardest
  int columns = 20;                 ///< tiles along y
  double tile = 8;                  ///< side of a tile [m], a whole number of spacings
  double spacing = 0.1;             ///< of the heights [m]
  double border = 5;                ///< [m]
  double easiest = 0, hardest = 1;  ///< difficulty of the first and the last level, in [0, 1]
  double reach = 0.1;               ///< largest radius plus margin that boxes are listed for [m]
  std::uint64_t seed = 1;
};

struct TerrainTile {
  TerrainKind kind;
  int level, column;
  double difficulty;
  double corner[2];  ///< lower x and y [m]
  double spawn[3];   ///< on the ground, in the tile's middle [m]
};

/// A map of tiles.
struct Terrain : GroundMap {
  TerrainSettings settings;        ///< with what was not given filled in
  std::vector<TerrainTile> tiles;  ///< [levels][columns]
};

/// Makes the ground: the same bits for the same settings. Throws Error where a setting is wrong.
Terrain make_terrain(const TerrainSettings& settings);

/// Settings with the kinds of a list such as "stairs-up,rough", or "all", and as many columns; the rest as in
/// `settings`.
TerrainSettings with_kinds(TerrainSettings settings, const std::string& kinds);

/// Puts the terrain into a description. It replaces the geoms of the world that robots can touch, and takes over the
/// contact parameters of the first. In MuJoCo the triangles are the same to float rounding, but there is no ground
/// outside the map.
void put_into(mjSpec_* spec, const Terrain& terrain);

}  // namespace stampede
