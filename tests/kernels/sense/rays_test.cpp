/// \file Rays against a plane, heights and boxes, and against a robot's shapes: brute force in double precision over
/// every triangle and box, and points along the ray.

#include "kernels/sense/rays.hpp"

#include <array>

#include "kernels/sense/solids.hpp"
#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

using V = Vec3<double>;

constexpr int kColumns = 24, kRows = 19, kBoxes = 6;
constexpr float kSpacing = 0.125f, kOriginX = -1.1f, kOriginY = 0.3f, kCell = 0.25f;

/// A small map, steep in places, with boxes on the ground, in it and above it.
struct Map {
  std::vector<float> heights, boxes, cells, tops, high, low;
  TerrainView view{};

  explicit Map(bool with_heights) {
    std::mt19937 generator(5);
    std::uniform_real_distribution<float> uniform(0, 1);
    heights.resize(kColumns * kRows);
    for (float& h : heights) h = 0.2f * uniform(generator);
    // A level part, over whole cells.
    for (int r = 0; r < kRows; ++r) {
      for (int c = 10; c < 17; ++c) heights[static_cast<std::size_t>(r * kColumns + c)] = 0.15f;
    }
    for (int i = 0; i < kBoxes; ++i) {
      boxes.insert(boxes.end(), {kOriginX + 2.8f * uniform(generator), kOriginY + 2.2f * uniform(generator),
                                 0.6f * uniform(generator), 0.0f});
      for (int k = 0; k < 3; ++k) boxes.push_back(0.05f + 0.25f * uniform(generator));
      boxes.push_back(0);
    }
    boxes.insert(boxes.end(), {0, 0, -1e6f, 0, 0, 0, 0, 0});
    view.origin_x = kOriginX, view.origin_y = kOriginY;
    view.spacing = kSpacing, view.inverse_spacing = 1 / kSpacing, view.inverse_cell = 1 / kCell;
    if (with_heights) view.columns = kColumns, view.rows = kRows;
    list_boxes(with_heights);
    view.heights = heights.data(), view.boxes = boxes.data(), view.cells = cells.data(), view.seen_tops = tops.data();
    view.seen_high = high.data(), view.seen_low = low.data();
  }

 private:
  void list_boxes(bool with_heights) {
    view.cell_columns = 12, view.cell_rows = 9, view.boxes_per_cell = kBoxes, view.box_count = kBoxes;
    for (int r = 0; r < view.cell_rows; ++r) {
      for (int c = 0; c < view.cell_columns; ++c) {
        const double from[2] = {double(kOriginX) + c * 0.25 - 1e-3, double(kOriginY) + r * 0.25 - 1e-3};
        const double to[2] = {from[0] + 0.252, from[1] + 0.252};
        float top = -1e6f, least = 1e6f;
        if (with_heights) {
          for (int y = 2 * r - 1; y <= 2 * r + 3; ++y) {
            for (int x = 2 * c - 1; x <= 2 * c + 3; ++x) {
              const float height = heights[static_cast<std::size_t>(std::clamp(y, 0, kRows - 1) * kColumns +
                                                                    std::clamp(x, 0, kColumns - 1))];
              top = std::max(top, height), least = std::min(least, height);
            }
          }
        }
        high.push_back(top), low.push_back(least);
        std::vector<float> mine;
        for (int b = 0; b < kBoxes; ++b) {
          const float* box = &boxes[static_cast<std::size_t>(8 * b)];
          bool over = true;
          for (int k = 0; k < 2; ++k) {
            over =
                over && double(box[k]) - double(box[4 + k]) <= to[k] && double(box[k]) + double(box[4 + k]) >= from[k];
          }
          // The nearest cell stands for all that lies beyond the border.
          if (!over && c > 0 && c < 11 && r > 0 && r < 8) continue;
          mine.push_back(static_cast<float>(b));
          top = std::max(top, box[2] + box[6]);
        }
        mine.resize(kBoxes, static_cast<float>(kBoxes));
        cells.insert(cells.end(), mine.begin(), mine.end());
        tops.push_back(top);
      }
    }
  }
};

