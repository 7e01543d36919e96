/// \file Ground from a seed: its bits, its difficulty, its refusals, and MuJoCo's rays and contacts on the same ground.
#include "host/model/terrain/terrain.hpp"

#include <gtest/gtest.h>
#include <mujoco/mujoco.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <random>
#include <set>
#include <tuple>

#include "host/model/robot/mujoco_handles.hpp"
#include "host/model/terrain/ground_index.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

TerrainSettings settings_of(const std::vector<std::string>& kinds, int levels = 1, int columns = 0) {
  TerrainSettings s;
  s.kinds = kinds;
  s.levels = levels;
  s.columns = columns > 0 ? columns : std::max(1, static_cast<int>(kinds.size()));
  s.border = 1;
  return s;
}

TerrainSettings all_kinds(int levels = 2) {
  TerrainSettings s = settings_of({}, levels, static_cast<int>(kTerrainKinds.size()));
  s.tile = 6;
  return s;
}

TEST(Terrain, SameSeedSameBits) {
  const Terrain a = make_terrain(all_kinds()), b = make_terrain(all_kinds());
  EXPECT_EQ(a.buffer, b.buffer);
  TerrainSettings other = all_kinds();
  other.seed = 2;
  const Terrain c = make_terrain(other);
  ASSERT_EQ(a.heights.size(), c.heights.size());
  EXPECT_NE(a.heights, c.heights);
}

TEST(Terrain, VariantsOfAKindDiffer) {
  const Terrain t = make_terrain(settings_of({"rough"}, 1, 2));
  const int cells = 80, border = 10;
  int same = 0;
  for (int r = 1; r < cells; ++r) {
    const auto row = [&](int tile) { return t.heights.begin() + (border + tile * cells + r) * t.columns + border + 1; };
    same += std::equal(row(0), row(0) + cells - 1, row(1));
  }
  EXPECT_EQ(same, 0);
}

TEST(Terrain, TilesAreOrderedAndStartOnTheGround) {
  const Terrain t = make_terrain(all_kinds(3));
  const int kinds = static_cast<int>(kTerrainKinds.size());
  ASSERT_EQ(t.tiles.size(), 3 * kTerrainKinds.size());
  for (const TerrainTile& tile : t.tiles) {
    const std::size_t at = static_cast<std::size_t>(&tile - t.tiles.data());
    EXPECT_EQ(tile.level, int(at) / kinds);
    EXPECT_EQ(int(tile.kind), int(at) % kinds);
    EXPECT_DOUBLE_EQ(tile.difficulty, tile.level / 2.0);
    EXPECT_NEAR(tile.spawn[0], (tile.level - 1) * 6.0, 1e-9);
    EXPECT_NEAR(tile.spawn[1], (tile.column - 0.5 * (kinds - 1)) * 6.0, 1e-9);
    EXPECT_NEAR(tile.spawn[2], t.top_at(tile.spawn[0], tile.spawn[1]), 1e-6);
    // Level at the rim, so that neighbours fit.
    for (double along = 0; along <= 6; along += 0.31) {
      EXPECT_NEAR(t.top_at(tile.corner[0] + along, tile.corner[1]), 0, 1e-6);
      EXPECT_NEAR(t.top_at(tile.corner[0], tile.corner[1] + along), 0, 1e-6);
    }
  }
}

/// The largest rise between points so far apart along x, on one tile; what "hard" is for all kinds but gaps and stones.
double largest_rise(const Terrain& t, const TerrainTile& tile, double apart) {
  double largest = 0;
  for (double y = 0.3; y < t.settings.tile - 0.3; y += 0.173) {
    for (double x = 0.01; x + apart < t.settings.tile - 0.01; x += 0.01) {
      const double x0 = tile.corner[0] + x, y0 = tile.corner[1] + y;
      largest = std::max(largest, std::fabs(t.top_at(x0 + apart, y0) - t.top_at(x0, y0)));
    }
  }
  return largest;
}

