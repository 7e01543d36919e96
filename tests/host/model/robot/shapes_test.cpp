/// \file Candidates for contact: places by hand, parameters as MuJoCo combines them, ground as its rays find it.
#include "host/model/robot/shapes.hpp"

#include <algorithm>
#include <cmath>
#include <random>

#include "tests/host/model/robot/robots.hpp"

namespace stampede {
namespace {

using test::expect_parts;
using test::load_text;
using test::quadruped;
using test::refusal_of;
using test::with;

/// One lane's candidate, with its kind.
struct Found {
  ContactKind kind;
  std::size_t lane;
  ContactModel<double> contact;
};

std::vector<Found> found_in(const RobotModel& robot) {
  std::vector<Found> found;
  const auto lanes = static_cast<std::size_t>(robot.size.limbs);
  for (std::size_t k = 0; k < robot.kind.size(); ++k) {
    for (std::size_t l = 0; l < lanes; ++l) {
      if (robot.contact[k * lanes + l].radius >= 0) found.push_back({robot.kind[k], l, robot.contact[k * lanes + l]});
    }
  }
  return found;
}

/// A trunk without shapes that meet anything and one leg, whose frame is its body's with the origin in the anchor.
std::string one_legged(const std::string& shapes, const std::string& floor = "", const std::string& more = "") {
  return "<mujoco><worldbody><geom name='floor' type='plane' size='0 0 1' " + floor +
         "/><body name='trunk' pos='0 0 2'><freejoint/><geom name='shell' size='0.1' contype='0' conaffinity='0'/>"
         "<body name='leg' pos='0.3 0 0'><joint name='hip' axis='0 0 1' pos='0.05 0 0'/>"
         "<inertial pos='0 0 0' mass='1' diaginertia='1 1 1'/>" +
         shapes + "</body></body></worldbody>" + more + "</mujoco>";
}

void expect_at(Vec3<double> point, double x, double y, double z) {
  EXPECT_TRUE(length(point - Vec3<double>{x, y, z}) <= 1e-12) << point.x << ' ' << point.y << ' ' << point.z;
}

TEST(Shapes, ASphereIsAPointWithARadius) {
  const std::vector<Found> found =
      found_in(load_text(one_legged("<geom type='sphere' size='0.03' pos='0.1 0.2 -0.3'/>")).robot);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].kind.shape, ContactShape::kPoint);
  EXPECT_EQ(found[0].kind.link, 1);
  EXPECT_EQ(found[0].contact.radius, 0.03);
  expect_at(found[0].contact.point, 0.05, 0.2, -0.3);
}

TEST(Shapes, ACapsuleIsItsTwoEnds) {
  const std::vector<Found> found =
      found_in(load_text(one_legged("<geom type='capsule' size='0.03' fromto='0.1 0 0 0.1 0.4 -0.3'/>")).robot);
  ASSERT_EQ(found.size(), 2u);
  for (const Found& end : found) {
    EXPECT_EQ(end.kind.shape, ContactShape::kPoint);
    EXPECT_EQ(end.contact.radius, 0.03);
    EXPECT_EQ(end.contact.half_length, 0);
    const Vec3<double> along{0, 0.8, -0.6};
    EXPECT_TRUE(std::abs(std::abs(dot(end.contact.axis, along)) - 1) <= 1e-12);
  }
  // The outermost first.
  expect_at(found[0].contact.point, 0.05, 0.4, -0.3);
  expect_at(found[1].contact.point, 0.05, 0, 0);
}

TEST(Shapes, ABoxIsItsCorners) {
  const std::vector<Found> found =
      found_in(load_text(one_legged("<geom type='box' size='0.1 0.2 0.3' pos='0.05 1 0'/>")).robot);
  ASSERT_EQ(found.size(), 8u);
  for (const double x : {-0.1, 0.1}) {
    for (const double y : {-0.2, 0.2}) {
      for (const double z : {-0.3, 0.3}) {
        const auto corner = std::find_if(found.begin(), found.end(), [&](const Found& f) {
          return length(f.contact.point - Vec3<double>{x, 1 + y, z}) <= 1e-12;
        });
        ASSERT_NE(corner, found.end()) << x << ' ' << y << ' ' << z;
        EXPECT_EQ(corner->kind.shape, ContactShape::kCorner);
        EXPECT_EQ(corner->contact.radius, 0);
        expect_at(corner->contact.axis, x, y, z);
      }
    }
  }
}