struct DoubleRay {
  V origin, direction;
};

/// Where a ray meets the triangle a, b, c; infinity where it does not.
double meet_triangle(const DoubleRay& ray, V a, V b, V c) {
  const V u = b - a, v = c - a, p = cross(ray.direction, v);
  const double determinant = dot(u, p);
  if (std::abs(determinant) < 1e-14) return HUGE_VAL;
  const V s = ray.origin - a, q = cross(s, u);
  const double along_u = dot(s, p) / determinant, along_v = dot(ray.direction, q) / determinant;
  const double t = dot(v, q) / determinant;
  return along_u >= 0 && along_v >= 0 && along_u + along_v <= 1 && t >= 0 ? t : HUGE_VAL;
}

double meet_box(const DoubleRay& ray, const float* box) {
  double in = 0, out = HUGE_VAL;
  const double from[3] = {ray.origin.x, ray.origin.y, ray.origin.z};
  const double along[3] = {ray.direction.x, ray.direction.y, ray.direction.z};
  for (int k = 0; k < 3; ++k) {
    const double a = (double(box[k]) - double(box[4 + k]) - from[k]) / along[k];
    const double b = (double(box[k]) + double(box[4 + k]) - from[k]) / along[k];
    in = std::max(in, std::min(a, b));
    out = std::min(out, std::max(a, b));
  }
  return in <= out ? in : HUGE_VAL;
}

/// Over every box, and every triangle of the map and of the level ground around it.
double reference(const Map& map, const DoubleRay& ray) {
  double nearest = HUGE_VAL;
  for (int b = 0; b < kBoxes; ++b)
    nearest = std::min(nearest, meet_box(ray, &map.boxes[static_cast<std::size_t>(8 * b)]));
  if (map.view.columns == 0) return nearest;
  const auto vertex = [&](int c, int r) {
    const auto at = static_cast<std::size_t>(std::clamp(r, 0, kRows - 1) * kColumns + std::clamp(c, 0, kColumns - 1));
    return V{double(kOriginX) + c * double(kSpacing), double(kOriginY) + r * double(kSpacing), double(map.heights[at])};
  };
  for (int r = -20; r < kRows + 20; ++r) {
    for (int c = -20; c < kColumns + 20; ++c) {
      const V a = vertex(c, r), b = vertex(c + 1, r), d = vertex(c + 1, r + 1), e = vertex(c, r + 1);
      nearest = std::min({nearest, meet_triangle(ray, a, b, d), meet_triangle(ray, a, d, e)});
    }
  }
  return nearest;
}

using FloatRay = std::array<float, 6>;
DoubleRay in_doubles(const FloatRay& r) { return {{r[0], r[1], r[2]}, {r[3], r[4], r[5]}}; }

/// Calls meet(Ray<Real>) for each ray.
template <class Real, class Meet>
std::vector<float> meet_all(const std::vector<FloatRay>& rays, const Meet& meet) {
  std::vector<float> met(rays.size());
  for (std::size_t i = 0; i < rays.size(); i += kLanes<Real>) {
    float in[6][kMaxLanes] = {}, out[kMaxLanes];
    for (std::size_t lane = 0; lane < kLanes<Real>; ++lane) {
      for (std::size_t k = 0; k < 6; ++k) in[k][lane] = rays[std::min(i + lane, rays.size() - 1)][k];
    }
    const Ray<Real> ray{{load<Real>(in[0]), load<Real>(in[1]), load<Real>(in[2])},
                        {load<Real>(in[3]), load<Real>(in[4]), load<Real>(in[5])}};
    store(out, meet(ray));
    for (std::size_t lane = 0; lane < kLanes<Real> && i + lane < rays.size(); ++lane) met[i + lane] = out[lane];
  }
  return met;
}