/// The longest way along x without ground to stand on.
double longest_gap(const Terrain& t, const TerrainTile& tile) {
  double longest = 0;
  for (double y = 0.3; y < t.settings.tile - 0.3; y += 0.05) {
    double from = -1;
    for (double x = 0.01; x < t.settings.tile; x += 0.01) {
      if (t.top_at(tile.corner[0] + x, tile.corner[1] + y) > -0.001) {
        from = -1;
      } else {
        from = from < 0 ? x : from;
        // Along the arms of a moat it is as long as the arm: only what one has to cross counts.
        if (std::fabs(y - 0.5 * t.settings.tile) < 0.5) longest = std::max(longest, x - from + 0.01);
      }
    }
  }
  return longest;
}

/// The tile's lowest roof: a box with free space under it.
double lowest_roof(const Terrain& t, const TerrainTile& tile) {
  double lowest = HUGE_VAL;
  for (const TerrainBox& box : t.boxes) {
    const double x = static_cast<double>(box.centre[0]) - tile.corner[0];
    const double bottom = static_cast<double>(box.centre[2] - box.half[2]);
    if (x > 0 && x < t.settings.tile && bottom > 0) lowest = std::min(lowest, bottom);
  }
  return lowest;
}

TEST(Terrain, LevelsGetHarderWithinTheKindsRange) {
  for (const TerrainKindInfo& info : kTerrainKinds) {
    SCOPED_TRACE(info.name);
    const std::string name = info.name;
    const Terrain t = make_terrain(settings_of({name}, 4));
    double last = -1;
    for (const TerrainTile& tile : t.tiles) {
      double hard, want = info.easiest + tile.difficulty * (info.hardest - info.easiest), tolerance = 1e-5;
      if (name == "flat") {
        EXPECT_EQ(largest_rise(t, tile, 0.05), 0);
        continue;
      }
      if (name.rfind("slope", 0) == 0) {
        hard = std::atan(largest_rise(t, tile, 0.5) / 0.5);
      } else if (name == "gap") {
        hard = longest_gap(t, tile), tolerance = 0.02;
      } else if (name == "stones") {
        // The share of the ground that is missing.
        int missing = 0, all = 0;
        for (double y = 0.3; y < 7.7; y += 0.05) {
          for (double x = 0.3; x < 7.7; x += 0.05, ++all) {
            missing += t.top_at(tile.corner[0] + x, tile.corner[1] + y) < -0.5;
          }
        }
        const double width = kWidestStone + tile.difficulty * (kNarrowest - kWidestStone);
        hard = double(missing) / all, want = 1 - std::pow(width / (width + want), 2), tolerance = 0.15;
      } else if (name == "rough") {
        hard = 0;
        for (const float h : t.heights) EXPECT_LE(std::fabs(h), 0.0800001f);
        for (double x = 0.1; x < 7.95; x += 0.1) {
          for (double y = 0.1; y < 7.95; y += 0.1) {
            hard = std::max(hard, std::fabs(t.top_at(tile.corner[0] + x, tile.corner[1] + y)));
          }
        }
        tolerance = 0.05 * want;
      } else if (name == "crawl") {
        hard = -lowest_roof(t, tile), want = -want;
        if (tile.level == 0) last = -HUGE_VAL;
      } else if (name == "obstacles") {
        hard = largest_rise(t, tile, 0.02), tolerance = 0.1 * want;  // the tallest of some at random
      } else {
        hard = largest_rise(t, tile, 0.02);
      }
      EXPECT_GT(hard, last);
      EXPECT_NEAR(hard, want, tolerance) << "level " << tile.level;
      last = hard;
    }
  }
}

TEST(Terrain, StairsHaveEdges) {
  for (const std::string name : {"stairs-up", "stairs-down"}) {
    SCOPED_TRACE(name);
    const Terrain t = make_terrain(settings_of({name}));
    std::set<int> levels;
    int edges = 0;
    double last = 0;
    for (double x = -4; x < 0; x += 0.0005) {
      const double top = t.top_at(x, 0.1);
      const double steps = top / 0.23;
      ASSERT_NEAR(steps, std::round(steps), 1e-5) << "no ramp anywhere, at " << x;
      levels.insert(int(std::round(steps)));
      if (std::fabs(top - last) > 1e-5) {
        ++edges;
        ASSERT_NEAR(std::fabs(top - last), 0.23, 1e-5) << "one step at a time, at " << x;
      }
      last = top;
    }
    EXPECT_GE(edges, 8);
    EXPECT_EQ(int(levels.size()), edges + 1);
    EXPECT_EQ(*levels.begin() < 0, name == "stairs-down");
  }
}