TEST(Shapes, ACylinderIsOne) {
  const std::vector<Found> found =
      found_in(load_text(one_legged("<geom type='cylinder' size='0.03 0.2' pos='0.05 0 -1' euler='0 90 0'/>")).robot);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].kind.shape, ContactShape::kCylinder);
  EXPECT_EQ(found[0].contact.radius, 0.03);
  EXPECT_EQ(found[0].contact.half_length, 0.2);
  expect_at(found[0].contact.point, 0, 0, -1);
  EXPECT_TRUE(std::abs(std::abs(found[0].contact.axis.x) - 1) <= 1e-12);
}

TEST(Shapes, OnlyWhatCanMeetTheGroundIsThere) {
  const auto count = [](const std::string& shape, const std::string& floor, const std::string& more = "") {
    return found_in(load_text(one_legged("<geom size='0.1' " + shape + "/>", floor, more)).robot).size();
  };
  EXPECT_EQ(count("", ""), 1u);
  EXPECT_EQ(count("contype='0'", "conaffinity='0'"), 1u) << "either side's type will do";
  EXPECT_EQ(count("conaffinity='0'", "contype='0'"), 1u);
  EXPECT_EQ(count("contype='0' conaffinity='0'", ""), 0u);
  EXPECT_EQ(count("contype='0' conaffinity='2'", ""), 0u) << "another bit";
  EXPECT_EQ(count("contype='0' conaffinity='6'", "contype='4'"), 1u);
  EXPECT_EQ(count("", "", "<contact><exclude body1='world' body2='trunk'/></contact>"), 1u) << "another body's";
  EXPECT_EQ(count("", "", "<contact><exclude body1='leg' body2='world'/></contact>"), 0u);
  const CompiledRobot off = load_text(
      with(one_legged("<geom size='0.1'/>"), "<worldbody>", "<option><flag contact='disable'/></option><worldbody>"));
  EXPECT_EQ(found_in(off.robot).size(), 0u);
  ASSERT_EQ(off.notes.size(), 1u);
  expect_parts(off.notes[0], {"contacts are switched off"});
}

TEST(Shapes, ParametersAreCombinedAsMujocoDoes) {
  struct Case {
    const char *foot, *floor;
  };
  for (const Case& c :
       {Case{"", ""}, Case{"friction='0.4'", "friction='0.9'"}, Case{"friction='1.4'", "friction='0.9'"},
        Case{"friction='0.4' priority='1'", "friction='0.9' solref='0.03 0.8' margin='0.02'"},
        Case{"friction='0.4'", "friction='0.2' priority='2' solimp='0.5 0.6 0.01 0.4 3'"},
        Case{"condim='1'", "condim='1'"}, Case{"condim='1'", "condim='3'"},
        Case{"condim='1' priority='1'", "condim='3'"},
        Case{"solref='0.01 1' solmix='3'", "solref='0.05 0.5' solmix='1'"},
        Case{"solimp='0.8 0.9 0.002 0.5 2' solmix='0'", "solimp='0.5 0.6 0.01 0.4 3'"},
        Case{"solimp='0.8 0.9 0.002 0.5 2' solmix='0'", "solimp='0.5 0.6 0.01 0.4 3' solmix='0'"},
        Case{"solref='-3000 -90'", "solref='0.02 1'"}, Case{"margin='0.01'", "margin='0.03'"}}) {
    SCOPED_TRACE(std::string(c.foot) + " on " + c.floor);
    const CompiledRobot compiled =
        load_text(one_legged("<geom type='sphere' size='0.1' " + std::string(c.foot) + "/>", c.floor));
    const std::vector<Found> found = found_in(compiled.robot);
    ASSERT_EQ(found.size(), 1u);
    const ContactModel<double>& ours = found[0].contact;
    const mjModel* m = compiled.model.get();
    const DataHandle data(mj_makeData(m));
    data->qpos[2] = 0.09;
    mj_forward(m, data.get());
    ASSERT_EQ(data->ncon, 1);
    const mjContact& theirs = data->contact[0];
    EXPECT_EQ(ours.friction, theirs.dim == 1 ? 0 : theirs.friction[0]);
    EXPECT_NEAR(ours.margin, theirs.includemargin, 1e-15);
    const Softness<double> wanted = softness_of(theirs.solref, theirs.solimp, m->opt.timestep, true);
    EXPECT_NEAR(ours.softness.stiffness / wanted.stiffness, 1, 1e-12);
    EXPECT_NEAR(ours.softness.damping / wanted.damping, 1, 1e-12);
    EXPECT_NEAR(ours.softness.slack, wanted.slack, 1e-15);
    EXPECT_NEAR(ours.softness.rise, wanted.rise, 1e-15);
    EXPECT_NEAR(ours.softness.inverse_width / wanted.inverse_width, 1, 1e-12);
    EXPECT_NEAR(ours.softness.midpoint, wanted.midpoint, 1e-15);
    EXPECT_NEAR(ours.softness.power, wanted.power, 1e-14);
    EXPECT_EQ(found[0].kind.square, wanted.power == 2);
    EXPECT_EQ(ours.weight, m->body_invweight0[2 * mj_name2id(m, mjOBJ_BODY, "leg")]);
  }
}

