/// \file Heights and boxes under a sphere against brute force in double precision over every triangle and box.

#include "kernels/physics/terrain.hpp"

#include <array>
#include <utility>

#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

using V = Vec3<double>;

constexpr int kColumns = 14, kRows = 11, kCellColumns = 7, kCellRows = 5, kSlots = 3;
constexpr float kSpacing = 0.125f, kOriginX = -0.5f, kOriginY = 0.25f;

/// A small map: steep, so that edges, corners and faces are all the nearest somewhere.
struct Map {
  std::vector<float> heights, boxes, cells;
  TerrainView view{};

  Map() {
    std::mt19937 generator(5);
    std::uniform_real_distribution<float> uniform(0, 1);
    heights.resize(kColumns * kRows);
    for (float& h : heights) h = 0.15f * uniform(generator);
    const int count = 12;
    for (int i = 0; i < count; ++i) {
      for (int k = 0; k < 3; ++k) boxes.push_back(uniform(generator));
      boxes.push_back(0);
      for (int k = 0; k < 3; ++k) boxes.push_back(0.05f + 0.3f * uniform(generator));
      boxes.push_back(0);
    }
    boxes.insert(boxes.end(), {0, 0, -1e6f, 0, 0, 0, 0, 0});
    for (int i = 0; i < kCellColumns * kCellRows * kSlots; ++i) cells.push_back(static_cast<float>(i % (count + 1)));
    view.heights = heights.data(), view.boxes = boxes.data(), view.cells = cells.data();
    view.columns = kColumns, view.rows = kRows, view.cell_columns = kCellColumns, view.cell_rows = kCellRows;
    view.boxes_per_cell = kSlots, view.box_count = static_cast<float>(count);
    view.origin_x = kOriginX, view.origin_y = kOriginY;
    view.spacing = kSpacing, view.inverse_spacing = 1 / kSpacing, view.inverse_cell = 4.0f;
  }
};

const Map& map() {
  static const Map kMap;
  return kMap;
}

/// Grid point of the ground, which goes on outside.
V vertex(int c, int r) {
  const int at = std::clamp(r, 0, kRows - 1) * kColumns + std::clamp(c, 0, kColumns - 1);
  return {double(kOriginX) + c * double(kSpacing), double(kOriginY) + r * double(kSpacing),
          double(map().heights[static_cast<std::size_t>(at)])};
}

double length(V v) { return std::sqrt(dot(v, v)); }

/// Nearest point of a triangle by projection, else of its three sides.
V nearest_on(V p, V a, V b, V c) {
  const V n = cross(b - a, c - a);
  const V foot = p - n * (dot(n, p - a) / dot(n, n));
  if (dot(cross(b - a, foot - a), n) >= 0 && dot(cross(c - b, foot - b), n) >= 0 &&
      dot(cross(a - c, foot - c), n) >= 0) {
    return foot;
  }
  V best{};
  double square = HUGE_VAL;
  for (const auto& [from, to] : {std::pair{a, b}, std::pair{b, c}, std::pair{c, a}}) {
    const V q = from + (to - from) * std::clamp(dot(p - from, to - from) / dot(to - from, to - from), 0.0, 1.0);
    if (dot(p - q, p - q) < square) square = dot(p - q, p - q), best = q;
  }
  return best;
}

struct Reference {
  double height = NAN, distance = HUGE_VAL;  ///< distance of the centre itself
  V normal{}, face{};
};

/// Over every triangle of the map and of a rim around it.
Reference reference(V p) {
  Reference best;
  for (int r = -3; r < kRows + 2; ++r) {
    for (int c = -3; c < kColumns + 2; ++c) {
      const V a = vertex(c, r), b = vertex(c + 1, r), d = vertex(c + 1, r + 1), e = vertex(c, r + 1);
      for (const auto& [i, j, k] : {std::array{a, b, d}, std::array{a, d, e}}) {
        const V q = nearest_on(p, i, j, k);
        if (length(p - q) < best.distance) {
          best.distance = length(p - q);
          best.normal = (p - q) * (1 / best.distance);
        }
        const V n = cross(j - i, k - i);
        const V flat = {p.x, p.y, 0};
        const auto turn = [&](V from, V to) {
          return (to.x - from.x) * (flat.y - from.y) - (to.y - from.y) * (flat.x - from.x);
        };
        if (turn(i, j) >= 0 && turn(j, k) >= 0 && turn(k, i) >= 0) {
          best.height = i.z - ((p.x - i.x) * n.x + (p.y - i.y) * n.y) / n.z;
          best.face = n * (1 / length(n));
        }
      }
    }
  }
  if (p.z < best.height) {
    best.distance = (p.z - best.height) * best.face.z;
    best.normal = best.face;
  }
  return best;
}

