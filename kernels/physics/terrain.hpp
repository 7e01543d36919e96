#pragma once
/// \file Ground of heights and boxes: what lies under a point, and what is nearest to a sphere, on lanes.
///
/// Heights are MuJoCo's heightfield: rows along y, columns along x, and each cell's quad is split by the diagonal from
/// its lower left to its upper right corner, (c, r) to (c + 1, r + 1), as mj_ray and the heightfield's contacts of
/// MuJoCo 3.17 do (compared in tests/host/model/terrain). Beyond its border the ground goes on at the border's height.
///
/// A sphere is compared with the 2 x 2 cells around its nearest grid point. They cover all ground within half a spacing
/// of its centre, measured horizontally. So a sphere whose radius + margin is at most that gets the exact nearest
/// point; for a larger one, ground farther than that from its centre may be missed. Cost: `touch_heightfield` reads
/// three rows of four numbers for each lane, near the border it gathers 9 numbers; `touch_box` reads two rows. A single
/// lane, and doubles, read number by number.
///
/// Boxes are axis-aligned. Each cell of a coarse grid lists the boxes that a sphere with its centre in the cell can
/// touch, from the lowest bottom up. Distances and normals are those of MuJoCo's sphere on a box.

#include "kernels/physics/ground.hpp"

namespace stampede {

/// The most boxes that a cell's list has room for.
inline constexpr int kMaxBoxesPerCell = 8;

/// Sizes and places of the parts of one buffer of floats.
struct TerrainView {
  const float* heights;    ///< [rows][columns], world z [m]
  const float* boxes;      ///< [count + 1][8]: centre, 0, half sizes, 0 [m]; the last is far away and means "no box"
  const float* cells;      ///< [cell_rows][cell_columns][boxes_per_cell]: indices of rows of `boxes`, as floats
  const float* tops;       ///< [cell_rows][cell_columns]: no ground within a shape's reach of the cell is higher [m]
  const float* link_tops;  ///< the same within `link_reach`
  // For rays, [cell_rows][cell_columns], without a reach: the highest ground in the cell, and the highest and the
  // lowest of its heights alone [m].
  const float *seen_tops, *seen_high, *seen_low;
  int columns, rows;  ///< at least 2; 0 where there are boxes only
  int cell_columns, cell_rows;
  int boxes_per_cell;  ///< slots in use, 0 where there are no boxes
  float box_count;
  float origin_x;  ///< of the first column [m]
  float origin_y;  ///< of the first row [m]
  float spacing;   ///< of rows and columns [m]
  float inverse_spacing;
  float inverse_cell;  ///< 1 / side of the boxes' cells [1/m]
  float link_reach;    ///< [m]
};

/// Height [m] and unit normal of the ground.
template <class Real>
struct GroundPoint {
  Real height;
  Vec3<Real> normal;
};

namespace detail {
STAMPEDE_FN float gather_real(const float* p, std::int32_t i, float) { return p[i]; }
STAMPEDE_FN double gather_real(const float* p, std::int32_t i, double) { return static_cast<double>(p[i]); }
#if !defined(__CUDACC__)
template <int N>
STAMPEDE_FN Pack<float, N> gather_real(const float* p, Pack<std::int32_t, N> i, Pack<float, N>) {
  return gather(p, Pack<std::uint32_t, N>(reinterpret_cast<typename Pack<std::uint32_t, N>::Vector>(i.v)));
}
template <int N>
STAMPEDE_FN Pack<double, N> gather_real(const float* p, Pack<std::int32_t, N> i, Pack<double, N>) {
  Pack<double, N> x;
  STAMPEDE_UNROLL
  for (int lane = 0; lane < N; ++lane) x.v[lane] = static_cast<double>(p[i.v[lane]]);
  return x;
}
#endif

/// p[i] and the three numbers behind it.
template <class Real>
STAMPEDE_FN void read_four(const float* p, IntOf<Real> i, Real (&four)[4]) {
  STAMPEDE_UNROLL
  for (int k = 0; k < 4; ++k) four[k] = gather_real(p + k, i, Real());
}
#if !defined(__CUDACC__)
template <auto Pick, class Vector, int... Lane>
STAMPEDE_FN Vector mix(Vector a, Vector b, std::integer_sequence<int, Lane...>) {
  return __builtin_shufflevector(a, b, Pick(Lane)...);
}
/// Reads each lane's four numbers at once, then transposes blocks of four lanes; much faster than gathers:
///
///     lane 0    a0 a1 a2 a3          four[0]    a0 b0 c0 d0
///     lane 1    b0 b1 b2 b3    ->    four[1]    a1 b1 c1 d1
///     lane 2    c0 c1 c2 c3          four[2]    a2 b2 c2 d2
///     lane 3    d0 d1 d2 d3          four[3]    a3 b3 c3 d3
template <int N>
STAMPEDE_FN void read_four(const float* p, Pack<std::int32_t, N> i, Pack<float, N> (&four)[4]) {
  using Four = typename Pack<float, 4>::Vector;
  using Vector = typename Pack<float, N>::Vector;
  constexpr auto kLane = std::make_integer_sequence<int, N>{};
  const auto row = [&](int lane) { return load<Pack<float, 4>>(p + i[lane]).v; };
  Vector v[4];  // v[k]: the rows of lanes k, k + 4, ...
  STAMPEDE_UNROLL
  for (int k = 0; k < 4; ++k) {
    if constexpr (N == 4) {
      v[k] = row(k);
    } else {
      const auto two = [](Four a, Four b) { return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7); };
      if constexpr (N == 8) {
        v[k] = two(row(k), row(k + 4));
      } else {
        static_assert(N == 16);
        v[k] = __builtin_shufflevector(two(row(k), row(k + 4)), two(row(k + 8), row(k + 12)), 0, 1, 2, 3, 4, 5, 6, 7, 8,
                                       9, 10, 11, 12, 13, 14, 15);
      }
    }
  }
  // First v[0] and v[1] become a0 b0 a1 b1 (low) and a2 b2 a3 b3 (high), v[2] and v[3] likewise with c and d. Then the
  // halves that belong together are joined.
  constexpr auto kLow = [](int l) { return l / 4 * 4 + l % 4 / 2 + l % 2 * N; };
  constexpr auto kHigh = [](int l) { return l / 4 * 4 + 2 + l % 4 / 2 + l % 2 * N; };
  constexpr auto kFirst = [](int l) { return l / 4 * 4 + l % 2 + l % 4 / 2 * N; };
  constexpr auto kLast = [](int l) { return l / 4 * 4 + 2 + l % 2 + l % 4 / 2 * N; };
  const Vector low01 = mix<kLow>(v[0], v[1], kLane), high01 = mix<kHigh>(v[0], v[1], kLane);
  const Vector low23 = mix<kLow>(v[2], v[3], kLane), high23 = mix<kHigh>(v[2], v[3], kLane);
  four[0] = Pack<float, N>(mix<kFirst>(low01, low23, kLane));
  four[1] = Pack<float, N>(mix<kLast>(low01, low23, kLane));
  four[2] = Pack<float, N>(mix<kFirst>(high01, high23, kLane));
  four[3] = Pack<float, N>(mix<kLast>(high01, high23, kLane));
}
#endif

template <class Real>
STAMPEDE_FN Real number(int i) {
  return Real(static_cast<ScalarOf<Real>>(i));
}
/// x in [low, high]; low where x is NaN, so that no index made of it leaves the array.
template <class Real>
STAMPEDE_FN Real within(Real low, Real x, Real high) {
  return min(high, max(low, x));
}
/// The largest integer not above x; where x itself is an integer, for some of them x - 1.
template <class Real>
STAMPEDE_FN Real whole_below(Real x) {
  return round_nearest(x - Real(0.5f));
}

/// The point nearest to p of those looked at so far: its squared distance, and the vector from it to p.
template <class Real>
struct Nearest {
  Real square;
  Vec3<Real> offset;
  STAMPEDE_FN void take(MaskOf<Real> here, Real other, Vec3<Real> from) {
    const MaskOf<Real> nearer = here && other < square;
    square = select(nearer, other, square);
    offset = select(nearer, from, offset);
  }
  /// The edge from a to a + e.
  STAMPEDE_FN void take_edge(Vec3<Real> a, Vec3<Real> e, Vec3<Real> p) {
    const Vec3<Real> to = p - a;
    const Real along = within(Real(0), dot(to, e) * reciprocal(dot(e, e)), Real(1));
    const Vec3<Real> from = to - e * along;
    const Real other = dot(from, from);
    take(other < square, other, from);
  }
};
}  // namespace detail

