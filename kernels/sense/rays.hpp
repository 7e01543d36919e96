#pragma once
/// \file Rays against the ground of kernels/physics/terrain.hpp, on lanes: where they first meet a plane, the heights'
/// triangles or a box. Through the map a ray goes from cell to cell of the boxes' grid (J. Amanatides and A. Woo, "A
/// Fast Voxel Traversal Algorithm for Ray Tracing", 1987), and looks closer only in cells whose highest ground it does
/// not pass over:
///
///     cells of boxes      .-----.-----.-----.        where it looks closer: the boxes in the cell's list, and the
///                         |     |   __*--   |        heights at each line of their grid, rows, columns and diagonals;
///     a ray           ----*-----*-- |     |          between two such lines ray and ground are straight
///                         '-----'-----'-----'

#include "kernels/physics/terrain.hpp"

namespace stampede {

/// The point at t is origin + t x direction; the direction need not be of unit length.
template <class Real>
struct Ray {
  Vec3<Real> origin, direction;
  STAMPEDE_FN Vec3<Real> at(Real t) const { return origin + direction * t; }
};

namespace detail {
/// 1 / x; very large where x is 0.
template <class Real>
STAMPEDE_FN Real steep_reciprocal(Real x) {
  const Real least(1e-12f);
  return reciprocal(select(abs(x) > least, x, select(x < Real(0.0f), -least, least)));
}

/// A ray's way along one axis of a grid: the t of the next line that it crosses, and from one line to the next.
template <class Real>
struct GridAxis {
  Real next, step;