/// Answers of a query for many spheres: distance (or height) and normal.
template <class Real, class Query>
std::vector<std::array<float, 4>> ask(const std::vector<std::array<float, 4>>& spheres, const Query& query) {
  std::vector<std::array<float, 4>> answers(spheres.size());
  for (std::size_t i = 0; i < spheres.size(); i += kLanes<Real>) {
    float in[4][kMaxLanes] = {}, out[4][kMaxLanes];
    for (std::size_t lane = 0; lane < kLanes<Real>; ++lane) {
      for (std::size_t k = 0; k < 4; ++k) in[k][lane] = spheres[std::min(i + lane, spheres.size() - 1)][k];
    }
    const std::array<Real, 4> got =
        query(Vec3<Real>{load<Real>(in[0]), load<Real>(in[1]), load<Real>(in[2])}, load<Real>(in[3]));
    for (std::size_t k = 0; k < 4; ++k) store(out[k], got[k]);
    for (std::size_t lane = 0; lane < kLanes<Real> && i + lane < spheres.size(); ++lane) {
      for (std::size_t k = 0; k < 4; ++k) answers[i + lane][k] = out[k][lane];
    }
  }
  return answers;
}

const auto kTouchHeights = []<class Real>(Vec3<Real> centre, Real radius) -> std::array<Real, 4> {
  const Touch<Real> t = touch_heightfield(map().view, centre, radius);
  return {t.distance, t.normal.x, t.normal.y, t.normal.z};
};
const auto kHeight = []<class Real>(Vec3<Real> centre, Real) -> std::array<Real, 4> {
  const GroundPoint<Real> g = height_at(map().view, centre.x, centre.y);
  return {g.height, g.normal.x, g.normal.y, g.normal.z};
};
const auto kTouchBox = []<class Real>(Vec3<Real> centre, Real radius) -> std::array<Real, 4> {
  const Touch<Real> t = touch_box(map().view, 1, centre, radius);
  return {t.distance, t.normal.x, t.normal.y, t.normal.z};
};

/// Over the map and somewhat beyond it, from below the lowest to above the highest point.
std::vector<std::array<float, 4>> spheres(int count, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> x(-0.8f, 1.4f), y(0.0f, 1.8f), z(-0.05f, 0.3f), radius(0, 0.5f * kSpacing);
  std::vector<std::array<float, 4>> all;
  for (int i = 0; i < count; ++i) all.push_back({x(generator), y(generator), z(generator), radius(generator)});
  return all;
}

TEST(Terrain, HeightsAreThoseOfTheTriangles) {
  const auto asked = spheres(3000, 1);
  const auto got = ask<float>(asked, kHeight);
  double worst = 0;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const Reference want = reference({double(asked[i][0]), double(asked[i][1]), 0});
    worst = std::max(worst, std::fabs(double(got[i][0]) - want.height));
    ASSERT_LE(std::fabs(double(got[i][0]) - want.height), 1e-6) << i;
    const double along =
        double(got[i][1]) * want.face.x + double(got[i][2]) * want.face.y + double(got[i][3]) * want.face.z;
    ASSERT_LE(std::fabs(along - 1), 1e-5) << i;
  }
  EXPECT_GT(worst, 0);
}