/// Height and normal of the ground at (x, y) [m].
template <class Real>
STAMPEDE_FN GroundPoint<Real> height_at(const TerrainView& view, Real x, Real y) {
  const Real last_column = detail::number<Real>(view.columns - 1), last_row = detail::number<Real>(view.rows - 1);
  const Real inverse(view.inverse_spacing);
  const Real u = (x - Real(view.origin_x)) * inverse, v = (y - Real(view.origin_y)) * inverse;
  const Real inside_u = detail::within(Real(0), u, last_column), inside_v = detail::within(Real(0), v, last_row);
  const Real column = detail::within(Real(0), detail::whole_below(inside_u), last_column - Real(1));
  const Real row = detail::within(Real(0), detail::whole_below(inside_v), last_row - Real(1));
  const auto first = to_int(row) * IntOf<Real>(view.columns) + to_int(column);
  const Real a = detail::gather_real(view.heights, first, x);
  const Real b = detail::gather_real(view.heights + 1, first, x);
  const Real c = detail::gather_real(view.heights + view.columns, first, x);
  const Real d = detail::gather_real(view.heights + view.columns + 1, first, x);
  const Real along_x = inside_u - column, along_y = inside_v - row;
  const MaskOf<Real> lower = along_x >= along_y;
  const Real dx = select(lower, b - a, d - c), dy = select(lower, d - b, c - a);
  const Real height = a + dx * along_x + dy * along_y;
  const Real slope_x = select(u == inside_u, dx * inverse, Real(0));
  const Real slope_y = select(v == inside_v, dy * inverse, Real(0));
  const Real scale = reciprocal_sqrt(Real(1) + slope_x * slope_x + slope_y * slope_y);
  return {height, {-slope_x * scale, -slope_y * scale, scale}};
}