  /// `place`: where the ray is at `t`, and `inverse`: 1 / its change with t, both in spacings of the grid.
  STAMPEDE_FN static GridAxis from(Real t, Real place, Real inverse) {
    const Real before = whole_below(place);
    const Real ahead = select(inverse > Real(0.0f), before + Real(1.0f) - place, before - place);
    return {t + ahead * inverse, abs(inverse)};
  }
};

/// Where a ray enters a box, at least 0; `otherwise` where it misses it or that is nearer.
template <class Real>
STAMPEDE_FN Real enter_box(Vec3<Real> from, Vec3<Real> inverse, Vec3<Real> half, Real otherwise) {
  // `from`: the ray's origin, seen from the box's middle. Between the two planes of each axis at the same time.
  const Vec3<Real> a{(-half.x - from.x) * inverse.x, (-half.y - from.y) * inverse.y, (-half.z - from.z) * inverse.z};
  const Vec3<Real> b{(half.x - from.x) * inverse.x, (half.y - from.y) * inverse.y, (half.z - from.z) * inverse.z};
  const Real in = max(max(min(a.x, b.x), min(a.y, b.y)), max(min(a.z, b.z), Real(0.0f)));
  const Real out = min(min(max(a.x, b.x), max(a.y, b.y)), max(a.z, b.z));
  return select(in <= out && in < otherwise, in, otherwise);
}

/// The boxes at each lane's index, where `there` holds. Lanes of a picture mostly see the same box, which is then read
/// only once.
template <class Real>
STAMPEDE_FN GroundBox<Real> box_of_lanes(const TerrainView& map, [[maybe_unused]] MaskOf<Real> there, Real index) {
#if !defined(__CUDACC__)
  if constexpr (!ScalarLane<Real>) {
    const Real first = -group_min<kLanes<Real>>(-select(there, index, Real(-1.0f)));
    if (!any(there && index != first)) {
      const float* const box = map.boxes + 8 * static_cast<Index>(first[0]);
      return {{Real(box[0]), Real(box[1]), Real(box[2])}, {Real(box[4]), Real(box[5]), Real(box[6])}};
    }
  }
#endif
  return box_at(map, index);
}

/// Where a ray meets the heights between `t` and `end`, in lanes where `t` < `end`; `otherwise` where it does not.
template <class Real>
STAMPEDE_FN Real meet_heights(const TerrainView& map, const Ray<Real>& ray, Real t, Real end, Real otherwise) {
  const Real spacing(map.inverse_spacing);
  const Vec3<Real> start = ray.at(t);
  const Real u = (start.x - Real(map.origin_x)) * spacing, v = (start.y - Real(map.origin_y)) * spacing;
  const Real du = ray.direction.x * spacing, dv = ray.direction.y * spacing;
  GridAxis<Real> column = GridAxis<Real>::from(t, u, steep_reciprocal(du));
  GridAxis<Real> row = GridAxis<Real>::from(t, v, steep_reciprocal(dv));
  GridAxis<Real> diagonal = GridAxis<Real>::from(t, u - v, steep_reciprocal(du - dv));
  Real above = start.z - height_at(map, start.x, start.y).height;
  Real met = select(t < end && above < Real(0.0f), t, otherwise);
  MaskOf<Real> goes_on = t < end && !(above < Real(0.0f));
  while (any_together(goes_on)) {
    const Real line = min(min(column.next, row.next), min(diagonal.next, end));
    const Vec3<Real> there = ray.at(line);
    const Real above_there = there.z - height_at(map, there.x, there.y).height;
    const MaskOf<Real> through = goes_on && above_there < Real(0.0f);
    const Real share = above * reciprocal(max(above - above_there, Real(1e-20f)));
    met = select(through, t + (line - t) * share, met);
    column.next += select(column.next <= line, column.step, Real(0.0f));
    row.next += select(row.next <= line, row.step, Real(0.0f));
    diagonal.next += select(diagonal.next <= line, diagonal.step, Real(0.0f));
    goes_on = goes_on && !through && line < end;
    above = above_there;
    t = line;
  }
  return met;
}
}  // namespace detail

/// The least t in [0, far] at which a ray meets the map; `far` where it meets nothing before. A ray that starts inside
/// the ground meets it at 0.
template <class Real>
STAMPEDE_FN Real meet_map(const TerrainView& map, const Ray<Real>& ray, Real far) {
  const Real cells(map.inverse_cell), none(0.0f);
  const Vec3<Real> inverse{detail::steep_reciprocal(ray.direction.x), detail::steep_reciprocal(ray.direction.y),
                           detail::steep_reciprocal(ray.direction.z)};
  const Real last_column = detail::number<Real>(map.cell_columns - 1),
             last_row = detail::number<Real>(map.cell_rows - 1);
  const Real u = (ray.origin.x - Real(map.origin_x)) * cells, v = (ray.origin.y - Real(map.origin_y)) * cells;
  const Real side = reciprocal(cells);
  Real column = detail::whole_below(u), row = detail::whole_below(v);
  auto along_x = detail::GridAxis<Real>::from(none, u, inverse.x * side);
  auto along_y = detail::GridAxis<Real>::from(none, v, inverse.y * side);
  const Real next_column = select(ray.direction.x < none, Real(-1.0f), Real(1.0f));
  const Real next_row = select(ray.direction.y < none, Real(-1.0f), Real(1.0f));
  Real met = far, t = none;
  MaskOf<Real> goes_on = t < met;
  while (any_together(goes_on)) {
    const Real out = min(min(along_x.next, along_y.next), met);
    // Beyond the border the nearest cell is taken: the ground goes on there as it is at the border.
    const auto cell = to_int(detail::within(none, row, last_row)) * IntOf<Real>(map.cell_columns) +
                      to_int(detail::within(none, column, last_column));
    const Real lowest = ray.origin.z + ray.direction.z * select(ray.direction.z < none, out, t);
    const MaskOf<Real> near = goes_on && lowest <= detail::gather_real(map.seen_tops, cell, u);
    if (any_together(near)) {
      STAMPEDE_NO_UNROLL
      for (int slot = 0; slot < map.boxes_per_cell; ++slot) {
        const Real index = detail::gather_real(map.cells + slot, cell * IntOf<Real>(map.boxes_per_cell), u);
        const MaskOf<Real> there = near && index < Real(map.box_count - 0.5f);
        if (!any_together(there)) break;
        const GroundBox<Real> box = detail::box_of_lanes(map, there, index);
        met = select(there, detail::enter_box(ray.origin - box.middle, inverse, box.half, met), met);
      }
      if (map.columns > 1) {
        const Real high = detail::gather_real(map.seen_high, cell, u);
        const MaskOf<Real> below = near && lowest <= high;
        if (any_together(below)) {
          const MaskOf<Real> level = below && high == detail::gather_real(map.seen_low, cell, u);
          // Where the ray comes down to the highest of the cell's heights: there it meets level ground, and before
          // there is nothing to look for.
          const MaskOf<Real> under = ray.origin.z + ray.direction.z * t <= high;
          const Real there = select(under, t, min(max((high - ray.origin.z) * inverse.z, t), out));
          met = select(level && there < met, there, met);
          met = detail::meet_heights(map, ray, there, select(below && !level, min(out, met), there), met);
        }
      }
    }
    const MaskOf<Real> by_x = along_x.next <= along_y.next;
    column += select(by_x, next_column, none);
    row += select(by_x, none, next_row);
    along_x.next += select(by_x, along_x.step, none);
    along_y.next += select(by_x, none, along_y.step);
    t = out;
    goes_on = goes_on && t < met;
  }
  return met;
}

/// The ground as rays see it: a plane, a map, both or nothing.
struct SeenGround {
  bool plane;
  Vec3<float> point, normal;  ///< of the plane; the normal is of unit length
  TerrainView map;            ///< all zeros where there is none

  /// The least t in [0, far] at which a ray meets the ground; `far` where it meets nothing before.
  template <class Real>
  STAMPEDE_FN Real meet(const Ray<Real>& ray, Real far) const {
    Real met = far;
    if (plane) {
      const Vec3<Real> up = normal, there = point;
      const Real above = dot(up, ray.origin - there), falls = -dot(up, ray.direction);
      const Real t = select(above < Real(0.0f), Real(0.0f), above * detail::steep_reciprocal(falls));
      met = select((falls > Real(0.0f) || above < Real(0.0f)) && t < met, t, met);
    }
    if (map.seen_tops != nullptr) met = meet_map(map, ray, met);
    return met;
  }
};

}  // namespace stampede
