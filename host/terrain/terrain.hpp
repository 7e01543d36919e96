#pragma once
/// \file Ground of tiles of graded difficulty, from a seed: heights, boxes, and where a robot starts on each tile.
///
/// Tiles stand in a grid: difficulty grows along x (levels), kinds and their variants along y (columns); the map's middle
/// is the origin of the world. Each tile is level at its rim, so tiles fit together, and a flat border runs around all.
/// What the kernels read (kernels/physics/terrain.hpp) is one buffer of floats.

#include <cstdint>
#include <string>
#include <vector>

#include "envs/legged/terrain/kinds.hpp"
#include "kernels/physics/terrain.hpp"

namespace stampede {

struct TerrainSettings {
  std::vector<std::string> kinds;   ///< names of kTerrainKinds, each a share of the columns; none: all
  int levels = 10;                  ///< tiles along x, from the easiest to the hardest
  int columns = 20;                 ///< tiles along y
  double tile = 8;                  ///< side of a tile [m], a whole number of spacings
  double spacing = 0;               ///< of the heights [m]; 0: 0.05 where a kind wants it, else 0.1
  double border = 5;                ///< [m]
  double easiest = 0, hardest = 1;  ///< difficulty of the first and the last level, in [0, 1]
  double reach = 0.1;               ///< largest radius plus margin that boxes are listed for [m]
  std::uint64_t seed = 1;
};

/// An axis-aligned box [m].
struct TerrainBox {
  float centre[3], half[3];
};

struct TerrainTile {
  TerrainKind kind;
  int level, column;
  double difficulty;
  double corner[2];  ///< lower x and y [m]
  double spawn[3];   ///< on the ground, in the tile's middle [m]
};

struct Terrain {
  TerrainSettings settings;  ///< with what was left open filled in
  int rows = 0, columns = 0;
  std::vector<float> heights;  ///< [rows][columns], along y and x [m]
  std::vector<TerrainBox> boxes;
  std::vector<TerrainTile> tiles;  ///< [levels][columns]

  int cell_rows = 0, cell_columns = 0, boxes_per_cell = 0;
  std::vector<float> buffer;  ///< all that kernels read
  /// The parts of a copy of `buffer`, which may lie on the device.
  TerrainView view(const float* copy) const;
  TerrainView view() const { return view(buffer.data()); }

 private:
  friend Terrain make_terrain(const TerrainSettings&);
  std::size_t ceilings_at_ = 0, boxes_at_ = 0, cells_at_ = 0;
};

/// The same bits for the same settings. Throws Error where a setting is wrong.
Terrain make_terrain(const TerrainSettings& settings);

/// Throws Error where a sphere with this radius plus margin [m] could touch what is not looked at: heights farther than
/// half a spacing to its side, boxes beyond `settings.reach`. `name` is the shape's.
void check_reach(const Terrain& terrain, double radius, const std::string& name);

/// The terrain as a MuJoCo model without bodies, for comparing, drawing and including: triangles are the same to float
/// rounding. Outside the map MuJoCo has no ground.
std::string to_mjcf(const Terrain& terrain);

}  // namespace stampede