/// How near a sphere is to the heights. `margin` is how near it has to come to matter [m]: for a lane that is certainly
/// farther away the distance is a lower bound, above the margin. For a centre above the ground the nearest point of the
/// triangles counts; one below the ground is pushed out through the triangle over it.
template <class Real>
STAMPEDE_FN Touch<Real> touch_heightfield(const TerrainView& view, Vec3<Real> centre, Real radius,
                                          Real margin = Real(0)) {
  // Everything in units of the spacing, about the nearest grid point. Its four cells, with the diagonals that split
  // them:
  //
  //     h[2][0]---h[2][1]---h[2][2]
  //        |    /    |    /    |
  //     h[1][0]---h[1][1]---h[1][2]     rows (y) upwards, columns (x) to the right
  //        |    /    |    /    |
  //     h[0][0]---h[0][1]---h[0][2]
  const Real inverse(view.inverse_spacing), spacing(view.spacing);
  const Real u =
      detail::within(Real(-1), (centre.x - Real(view.origin_x)) * inverse, detail::number<Real>(view.columns));
  const Real v = detail::within(Real(-1), (centre.y - Real(view.origin_y)) * inverse, detail::number<Real>(view.rows));
  const Real column = round_nearest(u), row = round_nearest(v);
  const Real last_column = detail::number<Real>(view.columns - 1), last_row = detail::number<Real>(view.rows - 1);
  Real z[3][4];
  // Away from the border, which is nearly everywhere, four adjacent columns of a row can be read at once.
  const MaskOf<Real> inside =
      column >= Real(1) && column <= last_column - Real(2) && row >= Real(1) && row <= last_row - Real(1);
  if (!any_together(!inside)) {
    const auto first = to_int(row - Real(1)) * IntOf<Real>(view.columns) + to_int(column - Real(1));
    STAMPEDE_UNROLL
    for (int r = 0; r < 3; ++r) detail::read_four(view.heights + r * view.columns, first, z[r]);
  } else {
    const IntOf<Real> stride(view.columns);
    STAMPEDE_UNROLL
    for (int at = 0; at < 9; ++at) {
      const int r = at / 3, c = at % 3;
      const auto start = to_int(detail::within(Real(0), row + detail::number<Real>(r - 1), last_row)) * stride;
      const auto here = to_int(detail::within(Real(0), column + detail::number<Real>(c - 1), last_column));
      z[r][c] = detail::gather_real(view.heights, start + here, radius);
    }
  }
  const Real base = z[1][1];
  Real h[3][3];
  STAMPEDE_UNROLL
  for (int at = 0; at < 9; ++at) h[at / 3][at % 3] = (z[at / 3][at % 3] - base) * inverse;
  const Vec3<Real> p{u - column, v - row, (centre.z - base) * inverse};
  Real highest(0);
  STAMPEDE_UNROLL
  for (int i = 0; i < 9; ++i) highest = max(highest, h[i / 3][i % 3]);
  const Real clearance = (p.z - highest) * spacing - radius;
  const MaskOf<Real> high = clearance > margin;
  Touch<Real> touch{clearance, {Real(0), Real(0), Real(1)}};
  if (!any_together(!high)) return touch;

  // The faces, two a cell: slopes, and how high p is above the plane.
  detail::Nearest<Real> nearest{Real(1e30f), {Real(0), Real(0), Real(1)}};
  Real above(0), slope_x(0), slope_y(0);  // of the triangle under p
  STAMPEDE_UNROLL
  for (int cell = 0; cell < 4; ++cell) {
    const int c = cell % 2, r = cell / 2;
    const Real x = p.x + detail::number<Real>(1 - c), y = p.y + detail::number<Real>(1 - r);
    const Real rise = p.z - h[r][c];
    const MaskOf<Real> mine = (c == 0 ? p.x < Real(0) : p.x >= Real(0)) && (r == 0 ? p.y < Real(0) : p.y >= Real(0));
    STAMPEDE_UNROLL
    for (int half = 0; half < 2; ++half) {
      const bool lower = half == 0;
      const Real dx = lower ? h[r][c + 1] - h[r][c] : h[r + 1][c + 1] - h[r + 1][c];
      const Real dy = lower ? h[r + 1][c + 1] - h[r][c + 1] : h[r + 1][c] - h[r][c];
      const Real over = rise - dx * x - dy * y;
      const Real step = over * reciprocal(Real(1) + dx * dx + dy * dy);
      const Real foot_x = x + dx * step, foot_y = y + dy * step;
      const MaskOf<Real> on = lower ? foot_y >= Real(0) && foot_x <= Real(1) && foot_y <= foot_x
                                    : foot_x >= Real(0) && foot_y <= Real(1) && foot_y >= foot_x;
      nearest.take(on, over * step, {-dx * step, -dy * step, step});
      const MaskOf<Real> under = mine && (lower ? x >= y : x < y);
      above = select(under, over, above);
      slope_x = select(under, dx, slope_x);
      slope_y = select(under, dy, slope_y);
    }
  }
  // The edges: the six that meet in the middle, and the other two diagonals. Those on the rim of the four cells are
  // left out, as they are at least half a spacing away.
  const Vec3<Real> origin = zero3<Real>();
  const Real one(1), none(0);
  nearest.take_edge(origin, {one, none, h[1][2]}, p);
  nearest.take_edge(origin, {-one, none, h[1][0]}, p);
  nearest.take_edge(origin, {none, one, h[2][1]}, p);
  nearest.take_edge(origin, {none, -one, h[0][1]}, p);
  nearest.take_edge(origin, {one, one, h[2][2]}, p);
  nearest.take_edge(origin, {-one, -one, h[0][0]}, p);
  nearest.take_edge({-one, none, h[1][0]}, {one, one, h[2][1] - h[1][0]}, p);
  nearest.take_edge({none, -one, h[0][1]}, {one, one, h[1][2] - h[0][1]}, p);

  // Below the ground, the normal of the triangle over the centre. Very near to the ground as well: the direction to an
  // edge would be lost in rounding there.
  const MaskOf<Real> by_face = above < Real(0) || nearest.square < Real(1e-10f);
  const Real scale = reciprocal_sqrt(Real(1) + slope_x * slope_x + slope_y * slope_y);
  const Real inverse_distance = reciprocal_sqrt(max(nearest.square, Real(1e-30f)));
  const Real distance = select(by_face, above * scale, nearest.square * inverse_distance);
  const Vec3<Real> normal =
      select(by_face, Vec3<Real>{-slope_x * scale, -slope_y * scale, scale}, nearest.offset * inverse_distance);
  touch.distance = select(high, clearance, distance * spacing - radius);
  touch.normal = select(high, touch.normal, normal);
  return touch;
}