/// From above the map and around it, in all directions; some along the axes.
std::vector<FloatRay> rays(int count) {
  std::mt19937 generator(7);
  std::uniform_real_distribution<float> unit(-1, 1);
  std::vector<FloatRay> all;
  for (int i = 0; i < count; ++i) {
    FloatRay ray{0.4f + 1.8f * unit(generator),
                 1.4f + 1.4f * unit(generator),
                 0.7f + 0.4f * unit(generator),
                 unit(generator),
                 unit(generator),
                 0.6f * unit(generator) - 0.3f};
    if (i % 10 == 0) ray[3 + static_cast<std::size_t>(i / 10 % 2)] = 0;  // along the columns or rows
    if (i % 50 == 1) ray[3] = ray[4] = 0, ray[5] = -1;
    if (i % 50 == 2) ray[3] = ray[4];  // along the diagonals
    all.push_back(ray);
  }
  return all;
}

/// Rays that pass so near to an edge that a rounding decides what they meet.
constexpr double kAtEdges = 1e-3;

TEST(Rays, MeetTheMapWhereBruteForceDoes) {
  constexpr float kFar = 2.5f;
  const std::vector<FloatRay> all = rays(10000);
  for (const bool with_heights : {true, false}) {
    const Map map(with_heights);
    std::vector<double> wanted;
    for (const FloatRay& ray : all) wanted.push_back(std::min(reference(map, in_doubles(ray)), double(kFar)));
    for_each_width([&]<class Real>() {
      const std::vector<float> met =
          meet_all<Real>(all, [&](const Ray<Real>& ray) { return meet_map(map.view, ray, Real(kFar)); });
      int off = 0, hit = 0;
      for (std::size_t i = 0; i < all.size(); ++i) {
        hit += wanted[i] < double(kFar);
        off += !(std::abs(double(met[i]) - wanted[i]) <= 1e-4);
      }
      EXPECT_LE(off, kAtEdges * static_cast<double>(all.size())) << "with heights: " << with_heights;
      EXPECT_GT(hit, with_heights ? 5000 : 1000);
      RecordProperty(with_heights ? "off_with_heights" : "off", off);
    });
  }
}

TEST(Rays, TheSameBitsInPacksOfAnyWidth) {
  if (!kParity) GTEST_SKIP() << "only the parity preset promises it";
  const Map map(true);
  const std::vector<FloatRay> all = rays(500);
  std::vector<float> first;
  for_each_width([&]<class Real>() {
    const std::vector<float> met =
        meet_all<Real>(all, [&](const Ray<Real>& ray) { return meet_map(map.view, ray, Real(3.0f)); });
    if (first.empty()) first = met;
    EXPECT_EQ(met, first);
  });
}

TEST(Rays, MeetAPlane) {
  SeenGround ground{};
  ground.plane = true;
  ground.point = {0.2f, 0, 0.1f};
  ground.normal = {0.6f, 0, 0.8f};
  const std::vector<FloatRay> all = rays(1000);
  for_scalar_and_widest([&]<class Real>() {
    const std::vector<float> met =
        meet_all<Real>(all, [&](const Ray<Real>& ray) { return ground.meet(ray, Real(4.0f)); });
    for (std::size_t i = 0; i < all.size(); ++i) {
      const DoubleRay ray = in_doubles(all[i]);
      const V n{0.6, 0, 0.8};
      const double above = dot(n, ray.origin - V{0.2, 0, 0.1}), t = -above / dot(n, ray.direction);
      const double wanted = above < 0 ? 0 : t > 0 ? std::min(t, 4.0) : 4;
      EXPECT_NEAR(double(met[i]), wanted, 1e-4) << i;
    }
  });
}