/// Straight ahead from the start of a tile, all that is uneven: where it begins and ends, and its height [m].
struct Bump {
  double from, to, height;
};
std::vector<Bump> bumps_ahead(const std::string& name) {
  const Terrain t = make_terrain(settings_of({name}));
  std::vector<Bump> bumps;
  double last = 0;
  for (double x = 0; x < 3.999; x += 0.001) {
    const double top = t.top_at(x, 0.1);
    if (std::fabs(top - last) > 1e-5 && std::fabs(last) > 1e-5) bumps.back().to = x;
    if (std::fabs(top - last) > 1e-5 && std::fabs(top) > 1e-5) bumps.push_back({x, HUGE_VAL, top});
    last = top;
  }
  return bumps;
}

/// On a tile of 8 m the first obstacle begins 2 m from the start, on each side of it.
TEST(Terrain, ObstaclesStandAroundTheStart) {
  struct Case {
    const char* kind;
    std::vector<Bump> want;
  };
  for (const Case& c : {Case{"step-up", {{0, 2, -0.4}}}, Case{"step-down", {{0, 2, 0.4}}},
                        Case{"hurdles", {{2, 2.15, 0.25}, {3.2, 3.35, 0.25}}}, Case{"crawl", {{2, 2.6, 0.24 + 0.5}}}}) {
    SCOPED_TRACE(c.kind);
    const std::vector<Bump> bumps = bumps_ahead(c.kind);
    ASSERT_EQ(bumps.size(), c.want.size());
    for (std::size_t i = 0; i < bumps.size(); ++i) {
      EXPECT_NEAR(bumps[i].from, c.want[i].from, 2e-3);
      EXPECT_NEAR(bumps[i].to, c.want[i].to, 2e-3);
      EXPECT_NEAR(bumps[i].height, c.want[i].height, 1e-5);
    }
    const Terrain t = make_terrain(settings_of({c.kind}));
    for (const double along : {0.5, 1.9, 2.1, 2.5, 3.3, 3.95}) {
      const double ahead = t.top_at(along, 0.3);
      for (const auto& [x, y] : {std::pair{-along, 0.3}, std::pair{0.3, along}, std::pair{0.3, -along}}) {
        EXPECT_NEAR(t.top_at(x, y), ahead, 1e-6) << "at " << x << ", " << y;
      }
    }
  }
}

/// What a box may stand on comes before it (envs/legged/ground.hpp).
TEST(Terrain, ListsBeginWithTheLowestBottom) {
  GroundMap map;
  map.boxes = {{{0, 0, 0.7f}, {1, 1, 0.1f}}, {{0.2f, 0, 0.3f}, {0.3f, 0.3f, 0.1f}}, {{0, 0, 0.1f}, {1, 1, 0.1f}}};
  index_ground(map, 0.1, 0.5, [](double, double) { return std::string("map"); });
  const TerrainView view = map.view();
  for (const auto& [x, y, want] :
       {std::tuple{0.2, 0.1, std::array{2, 1, 0}}, std::tuple{-0.9, 0.8, std::array{2, 0, 3}}}) {
    for (int slot = 0; slot < view.boxes_per_cell; ++slot) {
      EXPECT_EQ(box_in(view, slot, Vec3<double>{x, y, 0}), want.at(static_cast<std::size_t>(slot))) << slot;
    }
  }
}