TEST(Terrain, SpheresTouchTheNearestOfAllTriangles) {
  const auto asked = spheres(12000, 2);
  const auto got = ask<float>(asked, kTouchHeights);
  int touching = 0, below = 0, by_edge = 0;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const V p{double(asked[i][0]), double(asked[i][1]), double(asked[i][2])};
    const double radius = double(asked[i][3]), distance = double(got[i][0]);
    const Reference want = reference(p);
    if (!(want.distance < radius)) {
      ASSERT_GE(distance, -1e-6) << i;  // no touch is made up
      continue;
    }
    ++touching;
    ASSERT_LE(std::fabs(distance - (want.distance - radius)), 1e-6) << i;
    const V n{double(got[i][1]), double(got[i][2]), double(got[i][3])};
    ASSERT_LE(std::fabs(length(n) - 1), 1e-5) << i;
    below += want.distance < 0;
    by_edge += want.distance > 0 && dot(want.normal, want.face) < 0.999;
    // The direction is as certain as the distance is long.
    if (std::fabs(want.distance) > 1e-4) {
      ASSERT_LE(length(n - want.normal), 1e-6 / std::fabs(want.distance) + 2e-3) << i;
    }
  }
  EXPECT_GT(touching, 1000);
  EXPECT_GT(below, 500);
  EXPECT_GT(by_edge, 100);
}

TEST(Terrain, DoublesTouchToRounding) {
  int touching = 0;
  for (const auto& s : spheres(3000, 3)) {
    const V p{double(s[0]), double(s[1]), double(s[2])};
    const double radius = double(s[3]);
    const Reference want = reference(p);
    if (!(want.distance < radius)) continue;
    ++touching;
    const Touch<double> got = touch_heightfield(map().view, p, radius);
    ASSERT_LE(std::fabs(got.distance - (want.distance - radius)), 1e-14);
    // In packs of doubles the same.
    using Wide = Pack<double, 8>;
    const Touch<Wide> wide = touch_heightfield(map().view, Vec3<Wide>{Wide(p.x), Wide(p.y), Wide(p.z)}, Wide(radius));
    ASSERT_LE(std::fabs(wide.distance[5] - got.distance), 1e-14);
    ASSERT_LE(std::fabs(wide.normal.x[5] - got.normal.x), 1e-8);
  }
  EXPECT_GT(touching, 500);
}

TEST(Terrain, DistancesAreContinuousAboveTheGround) {
  // A distance function never changes faster than the point moves.
  std::mt19937 generator(7);
  std::uniform_real_distribution<double> uniform(0, 1);
  int moved = 0;
  for (int path = 0; path < 300; ++path) {
    const double y = 0.2 + 1.4 * uniform(generator), slope = uniform(generator) - 0.5;
    double last = NAN;
    const double step = 2e-4;
    for (double x = -0.7; x < 1.3; x += step) {
      const double at_y = y + slope * (x + 0.7);
      const V p{x, at_y, height_at(map().view, x, at_y).height + 0.4 * double(kSpacing)};
      const double rise = p.z - (height_at(map().view, x - step, at_y - slope * step).height + 0.4 * double(kSpacing));
      const double distance = touch_heightfield(map().view, p, 0.0, 1.0).distance;
      if (std::isfinite(last) && distance < 0.49 * double(kSpacing)) {
        ASSERT_LE(std::fabs(distance - last), std::sqrt(step * step * (1 + slope * slope) + rise * rise) + 1e-12);
        ++moved;
      }
      last = distance;
    }
  }
  EXPECT_GT(moved, 100000);
}

TEST(Terrain, FarAboveAndOutOfTheWorldIsHarmless) {
  const float huge = std::numeric_limits<float>::max();
  const Touch<float> high = touch_heightfield(map().view, Vec3<float>{0, 1, 5}, 0.05f);
  EXPECT_GT(high.distance, 4.0f);
  EXPECT_LE(high.distance, 5.0f);
  for (const float x : {-huge, huge, -1e9f, NAN}) {
    const Touch<float> t = touch_heightfield(map().view, Vec3<float>{x, x, 0.2f}, 0.05f);
    EXPECT_TRUE(std::isfinite(t.normal.z));
    EXPECT_TRUE(std::isfinite(height_at(map().view, x, x).height));
    touch_box(map().view, 0, Vec3<float>{x, x, 0.2f}, 0.05f);
  }
}