TEST(Shapes, TheBasesCornersGoToTheNearestLimbs) {
  const RobotModel robot = load_text(quadruped()).robot;
  std::vector<int> corners(4, 0);
  int cylinders = 0;
  for (const Found& f : found_in(robot)) {
    if (f.kind.link != 0) continue;
    cylinders += f.kind.shape == ContactShape::kCylinder;
    if (f.kind.shape != ContactShape::kCorner) continue;
    ++corners[f.lane];
    // Limbs 0 and 1 are in front, 0 and 2 on the left. The trunk's middle is at x = 0.01.
    EXPECT_EQ(f.contact.point.x > 0.01, f.lane < 2) << f.lane;
    EXPECT_EQ(f.contact.point.y > 0, f.lane % 2 == 0) << f.lane;
  }
  EXPECT_EQ(corners, (std::vector<int>{2, 2, 2, 2}));
  EXPECT_EQ(cylinders, 1) << "the lidar is one lane's";
}

TEST(Shapes, TheBasesShareIsEvenWhereAllAreNearOneLimb) {
  std::string text = quadruped();
  // Eight balls about the root of limb 0.
  for (int i = 0; i < 8; ++i) {
    text = with(text, "<geom name=\"trunk\"",
                "<geom type='sphere' size='0.01' pos='0.2" + std::to_string(i) + " 0.05 0'/><geom name=\"trunk\"");
  }
  std::vector<int> balls(4, 0);
  for (const Found& f : found_in(load_text(text).robot)) {
    if (f.kind.link == 0 && f.kind.shape == ContactShape::kPoint) ++balls[f.lane];
  }
  EXPECT_EQ(balls, (std::vector<int>{2, 2, 2, 2}));
}

TEST(Shapes, FeetAreTheLastLinksOrThoseThatAreNamed) {
  const auto links_of_feet = [](const LoadOptions& options) {
    std::vector<int> links;
    for (const Found& f : found_in(load_text(quadruped(), "robot.xml", options).robot)) {
      if (f.kind.foot) links.push_back(f.kind.link);
    }
    return links;
  };
  EXPECT_EQ(links_of_feet({}), (std::vector<int>{3, 3, 3, 3}));
  LoadOptions thighs;
  thighs.feet = {"thigh0", "thigh1", "thigh2", "thigh3"};
  EXPECT_EQ(links_of_feet(thighs), std::vector<int>(8, 2)) << "two ends of each";
  LoadOptions trunk;
  trunk.feet = {"trunk"};
  EXPECT_TRUE(links_of_feet(trunk).empty()) << "what belongs to no limb is no foot of one";
}

TEST(Shapes, ThePlaneIsWhereItIsInTheWorld) {
  const std::string floor = "<geom name='floor' type='plane' size='0 0 1' ";
  const std::string text = with(one_legged("<geom size='0.1'/>"), floor,
                                "<body pos='1 2 3' euler='0 0 90'>" + floor + "pos='0.5 0 0.1' euler='30 0 0' ");
  const RobotModel robot = load_text(with(text, "/><body name='trunk'", "/></body><body name='trunk'")).robot;
  ASSERT_TRUE(robot.plane.present);
  EXPECT_EQ(robot.map, nullptr);
  // x along the world's y; the normal leans by 30 degrees against the body's y, which is the world's -x.
  expect_at(robot.plane.point, 1, 2.5, 3.1);
  expect_at(robot.plane.normal, 0.5, 0, std::sqrt(0.75));
}