TEST(Rays, BeginInsideTheGround) {
  const Map map(true);
  for_scalar_and_widest([&]<class Real>() {
    const Ray<Real> below{{Real(0.1f), Real(1.0f), Real(-0.1f)}, {Real(1.0f), Real(0.2f), Real(0.3f)}};
    EXPECT_EQ(lane(meet_map(map.view, below, Real(2.0f)), 0), 0.0f);
    const float* box = &map.boxes[8];
    const Ray<Real> inside{{Real(box[0]), Real(box[1]), Real(box[2])}, {Real(0.1f), Real(0.2f), Real(1.0f)}};
    EXPECT_EQ(lane(meet_map(map.view, inside, Real(2.0f)), 0), 0.0f);
  });
}

/// Where a ray first comes into a solid: by small steps, then by halving. Infinity where it does not within 3 m.
double walk_into(const Solid<double>& solid, const DoubleRay& ray) {
  constexpr double kStep = 1e-3;
  for (double t = 0; t < 3; t += kStep) {
    if (!solid.holds(ray.origin + ray.direction * t)) continue;
    double out = t - kStep, in = t;
    for (int i = 0; i < 40; ++i) {
      const double middle = 0.5 * (out + in);
      (solid.holds(ray.origin + ray.direction * middle) ? in : out) = middle;
    }
    return in;
  }
  return HUGE_VAL;
}

TEST(Rays, EnterSolids) {
  std::mt19937 generator(11);
  std::uniform_real_distribution<float> unit(-1, 1);
  for (const SolidShape shape : {SolidShape::kCapsule, SolidShape::kCylinder, SolidShape::kBox}) {
    for (const double length : {0.3, 0.0}) {
      if (length == 0 && shape != SolidShape::kCapsule) continue;  // a sphere
      Solid<double> solid;
      solid.shape = shape;
      solid.axes = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
      solid.half = {0.2, shape == SolidShape::kBox ? 0.1 : 0.0, length};
      std::vector<FloatRay> all;
      while (all.size() < 2000) {
        FloatRay ray{unit(generator), unit(generator), unit(generator), 0, 0, 0};
        // Towards somewhere about the solid.
        for (std::size_t k = 0; k < 3; ++k) ray[3 + k] = 0.4f * unit(generator) - ray[k];
        if (all.size() % 20 == 0) ray[3] = ray[4] = 0;  // along its axis
        if (!solid.holds(in_doubles(ray).origin)) all.push_back(ray);
      }
      const Vec3<float> half{static_cast<float>(solid.half.x), static_cast<float>(solid.half.y),
                             static_cast<float>(solid.half.z)};
      int off = 0, hit = 0;
      for_scalar_and_widest([&]<class Real>() {
        const std::vector<float> met =
            meet_all<Real>(all, [&](const Ray<Real>& ray) { return meet_solid(shape, ray, half, Real(3.0f)); });
        off = hit = 0;
        for (std::size_t i = 0; i < all.size(); ++i) {
          const double wanted = std::min(walk_into(solid, in_doubles(all[i])), 3.0);
          hit += wanted < 3;
          off += !(std::abs(double(met[i]) - wanted) <= 1e-4);
        }
        EXPECT_GT(hit, 400);
        EXPECT_LE(off, 10) << "of " << all.size() << ", shape " << static_cast<int>(shape);
      });
    }
  }
}

TEST(Rays, SolidsDoNotHideWhatIsNearer) {
  const Ray<float> ray{{-1.0f, 0.0f, 0.0f}, {1.0f, 0.0f, 0.0f}};
  const Vec3<float> half{0.2f, 0.2f, 0.2f};
  for (const SolidShape shape : {SolidShape::kCapsule, SolidShape::kCylinder, SolidShape::kBox}) {
    EXPECT_FLOAT_EQ(meet_solid(shape, ray, half, 2.0f), 0.8f);
    EXPECT_EQ(meet_solid(shape, ray, half, 0.5f), 0.5f);
    EXPECT_EQ(meet_solid(shape, Ray<float>{{1.0f, 0.0f, 0.0f}, {1.0f, 0.0f, 0.0f}}, half, 2.0f), 2.0f);
  }
}

}  // namespace
}  // namespace stampede::testing