/// The boxes' cell that a point is in, or the nearest.
template <class Real>
STAMPEDE_FN IntOf<Real> cell_at(const TerrainView& view, Vec3<Real> point) {
  const Real inverse(view.inverse_cell);
  const Real column = detail::within(Real(0), detail::whole_below((point.x - Real(view.origin_x)) * inverse),
                                     detail::number<Real>(view.cell_columns - 1));
  const Real row = detail::within(Real(0), detail::whole_below((point.y - Real(view.origin_y)) * inverse),
                                  detail::number<Real>(view.cell_rows - 1));
  return to_int(row) * IntOf<Real>(view.cell_columns) + to_int(column);
}

/// Index in `boxes` of the box in a slot of the list of the cell that the point is in; `view.box_count` where the slot
/// is empty, as all slots after it are.
template <class Real>
STAMPEDE_FN Real box_in(const TerrainView& view, int slot, Vec3<Real> point) {
  return detail::gather_real(view.cells + slot, cell_at(view, point) * IntOf<Real>(view.boxes_per_cell), point.x);
}

template <class Real>
struct GroundBox {
  Vec3<Real> middle, half;  ///< [m]
};
/// The box at an index in `boxes`.
template <class Real>
STAMPEDE_FN GroundBox<Real> box_at(const TerrainView& view, Real index) {
  const auto at = to_int(index) * IntOf<Real>(8);
  Real middle[4], half[4];
  detail::read_four(view.boxes, at, middle);
  detail::read_four(view.boxes + 4, at, half);
  return {{middle[0], middle[1], middle[2]}, {half[0], half[1], half[2]}};
}

