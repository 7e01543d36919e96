/// \file What cannot be simulated is refused with one line that names the element; what is left out is a note.
#include "host/model/robot/refusals.hpp"

#include "tests/host/model/robot/robots.hpp"

namespace stampede {
namespace {

using test::error_of;
using test::expect_parts;
using test::load_text;
using test::quadruped;
using test::refusal_of;
using test::with;

/// The quadruped with something put in front of `where`.
std::string adding(const std::string& where, const std::string& what) { return with(quadruped(), where, what + where); }

TEST(Refusals, FilesThatAreNoRobots) {
  expect_parts(error_of([] { load_robot("/nowhere/robot.xml"); }), {"/nowhere/robot.xml", "no such file"});
  expect_parts(error_of([] { load_robot("go3"); }), {"go3", "go2"});
  expect_parts(error_of([] { load_robot("/tmp"); }), {"/tmp", "folder"});
  expect_parts(refusal_of("solo"), {"is not XML"});
  expect_parts(refusal_of(""), {"is not XML"});
  expect_parts(refusal_of("<html/>"), {"<html>", "<mujoco>", "<robot>"});
  expect_parts(refusal_of("<mujoco><worldbody></mujoco>"), {"cannot be read"});
  expect_parts(refusal_of("<mujoco><wordbody/></mujoco>"), {"wordbody"});
  expect_parts(refusal_of("<robot name='r'><link name='a'/>", "robot.urdf"), {"cannot be read"});
  expect_parts(refusal_of("<mujoco><worldbody><body><geom size='1'/></body></worldbody></mujoco>"), {"no joint"});
  expect_parts(refusal_of("<mujoco><worldbody><body><freejoint/><geom size='1'/></body></worldbody></mujoco>"),
               {"no joint"});
}

TEST(Refusals, Numbers) {
  expect_parts(refusal_of(with(quadruped(), "range='-1 1'", "range='-1 nan'")), {"NaN", "<joint", "haa0"});
  expect_parts(refusal_of(with(quadruped(), "mass=\"6.9\"", "mass='NaN'")), {"NaN", "<inertial"});
  expect_parts(refusal_of(with(quadruped(), "mass=\"6.9\"", "mass='-1'")), {"trunk", "mass"});
  expect_parts(refusal_of(with(quadruped(), "mass='0.2'", "mass='0'")), {"shank0", "mass"});
  expect_parts(refusal_of(with(quadruped(), "diaginertia=\"0.03 0.09 0.1\"", "diaginertia='0.03 0.09 0.2'")),
               {"trunk", "inertia"});
  for (const char* timestep : {"0", "-0.002"}) {
    expect_parts(refusal_of(with(quadruped(), "0.002", timestep)), {"timestep", timestep});
  }
  LoadOptions options;
  options.timestep = 0;
  expect_parts(refusal_of(quadruped(), "robot.xml", options), {"timestep 0"});
}

TEST(Refusals, Topology) {
  expect_parts(refusal_of(with(quadruped(), "<body name='rotor0' pos='0 0.03 0'>",
                               "<body name='rotor0' pos='0 0.03 0'><joint name='spin' axis='0 1 0'/>")),
               {"kfe0", "branches", "thigh0", "spin", "trunk"});
  expect_parts(
      refusal_of(
          "<mujoco><worldbody><body><joint name='hip' type='ball'/><geom size='1'/></body></worldbody></mujoco>"),
      {"joint 'hip'", "ball"});
  expect_parts(
      refusal_of(adding("</worldbody>", "<body name='ball' pos='3 0 1'><freejoint/><geom size='0.1'/></body>")),
      {"body 'ball'", "body 'trunk'"});
  expect_parts(refusal_of(adding("</worldbody>", "<body pos='3 0 1'><joint name='door'/><geom size='0.1'/></body>")),
               {"joint 'door'", "trunk"});
  std::string text = "<mujoco><worldbody>", close;
  for (int i = 0; i < 7; ++i) {
    text += "<body pos='0 0 1'><joint name='j" + std::to_string(i) + "'/><geom size='0.1'/>";
    close += "</body>";
  }
  expect_parts(refusal_of(text + close + "</worldbody></mujoco>"), {"joint 'j6'", "number 7", "up to 6"});
  std::string spider = "<mujoco><worldbody><body><freejoint/><geom size='0.1'/>";
  for (int i = 0; i < 7; ++i) spider += "<body pos='0 0 1'><joint/><geom size='0.1'/></body>";
  expect_parts(refusal_of(spider + "</body></worldbody></mujoco>"), {"7 limbs", "6 x 3"});
}

TEST(Refusals, Elements) {
  const std::string end = "</mujoco>";
  expect_parts(refusal_of(adding(end, "<tendon><fixed name='cable'><joint joint='kfe0' coef='1'/></fixed></tendon>")),
               {"tendon 'cable'"});
  expect_parts(refusal_of(adding(end, "<equality><joint name='mimic' joint1='kfe0' joint2='kfe1'/></equality>")),
               {"equality 'mimic'"});
  expect_parts(refusal_of(adding(end, "<contact><pair geom1='floor' geom2='foot0'/></contact>")), {"foot0", "pair"});
  expect_parts(refusal_of(adding("</worldbody>", "<body name='hand' mocap='true'/>")), {"body 'hand'", "mocap"});
  expect_parts(refusal_of(with(quadruped(), "<body name='hip0'", "<body name='hip0' gravcomp='1'")),
               {"hip0", "gravcomp"});
  expect_parts(
      refusal_of(with(quadruped(), "<freejoint name=\"root\"/>", "<joint name='root' type='free' damping='1'/>")),
      {"root", "damping 1"});
  expect_parts(refusal_of(with(quadruped(), "type='sphere' size='0.02'", "type='ellipsoid' size='0.02 0.03 0.04'")),
               {"geom 'foot0'", "ellipsoid", "import"});
  expect_parts(refusal_of(adding("</worldbody>", "<geom name='wall' type='plane' size='0 0 1' contype='1'/>")),
               {"wall", "floor"});
  expect_parts(refusal_of(adding("</worldbody>", "<geom name='stone' size='1' contype='1'/>")), {"stone", "sphere"});
}

TEST(Refusals, CollidingMeshes) {
  const std::string mesh = with(adding("<worldbody>", "<asset><mesh name='shell' file='shell.stl'/></asset>"),
                                "type='sphere' size='0.02'", "type='mesh' mesh='shell'");
  expect_parts(refusal_of(mesh), {"geom 'foot0'", "shell.stl", "is not there"});
  // A mesh that is there, written in the file: a tetrahedron.
  const std::string solid = with(mesh, "file='shell.stl'", "vertex='0 0 0 .1 0 0 0 .1 0 0 0 .1'");
  expect_parts(refusal_of(solid), {"geom 'foot0'", "mesh", "import"});
  // One that is looked at only may be missing, and textures too.
  const CompiledRobot robot = load_text(with(mesh, "type='mesh'", "type='mesh' conaffinity='0'"));
  ASSERT_EQ(robot.notes.size(), 1u);
  expect_parts(robot.notes[0], {"foot0", "shell.stl"});
}

TEST(Refusals, Actuators) {
  const std::string end = "</actuator>", servo = "<position name='haa0' joint='haa0'";
  expect_parts(refusal_of(adding(end, "<motor name='twin' joint='haa0'/>")), {"twin", "haa0"});
  expect_parts(refusal_of(with(quadruped(), servo, "<position name='haa0' timeconst='0.1' joint='haa0'")), {"haa0"});
  expect_parts(refusal_of(with(quadruped(), servo, "<position name='haa0' armature='0.1' joint='haa0'")), {"haa0"});
  const std::string site = with(quadruped(), "<geom name=\"trunk\"", "<site name='s'/><geom name='trunk'");
  expect_parts(refusal_of(with(site, end, "<general name='jet' site='s'/></actuator>")), {"jet", "site"});
}

TEST(Refusals, Options) {
  const auto option = [](const std::string& text) { return with(quadruped(), "cone=\"elliptic\"", text); };
  expect_parts(refusal_of(option("integrator='RK4'")), {"RK4", "implicitfast"});
  expect_parts(refusal_of(option("integrator='implicit'")), {"implicit"});
  expect_parts(refusal_of(option("density='1000'")), {"density=1000"});
  expect_parts(refusal_of(option("noslip_iterations='3'")), {"noslip_iterations=3"});
  const CompiledRobot pgs = load_text(option("solver='PGS'"));
  ASSERT_EQ(pgs.notes.size(), 1u);
  expect_parts(pgs.notes[0], {"Newton"});
}

TEST(Refusals, NotesOnContacts) {
  CompiledRobot robot = load_text(with(quadruped(), "conaffinity=\"1\"/>", "conaffinity='1' condim='6'/>"));
  ASSERT_EQ(robot.notes.size(), 1u);
  expect_parts(robot.notes[0], {"condim 6", "condim 3"});
  robot = load_text(with(quadruped(), "<geom contype=\"0\"", "<geom contype='1'"));
  ASSERT_EQ(robot.notes.size(), 1u);
  expect_parts(robot.notes[0], {"trunk"});
  // Too long a step: softened by MuJoCo, or unstable where stiffness is given directly.
  robot = load_text(with(quadruped(), "timestep=\"0.002\"", "timestep='0.02'"));
  ASSERT_EQ(robot.notes.size(), 1u);
  expect_parts(robot.notes[0], {"timestep 0.02", "0.01", "softened"});
  const std::string direct = with(with(quadruped(), "<geom contype=\"0\"", "<geom solref='-1e6 -10' contype='0'"),
                                  "contype=\"1\" conaffinity", "priority='-1' contype='1' conaffinity");
  robot = load_text(direct);
  ASSERT_EQ(robot.notes.size(), 1u);
  expect_parts(robot.notes[0], {"timestep 0.002", "unstable", "0.0018"});
  EXPECT_TRUE(load_text(with(direct, "0.002", "0.0015")).notes.empty());
}

}  // namespace
}  // namespace stampede
