/// \file Bodies as a base and limbs: which belongs where, against MuJoCo's kinematics; and what things are called.
#include "host/model/robot/limbs.hpp"

#include "tests/host/model/robot/robots.hpp"

namespace stampede {
namespace {

using test::compile_text;
using test::quadruped;

int body_of(const mjModel* model, const std::string& name) {
  const int body = mj_name2id(model, mjOBJ_BODY, name.c_str());
  EXPECT_GE(body, 0) << name;
  return std::max(0, body);
}

/// "limb/link", "base" or "world".
std::string part_of(const mjModel* model, const Limbs& limbs, const std::string& body) {
  const Part& part = limbs.part[static_cast<std::size_t>(body_of(model, body))];
  if (part.world) return "world";
  return part.limb < 0 ? "base" : std::to_string(part.limb) + "/" + std::to_string(part.link);
}

std::vector<std::string> joints_of(const mjModel* model, const Limbs& limbs, std::size_t limb) {
  std::vector<std::string> names;
  for (const int joint : limbs.chain[limb]) names.push_back(plain_name(model, mjOBJ_JOINT, joint));
  return names;
}

/// Poses in the base's frame beside MuJoCo's at the reference position, of all bodies below the base.
void expect_mujocos_poses(const mjModel* model, const Limbs& limbs) {
  const DataHandle data(mj_makeData(model));
  mj_kinematics(model, data.get());
  const Pose base = limbs.base == 0 ? Pose{} : pose_at(data->xpos + 3 * limbs.base, data->xquat + 4 * limbs.base);
  for (int body = std::max(1, limbs.base); body < model->nbody; ++body) {
    const Pose there = seen_from(base, pose_at(data->xpos + 3 * body, data->xquat + 4 * body));
    const Pose& ours = limbs.pose[static_cast<std::size_t>(body)];
    EXPECT_TRUE(length(there.origin - ours.origin) <= 1e-14) << body;
    for (const auto& [a, b] : {std::pair{there.axes.x, ours.axes.x}, {there.axes.y, ours.axes.y}}) {
      EXPECT_TRUE(length(a - b) <= 1e-14) << body;
    }
  }
}

TEST(Limbs, OfAQuadruped) {
  const ModelHandle model = compile_text(quadruped());
  const Limbs limbs = find_limbs(model.get(), "robot.xml");
  EXPECT_TRUE(limbs.floating);
  EXPECT_EQ(limbs.base, body_of(model.get(), "trunk"));
  ASSERT_EQ(limbs.chain.size(), 4u);
  for (std::size_t l = 0; l < 4; ++l) {
    const std::string n = std::to_string(l);
    EXPECT_EQ(joints_of(model.get(), limbs, l), (std::vector<std::string>{"haa" + n, "hfe" + n, "kfe" + n}));
    EXPECT_EQ(part_of(model.get(), limbs, "hip" + n), n + "/1");
    EXPECT_EQ(part_of(model.get(), limbs, "thigh" + n), n + "/2");
    EXPECT_EQ(part_of(model.get(), limbs, "rotor" + n), n + "/2") << "it has no joint and goes with the thigh";
    EXPECT_EQ(part_of(model.get(), limbs, "shank" + n), n + "/3");
  }
  EXPECT_EQ(part_of(model.get(), limbs, "trunk"), "base");
  EXPECT_EQ(part_of(model.get(), limbs, "lidar"), "base");
  EXPECT_EQ(part_of(model.get(), limbs, "world"), "world");
  expect_mujocos_poses(model.get(), limbs);
}

TEST(Limbs, OfWhatStandsOnABodyOfTheWorld) {
  const ModelHandle model = compile_text(R"(<mujoco><worldbody>
    <body name="table" pos="1 2 3" quat="1 0.5 0 0">
      <body name="palm" pos="0.2 0 0" quat="1 0 0.3 0">
        <geom size="1"/>
        <body name="thumb" pos="0.1 0 0" quat="1 0.2 0 0"><joint name="a"/><geom size="1"/></body>
        <body name="finger" pos="-0.1 0 0"><joint name="b" ref="0.4" axis="0 1 0"/><joint name="c" type="slide"/>
          <geom size="1"/>
          <body name="nail" pos="0 0.3 0" quat="0.5 0 0 1"><geom size="1"/></body>
          <body name="tip" pos="0 0 0.2"><joint name="d" axis="1 0 0" pos="0 0 1"/><geom size="1"/></body></body>
      </body></body>
    <body name="lamp" pos="5 5 5"><geom size="1"/></body></worldbody></mujoco>)");
  const Limbs limbs = find_limbs(model.get(), "robot.xml");
  EXPECT_FALSE(limbs.floating);
  EXPECT_EQ(limbs.base, body_of(model.get(), "palm"));
  ASSERT_EQ(limbs.chain.size(), 2u);
  EXPECT_EQ(joints_of(model.get(), limbs, 0), std::vector<std::string>{"a"});
  EXPECT_EQ(joints_of(model.get(), limbs, 1), (std::vector<std::string>{"b", "c", "d"}));
  for (const char* body : {"world", "table", "palm", "lamp"}) {
    EXPECT_EQ(part_of(model.get(), limbs, body), "world") << body;
  }
  EXPECT_EQ(part_of(model.get(), limbs, "thumb"), "0/1");
  // Two joints of one body: the last of them carries it.
  EXPECT_EQ(part_of(model.get(), limbs, "finger"), "1/2");
  EXPECT_EQ(part_of(model.get(), limbs, "nail"), "1/2");
  EXPECT_EQ(part_of(model.get(), limbs, "tip"), "1/3");
  expect_mujocos_poses(model.get(), limbs);
}

TEST(Limbs, OnDifferentBodiesOfTheWorldHangOnTheWorld) {
  const ModelHandle model = compile_text(R"(<mujoco><worldbody>
    <body pos="1 0 0" quat="1 1 0 0"><body pos="0 1 0"><joint/><geom size="1"/></body></body>
    <body pos="-1 0 0"><joint/><geom size="1"/></body></worldbody></mujoco>)");
  const Limbs limbs = find_limbs(model.get(), "robot.xml");
  EXPECT_EQ(limbs.base, 0);
  EXPECT_EQ(limbs.chain.size(), 2u);
  expect_mujocos_poses(model.get(), limbs);
}

TEST(Names, AreTheFilesOrThoseOfWhatItBelongsTo) {
  const ModelHandle model = compile_text(R"(<mujoco><worldbody>
    <body name="trunk"><freejoint name="root"/><geom name="shell" size="1"/><geom size="1"/>
      <body name="shank" pos="1 0 0"><joint name="knee"/><joint type="slide"/><geom size="1"/></body>
      <body pos="1 0 0"><joint axis="0 1 0"/><geom size="1"/></body>
    </body></worldbody>
    <actuator><motor name="drive" joint="knee"/><motor joint="knee"/></actuator>
    <equality><joint joint1="knee"/></equality></mujoco>)");
  const mjModel* m = model.get();
  EXPECT_EQ(name_of(m, mjOBJ_JOINT, 1), "joint 'knee'");
  EXPECT_EQ(name_of(m, mjOBJ_JOINT, 2), "joint 2 of body 'shank'");
  EXPECT_EQ(name_of(m, mjOBJ_JOINT, 3), "joint 3") << "its body has no name either";
  EXPECT_EQ(name_of(m, mjOBJ_GEOM, 0), "geom 'shell'");
  EXPECT_EQ(name_of(m, mjOBJ_GEOM, 1), "geom 1 of body 'trunk'");
  EXPECT_EQ(name_of(m, mjOBJ_BODY, 2), "body 'shank'");
  EXPECT_EQ(name_of(m, mjOBJ_BODY, 3), "body 3");
  EXPECT_EQ(name_of(m, mjOBJ_ACTUATOR, 0), "actuator 'drive'");
  EXPECT_EQ(name_of(m, mjOBJ_ACTUATOR, 1), "actuator 1 of joint 'knee'");
  EXPECT_EQ(name_of(m, mjOBJ_EQUALITY, 0), "equality 0 of joint 'knee'");
  EXPECT_EQ(plain_name(m, mjOBJ_JOINT, 1), "knee");
  EXPECT_EQ(plain_name(m, mjOBJ_JOINT, 2), "joint 2");
}

}  // namespace
}  // namespace stampede