/// How near a sphere is to a box; the distance is large where the index means "no box". A centre inside leaves through
/// the nearest side: of sides that are equally near through the first of x, y, z, and from the exact middle through -x.
template <class Real>
STAMPEDE_FN Touch<Real> touch_box(const TerrainView& view, Real index, Vec3<Real> centre, Real radius) {
  const auto [middle, half] = box_at(view, index);
  const Vec3<Real> d = centre - middle;
  const Vec3<Real> depth{half.x - abs(d.x), half.y - abs(d.y), half.z - abs(d.z)};
  const Real one(1), none(0);
  const Vec3<Real> side{select(d.x > none, one, -one), select(d.y > none, one, -one), select(d.z > none, one, -one)};
  // Outside: to the nearest point of the surface.
  const Vec3<Real> off{max(none, -depth.x) * side.x, max(none, -depth.y) * side.y, max(none, -depth.z) * side.z};
  const Real square = dot(off, off);
  const Real inverse_distance = reciprocal_sqrt(max(square, Real(1e-30f)));
  // Inside: through the nearest side.
  const MaskOf<Real> by_x = depth.x <= depth.y && depth.x <= depth.z;
  const MaskOf<Real> by_y = !by_x && depth.y <= depth.z;
  const Real least = min(depth.x, min(depth.y, depth.z));
  const Vec3<Real> out{select(by_x, side.x, none), select(by_y, side.y, none), select(by_x || by_y, none, side.z)};
  const MaskOf<Real> inside = least >= none;
  return {select(inside, -least, square * inverse_distance) - radius, select(inside, out, off * inverse_distance)};
}
/// The same for the box in a slot of the list of the cell that the centre is in.
template <class Real>
STAMPEDE_FN Touch<Real> touch_box(const TerrainView& view, int slot, Vec3<Real> centre, Real radius) {
  return touch_box(view, box_in(view, slot, centre), centre, radius);
}