TEST(Terrain, OneLineSaysWhatIsWrong) {
  const auto refusal = [](auto&& change) -> std::string {
    TerrainSettings s = settings_of({"rough", "stairs-up"});
    change(s);
    try {
      make_terrain(s);
    } catch (const Error& error) {
      return error.what();
    }
    return "nothing";
  };
  using S = TerrainSettings&;
  EXPECT_EQ(refusal([](S) {}), "nothing");
  EXPECT_EQ(refusal([](S s) { s.kinds = {"stair-up"}; }), "terrain: no kind 'stair-up'; did you mean 'stairs-up'?");
  EXPECT_EQ(refusal([](S s) { s.tile = 0; }), "terrain: tile 0 m, it must be above 0");
  EXPECT_EQ(refusal([](S s) { s.tile = NAN; }), "terrain: tile nan m, it must be above 0");
  EXPECT_EQ(refusal([](S s) { s.spacing = 9; }), "terrain: spacing 9 m is above the tile's 8 m");
  EXPECT_EQ(refusal([](S s) { s.spacing = -1; }), "terrain: spacing -1 m, it must be above 0");
  EXPECT_EQ(refusal([](S s) { s.spacing = 0.15; }),
            "terrain: tile 8 m is not a whole number of spacings of 0.15 m; 7.95 m would be");
  EXPECT_EQ(refusal([](S s) { s.easiest = -0.1; }), "terrain: difficulty -0.1, it must be from 0 to 1");
  EXPECT_EQ(refusal([](S s) { s.hardest = 1.5; }), "terrain: difficulty 1.5, it must be from 0 to 1");
  EXPECT_EQ(refusal([](S s) { s.levels = 0; }), "terrain: levels 0, at least 1 is needed");
  EXPECT_EQ(refusal([](S s) { s.columns = 1; }), "terrain: columns 1 are too few for 2 kinds, which need one each");
  EXPECT_EQ(refusal([](S s) { s.border = -1; }), "terrain: border -1 m, it must be 0 or more");
  EXPECT_EQ(refusal([](S s) { s.tile = 3; }), "terrain: tile 3 m is too small for rough, which needs 4 m");
  EXPECT_EQ(refusal([](S s) { s.kinds = {"gap"}, s.spacing = 0.4; }),
            "terrain: spacing 0.4 m is too coarse for gap, 0.2 m at most");
  EXPECT_NE(refusal([](S s) { s.spacing = 1e-4; }).find("heights are too many, 1e+09 at most"), std::string::npos);
  const std::string crowded = refusal([](S s) { s.reach = 1; });
  EXPECT_NE(crowded.find("more than 8 boxes within 1 m of the cell at ("), std::string::npos) << crowded;
  EXPECT_NE(crowded.find("tile of level 0, column 1 (stairs-up)"), std::string::npos) << crowded;
}

TEST(Terrain, EveryBoxWithinReachIsListed) {
  const Terrain t = make_terrain(all_kinds());
  std::mt19937 generator(3);
  std::uniform_real_distribution<double> x(-7, 7), y(-43, 43), z(-0.5, 1);
  int touching = 0;
  for (int i = 0; i < 40000; ++i) {
    const Vec3<double> p{x(generator), y(generator), z(generator)};
    double want = HUGE_VAL, got = HUGE_VAL;
    for (const TerrainBox& b : t.boxes) {
      const double q[3] = {std::fabs(p.x - double(b.centre[0])) - double(b.half[0]),
                           std::fabs(p.y - double(b.centre[1])) - double(b.half[1]),
                           std::fabs(p.z - double(b.centre[2])) - double(b.half[2])};
      const double out = std::hypot(std::max(q[0], 0.0), std::max(q[1], 0.0), std::max(q[2], 0.0));
      want = std::min(want, out > 0 ? out : std::max({q[0], q[1], q[2]}));
    }
    for (int slot = 0; slot < t.boxes_per_cell; ++slot) got = std::min(got, touch_box(t.view(), slot, p, 0.0).distance);
    if (want > t.settings.reach) {
      EXPECT_GT(got, t.settings.reach - 1e-9);
      continue;
    }
    ++touching;
    ASSERT_NEAR(got, want, 1e-9);
  }
  EXPECT_GT(touching, 2000);
}

/// The terrain in MuJoCo, with a ball to move about.
struct Peer {
  ModelHandle model;
  DataHandle data;

  explicit Peer(const Terrain& terrain, double radius = 0.02) {
    const SpecHandle spec(mj_makeSpec());
    put_into(spec.get(), terrain);
    mjsBody* body = mjs_addBody(mjs_findBody(spec.get(), "world"), nullptr);
    mjs_addFreeJoint(body);
    mjsGeom* ball = mjs_addGeom(body, nullptr);
    ball->type = mjGEOM_SPHERE;
    ball->size[0] = radius;
    model.reset(mj_compile(spec.get(), nullptr));
    EXPECT_TRUE(model) << mjs_getError(spec.get());
    data.reset(mj_makeData(model.get()));
    place({0, 0, 50});
  }
  void place(Vec3<double> p) {
    data->qpos[0] = p.x, data->qpos[1] = p.y, data->qpos[2] = p.z;
    mj_fwdPosition(model.get(), data.get());
  }
};