TEST(Shapes, TheMapIsAsHighAsMujocosRaysFindIt) {
  std::string text = one_legged("<geom type='sphere' size='0.1'/>");
  text =
      with(text, "<worldbody>",
           "<asset><hfield name='hills' nrow='4' ncol='6' size='2.5 1.5 0.8 0.1' elevation='0 1 2 3 4 5  5 0 3 1 4 2 "
           " 1 1 4 0 2 3  2 5 1 3 0 4'/></asset><worldbody>"
           "<geom type='box' size='0.3 0.7 0.5' pos='1 0.4 0.6' euler='0 0 90'/>"
           "<geom type='box' size='0.5 0.2 0.4' pos='-1 0.3 0.9' euler='90 0 0'/>");
  text = with(text, "name='floor' type='plane' size='0 0 1'", "type='hfield' hfield='hills' pos='0.3 -0.2 0.1'");
  const CompiledRobot compiled = load_text(text);
  EXPECT_FALSE(compiled.robot.plane.present);
  ASSERT_NE(compiled.robot.map, nullptr);
  const GroundMap& map = *compiled.robot.map;
  EXPECT_EQ(map.spacing, 1);
  EXPECT_NEAR(map.low_x(), 0.3 - 2.5, 1e-12);
  EXPECT_NEAR(map.high_y(), -0.2 + 1.5, 1e-12);
  const mjModel* m = compiled.model.get();
  const DataHandle data(mj_makeData(m));
  data->qpos[0] = 50;  // the robot is out of the rays' way
  mj_forward(m, data.get());
  std::mt19937 generator(1);
  std::uniform_real_distribution<double> uniform(0.01, 0.99);
  const double down[3] = {0, 0, -1};
  int boxes = 0;
  for (int i = 0; i < 2000; ++i) {
    const double x = map.low_x() + (map.high_x() - map.low_x()) * uniform(generator);
    const double y = map.low_y() + (map.high_y() - map.low_y()) * uniform(generator);
    const double from[3] = {x, y, 10};
    int geom = -1;
    const double there = 10 - mj_ray(m, data.get(), from, down, nullptr, 1, -1, &geom, nullptr);
    ASSERT_GE(geom, 0);
    boxes += m->geom_type[geom] == mjGEOM_BOX;
    ASSERT_TRUE(std::abs(map.top_at(x, y) - there) <= 1e-5) << x << ' ' << y << ": " << map.top_at(x, y);
  }
  EXPECT_GT(boxes, 100);
}

TEST(Shapes, WhatIsNotSimulatedIsRefusedByName) {
  const std::string foot = "<geom name='foot' size='0.1'/>";
  expect_parts(refusal_of(one_legged("<geom name='foot' type='ellipsoid' size='0.1 0.2 0.1'/>")),
               {"geom 'foot'", "ellipsoid", "import"});
  expect_parts(refusal_of(with(one_legged(foot), "<worldbody>", "<worldbody><geom name='rock' size='1'/>")),
               {"geom 'rock'", "sphere", "import"});
  expect_parts(
      refusal_of(with(one_legged(foot), "<worldbody>", "<worldbody><geom name='wall' type='plane' size='1 1 1'/>")),
      {"geom 'floor'", "second plane", "geom 'wall'"});
  expect_parts(refusal_of(with(one_legged(foot), "<worldbody>",
                               "<worldbody><geom name='step' type='box' size='1 1 1' friction='2'/>")),
               {"geom 'floor'", "other contact parameters", "geom 'step'"});
  // What nothing of the robot touches may be of any kind.
  EXPECT_NO_THROW(load_text(with(one_legged(foot), "<worldbody>",
                                 "<worldbody><geom type='ellipsoid' size='1 1 1' contype='0' conaffinity='0'/>")));
}

TEST(Shapes, WhatPassesThroughEachOtherIsNoted) {
  const auto notes = [](const std::string& shell) {
    return load_text(with(one_legged("<body pos='0 0 -1'><joint/><geom name='foot' size='0.1'/></body>"),
                          "contype='0' conaffinity='0'", shell))
        .notes;
  };
  EXPECT_TRUE(notes("contype='0' conaffinity='0'").empty());
  const std::vector<std::string> noted = notes("");
  ASSERT_EQ(noted.size(), 1u);
  expect_parts(noted[0], {"pass through each other", "geom 'shell'", "geom 'foot'"});
  // Parent and child are not told: MuJoCo lets them pass, too.
  EXPECT_TRUE(load_text(with(one_legged("<geom size='0.1'/>"), "contype='0' conaffinity='0'", "")).notes.empty());
}

TEST(Shapes, ARobotWithNothingToStandOnIsNoted) {
  const std::vector<std::string> notes =
      load_text(one_legged("<geom size='0.1'/>", "contype='0' conaffinity='0'")).notes;
  ASSERT_EQ(notes.size(), 1u);
  expect_parts(notes[0], {"nothing that the robot could stand on", "import"});
}

}  // namespace
}  // namespace stampede
