/// \file Robots on heights and boxes: beside MuJoCo where its contacts are made alike, beside a tilted plane where the
/// heights lie in one, and never skipped where something touches.

#include "host/model/terrain/ground_index.hpp"
#include "host/peers/parity.hpp"
#include "host/peers/scenes.hpp"
#include "tests/host/peers/testing.hpp"

namespace stampede::test {
namespace {

/// The quadruped with spheres for feet, and nothing else that touches: of MuJoCo's pairs with a box, spheres' are ours.
std::string on_feet(const std::string& ground) {
  std::string text = with(quadruped(), "quat=\"0.9 0.1 -0.2 0.3\"", "");
  for (const char* part : {"name=\"trunk\" type=\"box\"", "name=\"lidar\" type=\"cylinder\""}) {
    text = with(text, part, std::string(part) + " conaffinity='0'");
  }
  for (int l = 0; l < 4; ++l) {
    const std::string thigh = "name='thigh" + std::to_string(l) + "' type='capsule'";
    text = with(text, thigh, thigh + " conaffinity='0'");
  }
  text = with(text, "<body name=\"trunk\" pos=\"0 0 0.4\"", ground + "<body name=\"trunk\" pos=\"0 0 0.4\"");
  return with(text, "</mujoco>",
              "<keyframe><key qpos='0 0 0.45 1 0 0 0 0.1 0.7 -1.4 0.1 0.7 -1.4 0.1 0.7 -1.4 0.1 0.7 -1.4'/></keyframe>"
              "</mujoco>");
}

/// Steps, a wall, and a block that is turned by a quarter.
const char* const kBlocks =
    "<geom type='box' contype='1' conaffinity='0' size='0.15 0.4 0.1' pos='0.25 0 -0.05'/>"
    "<geom type='box' contype='1' conaffinity='0' size='0.1 0.4 0.1' pos='0.45 0 0.02'/>"
    "<geom type='box' contype='1' conaffinity='0' size='0.3 0.1 0.2' pos='-0.2 0.35 0' euler='0 0 1.5707963267948966'/>"
    "<geom type='box' contype='1' conaffinity='0' size='0.1 0.1 0.3' pos='-0.5 -0.2 0'/>";

TEST(GroundSlow, OneStepOnBoxesIsMujocos) {
  const CompiledRobot compiled = load_text(on_feet(kBlocks));
  ASSERT_NE(compiled.robot.map, nullptr);
  EXPECT_EQ(compiled.robot.map->boxes.size(), 4u);
  EXPECT_TRUE(compiled.robot.plane.present);
  const Parity p = compare_with_mujoco(cpu_engine(), compiled.robot, compiled.model.get(), 400, 1);
  EXPECT_GT(p.contacts_mean, 0.5);
  EXPECT_EQ(p.over_slots, 0);
  // Boxes are kept in floats: their places are a rounding off.
  EXPECT_TRUE(p.in_double.contact_median <= 1e-8) << p.in_double.contact_median;
  EXPECT_TRUE(p.in_double.contact_p99 <= 1e-4) << p.in_double.contact_p99;
  EXPECT_TRUE(p.in_float.contact_p99 <= 1e-4) << p.in_float.contact_p99;
  figure("double p99", p.in_double.contact_p99);
  figure("float p99", p.in_float.contact_p99);
}

/// As above with numbers that floats hold exactly.
TEST(GroundSlow, OneStepOnBoxesOfRoundNumbersIsMujocosToRounding) {
  std::string blocks;
  for (const char* place : {"0.25 0 -0.0625", "0.5 0 0", "-0.25 0.375 0", "-0.5 -0.25 0.0625"}) {
    blocks += std::string("<geom type='box' contype='1' conaffinity='0' size='0.125 0.25 0.125' pos='") + place + "'/>";
  }
  const CompiledRobot compiled = load_text(on_feet(blocks));
  const Parity p = compare_with_mujoco(cpu_engine(), compiled.robot, compiled.model.get(), 400, 2);
  EXPECT_GT(p.contacts_mean, 0.5);
  EXPECT_TRUE(p.in_double.contact_p99 <= 1e-8)
      << p.in_double.contact_p99 << ", largest " << p.in_double.contact_largest;
  EXPECT_TRUE(p.in_float.contact_p99 <= 5e-5) << p.in_float.contact_p99 << ", largest " << p.in_float.contact_largest;
  figure("double p99", p.in_double.contact_p99);
  figure("float p99", p.in_float.contact_p99);
}

/// Heights that lie in a tilted plane are that plane.
TEST(GroundSlow, HeightsInAPlaneAreThePlane) {
  const double slope_x = 0.125, slope_y = -0.0625;
  RobotModel on_plane = load_text(on_feet("")).robot;
  const double scale = 1 / std::sqrt(1 + slope_x * slope_x + slope_y * slope_y);
  on_plane.plane.normal = {-slope_x * scale, -slope_y * scale, scale};
  RobotModel on_heights = on_plane;
  const auto map = std::make_shared<GroundMap>();
  map->rows = 65, map->columns = 81, map->spacing = 0.0625, map->origin_x = -2.5, map->origin_y = -2;
  for (int r = 0; r < map->rows; ++r) {
    for (int c = 0; c < map->columns; ++c) {
      map->heights.push_back(static_cast<float>(slope_x * (map->origin_x + c * map->spacing) +
                                                slope_y * (map->origin_y + r * map->spacing)));
    }
  }
  index_ground(*map, 0.03, 0.5, [](double, double) { return std::string("test"); });
  on_heights.remove_ground();
  on_heights.map = map;

  const int envs = 64;
  const Scene scene = make_scene("trot", on_plane, envs, 25, 0.02, 5);
  for (const bool in_double : {true, false}) {
    const auto a = simulate(on_plane, envs, in_double), b = simulate(on_heights, envs, in_double);
    const auto nq = at(on_plane.nq), nv = at(on_plane.nv), nu = at(on_plane.nu);
    Numbers q(nq), v(nv), acc(nv), errors;
    double contacts = 0;
    for (int env = 0; env < envs; ++env) a->set_state(env, &scene.qpos[at(env) * nq], &scene.qvel[at(env) * nv]);
    for (int t = 0; t < scene.control_steps; ++t) {
      for (int env = 0; env < envs; ++env) {
        const double* u = &scene.ctrl[(at(t) * at(envs) + at(env)) * nu];
        a->set_control(0, env, u);
        b->set_control(0, env, u);
        a->get_state(env, q.data(), v.data(), acc.data());
        b->set_state(env, q.data(), v.data(), acc.data());
        a->set_state(env, q.data(), v.data(), acc.data());
      }
      const auto want = a->inspect(0), got = b->inspect(0);
      for (int env = 0; env < envs; ++env) {
        EXPECT_EQ(got[at(env)].contacts, want[at(env)].contacts);
        contacts += want[at(env)].contacts;
        errors.push_back(distance(got[at(env)].qacc, want[at(env)].qacc.data()) / norm(want[at(env)].qacc));
      }
      a->step(0, 10);
    }
    EXPECT_GT(contacts, 1000);
    const double p99 = quantile(errors, 0.99);
    EXPECT_TRUE(p99 <= (in_double ? 1e-6 : 2e-3)) << p99;
    figure(in_double ? "double p99" : "float p99", p99);
  }
}

/// A link is skipped by its clearance only where nothing of it can touch.
TEST(Ground, ClearanceIsNeverAboveTheDistance) {
  TerrainSettings settings;
  settings.levels = 1, settings.border = 1;
  const Terrain t = make_terrain(with_kinds(settings, "all"));
  const RoughGround<double> ground{false, true, {0, 0, 0}, {0, 0, 1}, t.view()};
  std::mt19937 generator(6);
  std::uniform_real_distribution<double> uniform(-1, 1);
  int near = 0, skipped = 0;
  for (int i = 0; i < 20000; ++i) {
    const Vec3<double> link{6 * uniform(generator), 43 * uniform(generator), uniform(generator)};
    const double reach = 0.2 + 0.2 * uniform(generator), radius = 0.04;
    const Vec3<double> aside{uniform(generator), uniform(generator), uniform(generator)};
    const double away = std::sqrt(dot(aside, aside));
    if (away > 1 || reach < radius) continue;
    const Vec3<double> point = link + aside * (reach - radius);
    bool touches = false;
    for (int surface = 0; surface < ground.surfaces(); ++surface) {
      Touch<double> touch{};
      if (ground.touch(surface, point, radius, 0.0, touch)) touches |= touch.distance < 0;
    }
    const bool looked_at = ground.link_clearance(link) < reach;
    ASSERT_TRUE(!touches || ground.sphere_clearance(point) < radius) << point.x << " " << point.y << " " << point.z;
    near += touches;
    skipped += !looked_at;
    ASSERT_TRUE(looked_at || !touches) << link.x << " " << link.y << " " << link.z;
  }
  EXPECT_GT(near, 1000);
  EXPECT_GT(skipped, 1000);
}

TEST(Ground, WhatIsNotAlongTheAxesIsRefusedByName) {
  const auto refusal = [](const std::string& geom, const std::string& asset = "") {
    return refusal_of(with(on_feet(geom), "<worldbody>", asset + "<worldbody>"));
  };
  const std::string field = "<asset><hfield name='f' nrow='5' ncol='5' size='1 1 0.2 0.1'/></asset>";
  EXPECT_NE(refusal("<geom name='ramp' type='box' contype='1' size='1 1 1' euler='0 0.3 0'/>")
                .find("geom 'ramp' is a box of the world that is turned"),
            std::string::npos);
  EXPECT_NE(refusal("<geom name='hill' type='hfield' contype='1' hfield='f' euler='0 0 0.3'/>", field)
                .find("geom 'hill' is a heightfield that is turned"),
            std::string::npos);
  EXPECT_NE(
      refusal("<geom name='hill' type='hfield' contype='1' hfield='f'/><geom type='hfield' contype='1' hfield='f'/>",
              field)
          .find("is a second heightfield, beside geom 'hill'"),
      std::string::npos);
  EXPECT_NE(refusal("<geom name='hill' type='hfield' contype='1' hfield='f'/>",
                    "<asset><hfield name='f' nrow='5' ncol='9' size='1 1 0.2 0.1'/></asset>")
                .find("is a heightfield with cells of 0.25 x 0.5 m; square cells would be right"),
            std::string::npos);
}

/// What the program makes is what MuJoCo has: heights and boxes, with the plane's contact parameters.
TEST(Ground, GeneratedGroundReplacesThePlane) {
  LoadOptions options;
  TerrainSettings settings;
  settings.levels = 1, settings.border = 1, settings.seed = 3;
  options.terrain = with_kinds(settings, "stairs-down,rough");
  const CompiledRobot compiled = load_robot("go2", options), flat = load_robot("go2");
  const Terrain terrain = make_terrain(*options.terrain);
  const GroundMap& map = *compiled.robot.map;
  EXPECT_FALSE(compiled.robot.plane.present);
  ASSERT_EQ(map.boxes.size(), terrain.boxes.size());
  ASSERT_EQ(map.heights.size(), terrain.heights.size());
  for (std::size_t i = 0; i < map.heights.size(); ++i) {
    ASSERT_NEAR(double(map.heights[i]), double(terrain.heights[i]), 1e-6);
  }
  EXPECT_NEAR(map.origin_x, terrain.origin_x, 1e-9);
  EXPECT_NEAR(map.spacing, terrain.spacing, 1e-9);
  ASSERT_EQ(compiled.robot.contact.size(), flat.robot.contact.size());
  for (std::size_t i = 0; i < flat.robot.contact.size(); ++i) {
    EXPECT_EQ(compiled.robot.contact[i].friction, flat.robot.contact[i].friction);
    EXPECT_EQ(compiled.robot.contact[i].softness.stiffness, flat.robot.contact[i].softness.stiffness);
  }
  EXPECT_EQ(compiled.robot.options.slots, std::min(flat.robot.options.slots + 4, kMaxContacts));
}

}  // namespace
}  // namespace stampede::test