/// Any ground: a plane of any tilt, a map of heights and boxes, or both.
template <class T>
struct RoughGround {
  static constexpr bool kFlat = false;
  bool plane;             ///< there is one
  bool heights;           ///< the map has heights
  Vec3<T> point, normal;  ///< of the plane; the normal is of unit length
  TerrainView map;        ///< all zeros where there is none

  /// The plane, the heights, and the slots of a cell's list of boxes.
  STAMPEDE_FN int surfaces() const { return (plane ? 1 : 0) + (heights ? 1 : 0) + map.boxes_per_cell; }

  /// Sets `near` to how near a sphere is to a surface; the centre is in the world. `margin` is how near it has to come
  /// to matter [m]. Returns false where in no lane this surface or a later one exists: lists of boxes have empty slots
  /// only at their end.
  template <class Real>
  STAMPEDE_FN bool touch(int surface, Vec3<Real> centre, Real radius, Real margin, Touch<Real>& near) const {
    if (plane && surface == 0) {
      near = touch_plane(centre, radius);
      return true;
    }
    const int of_map = surface - (plane ? 1 : 0);
    if (heights && of_map == 0) {
      near = touch_heightfield(map, centre, radius, margin);
      return true;
    }
    const Real index = box_in(map, of_map - (heights ? 1 : 0), centre);
    if (!any_together(index < Real(map.box_count - 0.5f))) return false;
    near = touch_box(map, index, centre, radius);
    return true;
  }

  /// Normal of a surface near a point, by which a cylinder's lowest points are chosen. Upwards for boxes.
  template <class Real>
  STAMPEDE_FN Vec3<Real> facing(int surface, Vec3<Real> point_over) const {
    if (plane && surface == 0) return plane_normal<Real>();
    if (heights && surface == (plane ? 1 : 0)) return height_at(map, point_over.x, point_over.y).normal;
    return {Real(0), Real(0), Real(1)};
  }

  /// A lower bound of the distance of a link's origin from all ground within its reach; at most 0 below the ground.
  template <class Real>
  STAMPEDE_FN Real link_clearance(Vec3<Real> from) const {
    return clearance(from, map.link_tops);
  }
  /// `link_clearance` does not hold for links that reach farther [m].
  STAMPEDE_FN float largest_link() const { return map.link_tops != nullptr ? map.link_reach : 1e30f; }
  /// The same for the centre of a sphere, whose reach is that of `tops`.
  template <class Real>
  STAMPEDE_FN Real sphere_clearance(Vec3<Real> from) const {
    return clearance(from, map.tops);
  }

 private:
  template <class Real>
  STAMPEDE_FN Real clearance(Vec3<Real> from, const float* tops) const {
    Real nearest(1e30f);
    if (plane) nearest = touch_plane(from, Real(0)).distance;
    if (tops != nullptr) nearest = min(nearest, from.z - detail::gather_real(tops, cell_at(map, from), from.z));
    return nearest;
  }
  template <class Real>
  STAMPEDE_FN Vec3<Real> plane_normal() const {
    return {Real(normal.x), Real(normal.y), Real(normal.z)};
  }
  template <class Real>
  STAMPEDE_FN Touch<Real> touch_plane(Vec3<Real> centre, Real radius) const {
    const Vec3<Real> p{Real(point.x), Real(point.y), Real(point.z)};
    return {dot(plane_normal<Real>(), centre - p) - radius, plane_normal<Real>()};
  }
};

}  // namespace stampede