/// The signed distance of a box by its six sides and the outside's length (I. Quilez' formula), and the way out.
double box_distance(V d, V h, V& normal) {
  const double q[3] = {std::fabs(d.x) - h.x, std::fabs(d.y) - h.y, std::fabs(d.z) - h.z};
  const double s[3] = {d.x > 0 ? 1.0 : -1.0, d.y > 0 ? 1.0 : -1.0, d.z > 0 ? 1.0 : -1.0};
  const int most = int(std::max_element(q, q + 3) - q);
  double n[3] = {0, 0, 0};
  if (q[most] <= 0) {
    n[most] = s[most];
    normal = {n[0], n[1], n[2]};
    return q[most];
  }
  for (int k = 0; k < 3; ++k) n[k] = std::max(q[k], 0.0) * s[k];
  normal = {n[0], n[1], n[2]};
  const double distance = length(normal);
  normal = normal * (1 / distance);
  return distance;
}

TEST(Terrain, BoxesAgainstTheirFormula) {
  const auto asked = spheres(12000, 4);
  const auto got = ask<float>(asked, kTouchBox);
  int inside = 0, outside = 0, none = 0;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const V p{double(asked[i][0]), double(asked[i][1]), double(asked[i][2])};
    const int c = std::clamp(int(std::floor((p.x - double(kOriginX)) * 4)), 0, kCellColumns - 1);
    const int r = std::clamp(int(std::floor((p.y - double(kOriginY)) * 4)), 0, kCellRows - 1);
    const int box = int(map().cells[std::size_t((r * kCellColumns + c) * kSlots + 1)]);
    const float* row = &map().boxes[std::size_t(box) * 8];
    if (box == 12) {
      ++none;
      ASSERT_GT(got[i][0], 1e5f);
      continue;
    }
    V normal;
    const double want = box_distance(p - V{double(row[0]), double(row[1]), double(row[2])},
                                     {double(row[4]), double(row[5]), double(row[6])}, normal);
    (want < 0 ? inside : outside)++;
    ASSERT_LE(std::fabs(double(got[i][0]) - (want - double(asked[i][3]))), 1e-6) << i;
    if (std::fabs(want) < 1e-4) continue;
    const V n{double(got[i][1]), double(got[i][2]), double(got[i][3])};
    // Near a diagonal of the inside rounding may choose either side.
    if (want > 0 || length(n - normal) < 0.5) {
      ASSERT_LE(length(n - normal), 1e-6 / std::fabs(want) + 1e-6) << i;
    }
  }
  EXPECT_GT(inside, 100);
  EXPECT_GT(outside, 1000);
  EXPECT_GT(none, 100);
}

TEST(Terrain, TheMiddleOfABoxLeavesAsInMujoco) {
  // MuJoCo 3.17: the first of equally near sides; from the very middle towards the negative one.
  const float boxes[16] = {0, 0, 0, 0, 0.1f, 0.1f, 0.1f, 0, 0, 0, -1e6f}, cells[1] = {0};
  TerrainView view = map().view;
  view.boxes = boxes, view.cells = cells, view.cell_columns = view.cell_rows = view.boxes_per_cell = 1;
  const Touch<float> t = touch_box(view, 0, zero3<float>(), 0.05f);
  EXPECT_FLOAT_EQ(t.distance, -0.15f);
  EXPECT_EQ(t.normal.x, -1.0f);
  EXPECT_EQ(t.normal.y, 0.0f);
  EXPECT_EQ(t.normal.z, 0.0f);
}

TEST(Terrain, EveryWidthAnswersAsOneLane) {
  const auto asked = spheres(4097, 6);
  const auto compare = [&](const auto& query) {
    const auto scalar = ask<float>(asked, query);
    for_each_width([&]<class Real>() {
      const auto got = ask<Real>(asked, query);
      int other_side = 0;
      for (std::size_t i = 0; i < asked.size(); ++i) {
        if (kParity) {
          ASSERT_EQ(got[i], scalar[i]) << i;
        }
        ASSERT_LE(std::fabs(got[i][0] - scalar[i][0]), 1e-6f + 1e-6f * std::fabs(scalar[i][0])) << i;
        for (std::size_t k = 1; k < 4; ++k) {
          if (!(std::fabs(got[i][k] - scalar[i][k]) <= 1e-3f)) {
            ++other_side;
            break;
          }
        }
      }
      // Rounding may choose another of two equally near faces.
      EXPECT_LE(other_side, 10);
    });
  };
  compare(kHeight);
  compare(kTouchHeights);
  compare(kTouchBox);
}

}  // namespace
}  // namespace stampede::testing
