#pragma once
/// \file The ground as walking tasks know it: how high it is, where episodes start on it, and how hard the next one is
/// to be (curriculum by levels: Rudin et al., "Learning to Walk in Minutes Using Massively Parallel Deep Reinforcement
/// Learning", CoRL 2021).

#include "envs/legged/plan.hpp"
#include "kernels/physics/terrain.hpp"
#include "kernels/random.hpp"

namespace stampede {

/// A map of tiles, in rows by level of difficulty. Without tiles the ground is a level plane.
struct LeggedGround {
  TerrainView map;
  const float* spawn;   ///< [levels][columns][3]: where episodes start, on the ground [m]
  const float* column;  ///< [env]: column of the tiles on which its episodes start
  const float* level;   ///< [env]: the level that evaluations give each environment; null in trainings
};

/// What is below and above a place.
template <class Real>
struct GroundColumn {
  Real ground;   ///< height of what one stands on there [m]
  Real ceiling;  ///< of the lowest roof above it; kNoCeiling where there is none [m]
};
inline constexpr float kNoCeiling = 1e6f;

/// What so little separates from the ground lies on it [m].
inline constexpr float kOnGround = 0.01f;

/// The ground at a point (x, y) [m]: the map's heights, 0 on a level plane, and the boxes that stand on them or on one
/// another, or lie below the height `from`, from which a robot sees them. Under any other box there is free space: it
/// is a roof.
template <class Real>
STAMPEDE_FN GroundColumn<Real> ground_column(const LeggedGround& ground, Real x, Real y, Real from) {
  const TerrainView& map = ground.map;
  GroundColumn<Real> column{Real(0.0f), Real(kNoCeiling)};
  if (map.columns > 1) column.ground = height_at(map, x, y).height;
  STAMPEDE_NO_UNROLL
  for (int slot = 0; slot < map.boxes_per_cell; ++slot) {
    const Real index = box_in(map, slot, Vec3<Real>{x, y, Real(0.0f)});
    if (!any_together(index < Real(map.box_count - 0.5f))) break;
    const GroundBox<Real> box = box_at(map, index);
    const MaskOf<Real> here = abs(x - box.middle.x) <= box.half.x && abs(y - box.middle.y) <= box.half.y;
    const Real bottom = box.middle.z - box.half.z, top = box.middle.z + box.half.z;
    // The lists begin with the lowest bottom: what a box may stand on came before it.
    const MaskOf<Real> stands = bottom <= column.ground + Real(kOnGround) || top <= from;
    column.ground = select(here && stands, max(column.ground, top), column.ground);
    column.ceiling = select(here && !stands, min(column.ceiling, bottom), column.ceiling);
  }
  return column;
}

/// Its height alone [m].
template <class Real>
STAMPEDE_FN Real ground_height(const LeggedGround& ground, Real x, Real y, Real from) {
  return ground_column(ground, x, y, from).ground;
}

/// Whether the ground is anything but a plane.
STAMPEDE_FN bool has_map(const LeggedGround& ground) { return ground.map.columns > 1 || ground.map.boxes_per_cell > 0; }

/// Where episodes start on the environment's tile of a level.
template <int K, class Real>
STAMPEDE_FN Vec3<Real> spawn_of(const LeggedConstants& c, const LeggedGround& ground, Index lane, Real level) {
  if (c.levels == 0) return {Real(0.0f), Real(0.0f), Real(0.0f)};
  const Real tile = level * Real(static_cast<float>(c.columns_of_tiles)) + load_each<K, Real>(ground.column, lane);
  const auto at = to_int(tile) * IntOf<Real>(3);
  return {detail::gather_real(ground.spawn, at, level), detail::gather_real(ground.spawn + 1, at, level),
          detail::gather_real(ground.spawn + 2, at, level)};
}

/// One of the levels 0 ... `count` - 1, all equally likely.
template <class Real>
STAMPEDE_FN Real draw_level(Random<Real>& random, int count) {
  const Real most(static_cast<float>(count - 1));
  return min(most, to_real<Real>(to_int(random.uniform() * Real(static_cast<float>(count)))));
}

/// The level of an environment's next episode: one harder where it came farther than half a tile from its start, one
/// easier where it covered less than half of the commanded path. Beyond the hardest level any level is drawn, and so
/// is, in a share of the episodes, any up to the one reached, from where it goes on: what was learned on easier ground is not to be forgotten.
template <class Real, int J>
STAMPEDE_FN Real next_level(const LeggedConstants& c, const LeggedLane<Real, J>& carried, Real distance,
                            Random<Real>& random) {
  const Real one(1.0f), none(0.0f);
  const MaskOf<Real> up = distance > Real(0.5f * c.tile);
  const MaskOf<Real> down = !up && carried.covered < Real(0.5f) * carried.commanded;
  const Real next = carried.level + select(up, one, select(down, -one, none));
  const Real any_level = draw_level(random, c.levels);
  const Real reached = select(next > Real(static_cast<float>(c.levels) - 0.5f), any_level, max(next, none));
  if (!(c.review_share > 0.0f)) return reached;
  const MaskOf<Real> reviews = random.uniform() < Real(c.review_share);
  const Real easier = min(reached, to_real<Real>(to_int(random.uniform() * (reached + one))));
  return select(reviews, easier, reached);
}

}  // namespace stampede
