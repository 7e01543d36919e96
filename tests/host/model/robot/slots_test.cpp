/// \file The lowest point of a robot, beside MuJoCo's contacts; how many contacts a lane can have, by hand.
#include <cmath>
#include <random>

#include "host/model/robot/shapes.hpp"
#include "tests/host/model/robot/robots.hpp"

namespace stampede {
namespace {

using test::load_text;
using test::quadruped;
using test::with;

/// A free trunk without shapes and a leg with some, two metres above a plane.
std::string one_legged(const std::string& shapes) {
  return "<mujoco><worldbody><geom name='floor' type='plane' size='0 0 1'/>"
         "<body pos='0 0 2' quat='1 0.2 0.4 -0.1'><freejoint/><geom size='0.1' contype='0' conaffinity='0'/>"
         "<body pos='0.3 0.1 0' quat='1 0 0.3 0.2'><joint axis='0.2 1 0' pos='0.05 0 0.1' ref='20'/>"
         "<inertial pos='0 0 0' mass='1' diaginertia='1 1 1'/>" +
         shapes + "</body></body></worldbody></mujoco>";
}

/// In random poses the lowest point is as far above the plane as MuJoCo's nearest contact, which a wide margin lets it find.
void expect_mujocos_distance(const std::string& text) {
  const CompiledRobot compiled = load_text(text);
  const mjModel* m = compiled.model.get();
  const DataHandle data(mj_makeData(m));
  std::mt19937 generator(1);
  std::normal_distribution<double> normal;
  for (int state = 0; state < 50; ++state) {
    for (int i = 3; i < m->nq; ++i) data->qpos[i] = normal(generator);
    mj_normalizeQuat(m, data->qpos);
    mj_forward(m, data.get());
    ASSERT_GT(data->ncon, 0);
    double nearest = 1e30;
    for (int i = 0; i < data->ncon; ++i) nearest = std::min(nearest, data->contact[i].dist);
    const double lowest = lowest_point(compiled.robot, data->qpos);
    EXPECT_TRUE(std::abs(data->qpos[2] + lowest - nearest) <= 1e-12) << data->qpos[2] + lowest << " is not " << nearest;
  }
}

TEST(LowestPoint, IsWhereMujocosNearestContactIs) {
  for (const char* shape : {"type='sphere' size='0.1'", "type='capsule' size='0.04 0.2'",
                            "type='box' size='0.1 0.2 0.3'", "type='cylinder' size='0.1 0.2'"}) {
    SCOPED_TRACE(shape);
    expect_mujocos_distance(
        one_legged("<geom margin='9' pos='0.1 -0.2 -0.4' quat='1 0.3 -0.5 0.2' " + std::string(shape) + "/>"));
  }
  expect_mujocos_distance(with(with(quadruped(), "<geom contype=\"0\"", "<geom margin='9' contype='0'"),
                               "<body name=\"trunk\" pos=\"0 0 0.4\"", "<body name='trunk' pos='0 0 2'"));
}

TEST(LowestPoint, OfEachLaneIsFromTheBaseInWorldAxes) {
  const RobotModel robot = load_text(R"(<mujoco><worldbody><geom type="plane" size="0 0 1"/>
    <body pos="7 8 9"><freejoint/><geom size="0.1" contype="0" conaffinity="0"/>
      <body pos="0 0 0"><joint axis="0 0 1"/><geom type="sphere" size="0.1" pos="0.3 0 -0.5"/>
        <geom type="sphere" size="0.1" pos="1 0 -0.4"/></body>
      <body pos="1 0 0"><joint axis="0 0 1"/><geom size="0.1" contype="0" conaffinity="0"/></body>
    </body></worldbody></mujoco>)")
                               .robot;
  // The base is turned by a quarter to the left about z.
  const double half = std::sqrt(0.5);
  const std::vector<double> qpos = {7, 8, 9, half, 0, 0, half, 0, 0};
  std::vector<Vec3<double>> lowest = lowest_points(robot, qpos.data());
  ASSERT_EQ(lowest.size(), 2u);
  EXPECT_TRUE(length(lowest[0] - Vec3<double>{0, 0.3, -0.6}) <= 1e-12);
  EXPECT_EQ(lowest[1].z, 1e30) << "a lane without shapes";
  EXPECT_NEAR(lowest_point(robot, qpos.data()), -0.6, 1e-12);
  // Along another axis, the world's -y, it is the farther ball.
  lowest = lowest_points(robot, qpos.data(), {0, -1, 0});
  EXPECT_TRUE(length(lowest[0] - Vec3<double>{0, 1, -1.1}) <= 1e-12);
}

TEST(Slots, AreAsManyAsAShapeHasPointsBelow) {
  const auto slots = [](const std::string& shapes) { return measured_slots(load_text(one_legged(shapes)).robot); };
  EXPECT_EQ(slots(""), 1) << "never none";
  EXPECT_EQ(slots("<geom type='sphere' size='0.02'/>"), 1);
  EXPECT_EQ(slots("<geom type='capsule' size='0.02 0.02'/>"), 2);
  EXPECT_EQ(slots("<geom type='box' size='0.02 0.02 0.02'/>"), 4) << "the lower side's corners";
  EXPECT_EQ(slots("<geom type='cylinder' size='0.02 0.02'/>"), 4);
  std::string balls;
  for (int i = 0; i < kMaxContacts - 1; ++i) balls += "<geom size='0.01' pos='0.00" + std::to_string(i) + " 0 0'/>";
  EXPECT_EQ(slots(balls), kMaxContacts - 1);
  EXPECT_EQ(slots(balls + balls), kMaxContacts) << "never more than are simulated";
}

TEST(Slots, AreThoseOfOneLane) {
  std::string feet_only = quadruped();
  for (const std::string& part :
       {std::string("name=\"trunk\" type"), std::string("name=\"lidar\" type"), std::string("name='thigh0' type"),
        std::string("name='thigh1' type"), std::string("name='thigh2' type"), std::string("name='thigh3' type")}) {
    feet_only = with(feet_only, part, "conaffinity='0' " + part);
  }
  EXPECT_EQ(measured_slots(load_text(feet_only).robot), 1) << "four feet, one a lane";
}

TEST(Slots, OnAMapThereAreFourMore) {
  const std::string block =
      with(one_legged("<geom size='0.02'/>"), "type='plane' size='0 0 1'", "type='box' size='1 1 1'");
  EXPECT_EQ(measured_slots(load_text(block).robot), 1 + 4);
}

TEST(Slots, OfAFixedBaseAreWhatItsJointsCanReach) {
  // An arm of half a metre with two balls at its end, each with 5 cm around it.
  const auto slots = [](const char* height, const char* range) {
    return measured_slots(
        load_text(
            "<mujoco><worldbody><geom type='plane' size='0 0 1'/><body pos='0 0 " + std::string(height) +
            "'><joint axis='0 1 0' range='" + range +
            "'/><geom size='0.05' pos='0 0 -0.5'/><geom size='0.05' pos='0.1 0 -0.5'/></body></worldbody></mujoco>")
            .robot);
  };
  EXPECT_EQ(slots("0.45", "-90 90"), 2);
  EXPECT_EQ(slots("0.45", "100 170"), 1) << "it points upwards";
  EXPECT_EQ(slots("1", "-90 90"), 1) << "too high above the plane";
}

}  // namespace
}  // namespace stampede