TEST(Terrain, RaysInMujocoMeetTheSameTriangles) {
  for (const TerrainSettings& s :
       {all_kinds(), settings_of({"flat"}), settings_of({"slope-up", "rough", "stairs-down"})}) {
    const Terrain t = make_terrain(s);
    const Peer peer(t);
    const double wide = -double(t.view().origin_x), deep = -double(t.view().origin_y);
    std::mt19937 generator(4);
    std::uniform_real_distribution<double> x(-wide, wide), y(-deep, deep);
    double worst = 0, most_off_level = 0;
    for (int i = 0; i < 10000; ++i) {
      const double p[3] = {x(generator), y(generator), 10}, down[3] = {0, 0, -1};
      // In doubles: a wall of 87 degrees turns a rounding of x into one of z. Then in floats, where it is not so steep.
      const GroundPoint<double> ground = height_at(t.view(), p[0], p[1]);
      const int id = mj_name2id(peer.model.get(), mjOBJ_GEOM, "terrain");
      double ray = mj_rayHfield(peer.model.get(), peer.data.get(), id, p, down, nullptr);
      ASSERT_GE(ray, 0);
      worst = std::max(worst, std::fabs(10 - ray - ground.height));
      ASSERT_LE(std::fabs(10 - ray - ground.height), 1e-5) << "at " << p[0] << ", " << p[1];
      if (ground.normal.z > 0.5) {
        const GroundPoint<float> single = height_at(t.view(), float(p[0]), float(p[1]));
        ASSERT_LE(std::fabs(double(single.height) - ground.height), 2e-5);
      }
      most_off_level = std::max(most_off_level, std::fabs(ground.height));
      // With the boxes: what is seen from above.
      int hit = -1;
      ray = mj_ray(peer.model.get(), peer.data.get(), p, down, nullptr, 1, -1, &hit, nullptr);
      ASSERT_LE(std::fabs(10 - ray - t.top_at(p[0], p[1])), 1e-5) << "at " << p[0] << ", " << p[1];
    }
    RecordProperty("worst", std::to_string(worst));
    EXPECT_EQ(most_off_level > 0.05, t.settings.kinds.size() > 1);
  }
}

TEST(Terrain, BoxesTouchAsInMujoco) {
  const Terrain t = make_terrain(settings_of({"stairs-up", "obstacles"}));
  const double radius = 0.02;
  Peer peer(t, radius);
  std::mt19937 generator(5);
  std::uniform_real_distribution<double> x(-4, 4), y(-8, 8), off(-0.03, 0.019);
  int compared = 0;
  for (int i = 0; i < 3000; ++i) {
    Vec3<double> p{x(generator), y(generator), 0};
    p.z = t.top_at(p.x, p.y) + off(generator);
    peer.place(p);
    std::vector<std::array<double, 4>> want, got;
    for (int c = 0; c < peer.data->ncon; ++c) {
      const mjContact& contact = peer.data->contact[c];
      if (peer.model->geom_type[contact.geom[0]] == mjGEOM_HFIELD) continue;
      const double sign = peer.model->geom_type[contact.geom[0]] == mjGEOM_BOX ? 1 : -1;
      if (contact.dist < 0) {
        want.push_back({contact.dist, sign * contact.frame[0], sign * contact.frame[1], sign * contact.frame[2]});
      }
    }
    for (int slot = 0; slot < t.boxes_per_cell; ++slot) {
      const Touch<double> touch = touch_box(t.view(), slot, p, radius);
      if (touch.distance < 0) got.push_back({touch.distance, touch.normal.x, touch.normal.y, touch.normal.z});
    }
    ASSERT_EQ(got.size(), want.size()) << p.x << " " << p.y << " " << p.z;
    std::sort(got.begin(), got.end());
    std::sort(want.begin(), want.end());
    for (std::size_t k = 0; k < got.size(); ++k, ++compared) {
      for (std::size_t e = 0; e < 4; ++e) ASSERT_NEAR(got[k][e], want[k][e], e == 0 ? 1e-9 : 1e-6);
    }
  }
  EXPECT_GT(compared, 500);
}

}  // namespace
}  // namespace stampede
