/// \file URDF and MJCF files as they are found, and what becomes of them.
#include "host/model/robot/import.hpp"

#include <algorithm>
#include <cmath>

#include "host/base/files.hpp"
#include "host/model/robot/shapes.hpp"
#include "tests/host/model/robot/robots.hpp"

namespace stampede {
namespace {

using test::expect_parts;
using test::load_text;
using test::quadruped;
using test::refusal_of;
using test::TemporaryFolder;
using test::with;

std::string link(const std::string& name, double mass, const std::string& shape = "") {
  const std::string i = std::to_string(mass * 0.01);
  return "<link name='" + name + "'>" +
         (mass == 0 ? ""
                    : "<inertial><origin xyz='0.01 0 -0.02' rpy='0.1 0 0'/><mass value='" + std::to_string(mass) +
                          "'/><inertia ixx='" + i + "' iyy='" + i + "' izz='" + i +
                          "' ixy='0' ixz='0' iyz='0'/></inertial>") +
         (shape.empty() ? "" : "<collision><origin xyz='0 0 -0.1'/><geometry>" + shape + "</geometry></collision>") +
         "</link>";
}

std::string joint(const std::string& name, const std::string& type, const std::string& parent, const std::string& child,
                  const std::string& more = "") {
  return "<joint name='" + name + "' type='" + type + "'><parent link='" + parent + "'/><child link='" + child +
         "'/><origin xyz='0.1 0.05 0' rpy='0 0.2 0'/>" + more + "</joint>";
}

/// Limbs first and the root last, a dummy root, feet on fixed joints, a visual mesh that is not there.
std::string walker(int legs) {
  const std::string turn = "<axis xyz='0 1 0'/><limit lower='0.2' upper='1.5' effort='20' velocity='9'/>";
  std::string text = "<?xml version='1.0'?><!-- <mujoco> --><robot name='walker'>";
  for (int l = 0; l < legs; ++l) {
    const std::string n = std::to_string(l);
    text += link("foot" + n, 0.05, "<sphere radius='0.03'/>") + joint("ankle" + n, "fixed", "shank" + n, "foot" + n) +
            link("shank" + n, 0.5, "<cylinder radius='0.02' length='0.1'/>") +
            joint("knee" + n, "revolute", "thigh" + n, "shank" + n, turn) + link("thigh" + n, 1) +
            joint("hip" + n, "continuous", "trunk", "thigh" + n, "<axis xyz='1 0 0'/>");
  }
  return text +
         "<link name='root'><visual><geometry><mesh filename='package://walker/meshes/root.dae'/></geometry></visual>"
         "</link>" +
         joint("weld", "fixed", "root", "trunk") + link("trunk", 5, "<box size='0.4 0.2 0.1'/>") + "</robot>";
}

bool mentions(const std::vector<std::string>& lines, const std::string& part) {
  return std::any_of(lines.begin(), lines.end(),
                     [&](const std::string& line) { return line.find(part) != std::string::npos; });
}

TEST(Import, AWalkerFromItsUrdf) {
  const CompiledRobot compiled = load_text(walker(2), "walker.urdf");
  const RobotModel& robot = compiled.robot;
  EXPECT_EQ(robot.name, "walker");
  EXPECT_TRUE(robot.options.floating);
  EXPECT_EQ(robot.limbs, 2);
  EXPECT_EQ(robot.joints, 2);
  // No mass from shapes, none lost with the root.
  EXPECT_NEAR(robot.total_mass, 5 + 2 * 1.55, 1e-9);
  EXPECT_NEAR(robot.base.mass, 5, 1e-9);
  EXPECT_NEAR(robot.joint[1].mass, 0.55, 1e-9);
  EXPECT_EQ(robot.options.timestep, 0.002);
  EXPECT_TRUE(robot.plane.present);
  EXPECT_EQ(robot.nu, 4);
  for (const RobotJoint& info : robot.joint_info) {
    const JointModel<double>& j = robot.joint[static_cast<std::size_t>(info.limb * robot.size.joints + info.place)];
    EXPECT_GE(info.actuator, 0);
    EXPECT_NEAR(j.velocity_gain, -j.servo / 40, 1e-12);
    EXPECT_NEAR(j.force_high, j.servo, 1e-12);
    if (info.name[0] == 'k') {
      EXPECT_EQ(j.servo, 20);
      EXPECT_EQ(robot.home_qpos[static_cast<std::size_t>(info.position)], 0.2);
      EXPECT_NEAR(robot.home_ctrl[static_cast<std::size_t>(info.actuator)], 0.2, 1e-12);
    }
  }
  EXPECT_NEAR(robot.home_qpos[2] + lowest_point(robot, robot.home_qpos.data()), 0, 1e-12);
  for (const char* part : {"visual", "moves freely", "plane", "servos", "hip0", "home", "timestep", "fused"}) {
    EXPECT_TRUE(mentions(compiled.notes, part)) << part;
  }
}

TEST(Import, TheBaseIsAsChosen) {
  EXPECT_FALSE(load_text(walker(1), "walker.urdf").robot.options.floating);
  LoadOptions options;
  options.base = BaseChoice::kFixed;
  EXPECT_FALSE(load_text(walker(2), "walker.urdf", options).robot.options.floating);
  const CompiledRobot fixed = load_text(quadruped(), "robot.xml", options);
  EXPECT_FALSE(fixed.robot.options.floating);
  EXPECT_EQ(fixed.robot.nq, 12);
  options.base = BaseChoice::kFree;
  EXPECT_TRUE(load_text(walker(1), "walker.urdf", options).robot.options.floating);
  // Roots by other names and joints: `world`, and a floating joint.
  std::string text = walker(2);
  text =
      with(with(text, "<link name='root'>", "<link name='world'>"), "<parent link='root'/>", "<parent link='world'/>");
  EXPECT_TRUE(load_text(text, "walker.urdf").robot.options.floating);
  EXPECT_NEAR(
      load_text(with(walker(2), "name='weld' type='fixed'", "name='weld' type='floating'"), "w.urdf").robot.base.mass,
      5, 1e-9);
}

TEST(Import, WhatIsWrittenLoadsAgainWithNothingToChange) {
  TemporaryFolder folder;
  for (const auto& [name, text] :
       {std::pair<std::string, std::string>{"walker.urdf", walker(2)},
        {"robot.xml", with(quadruped(), "<geom contype=\"0\"", "<geom condim='6' contype='1'")}}) {
    SCOPED_TRACE(name);
    write_file(folder / name, text);
    const std::vector<std::string> changes = import_robot(folder / name, folder / "out.xml", {});
    EXPECT_FALSE(changes.empty());
    const CompiledRobot written = load_robot((folder / "out.xml").string());
    EXPECT_TRUE(written.notes.empty()) << written.notes.front();
    EXPECT_TRUE(import_robot(folder / "out.xml", folder / "again.xml", {}).empty());
    // And it is the same robot, to the digits that are written.
    const CompiledRobot direct = load_robot((folder / name).string());
    ASSERT_EQ(written.robot.joint.size(), direct.robot.joint.size());
    EXPECT_NEAR(written.robot.total_mass, direct.robot.total_mass, 1e-12);
    for (std::size_t i = 0; i < written.robot.joint.size(); ++i) {
      EXPECT_NEAR(written.robot.joint[i].mass, direct.robot.joint[i].mass, 1e-12);
      EXPECT_NEAR(written.robot.joint[i].inertia.xx, direct.robot.joint[i].inertia.xx, 1e-12);
      EXPECT_NEAR(written.robot.joint[i].offset.x, direct.robot.joint[i].offset.x, 1e-12);
    }
    EXPECT_EQ(written.robot.kind.size(), direct.robot.kind.size());
  }
}

/// A box of these sides as an OBJ file.
std::string obj_box(double x, double y, double z) {
  std::string text;
  for (int i = 0; i < 8; ++i) {
    text += "v " + std::to_string((i & 1 ? x : -x) / 2) + " " + std::to_string((i & 2 ? y : -y) / 2) + " " +
            std::to_string((i & 4 ? z : -z) / 2) + "\n";
  }
  return text +
         "f 1 3 4\nf 1 4 2\nf 5 6 8\nf 5 8 7\nf 1 2 6\nf 1 6 5\nf 3 7 8\nf 3 8 4\nf 1 5 7\nf 1 7 3\nf 2 4 8\nf 2 8 6\n";
}

TEST(Import, CollidingMeshesAreFittedOrLeftOut) {
  TemporaryFolder folder;
  std::filesystem::create_directories(folder / "walker/urdf");
  std::filesystem::create_directories(folder / "walker/meshes");
  write_file(folder / "walker/meshes/trunk.obj", obj_box(0.4, 0.2, 0.1));
  std::string text =
      with(walker(2), "<box size='0.4 0.2 0.1'/>", "<mesh filename='package://walker/meshes/trunk.obj'/>");
  text = with(text, "<cylinder radius='0.02' length='0.1'/>", "<mesh filename='package://walker/meshes/shank.stl'/>");
  write_file(folder / "walker/urdf/walker.urdf", text);
  const CompiledRobot compiled = load_robot((folder / "walker/urdf/walker.urdf").string());
  EXPECT_TRUE(mentions(compiled.notes, "trunk' is a box instead of a mesh"));
  EXPECT_TRUE(mentions(compiled.notes, "shank.stl' is not there"));
  const auto corners = std::count_if(compiled.robot.kind.begin(), compiled.robot.kind.end(),
                                     [](const ContactKind& kind) { return kind.shape == ContactShape::kCorner; });
  EXPECT_EQ(corners, 4);  // of each of two limbs
  for (std::size_t k = 0; k < compiled.robot.kind.size(); ++k) {
    if (compiled.robot.kind[k].shape != ContactShape::kCorner) continue;
    EXPECT_NEAR(length(compiled.robot.contact[k * 2].axis), std::sqrt(0.04 + 0.01 + 0.0025), 1e-6);
  }
}

TEST(Import, EllipsoidsAreFitted) {
  TemporaryFolder folder;
  write_file(folder / "a.xml",
             with(quadruped(), "type='sphere' size='0.02'", "type='ellipsoid' size='0.02 0.02 0.06'"));
  const std::vector<std::string> changes = import_robot(folder / "a.xml", folder / "b.xml", {});
  EXPECT_TRUE(mentions(changes, "geom 'foot0' is a capsule instead of an ellipsoid"));
  EXPECT_TRUE(load_robot((folder / "b.xml").string()).notes.empty());
}

TEST(Import, Refusals) {
  const std::string mesh = "<mesh filename='a.stl'/>";
  std::string bare = walker(2);
  for (const char* shape :
       {"<box size='0.4 0.2 0.1'/>", "<cylinder radius='0.02' length='0.1'/>", "<cylinder radius='0.02' length='0.1'/>",
        "<sphere radius='0.03'/>", "<sphere radius='0.03'/>"}) {
    bare = with(bare, shape, mesh);
  }
  expect_parts(refusal_of(bare, "walker.urdf"), {"no shape", "touch the ground"});
  // Inertias are judged when they are fused: a foot's own may be impossible, a trunk's may not.
  const std::string flat = "ixx='0.0005";
  const std::string foot = with(walker(2), flat, "ixx='0.0035");
  EXPECT_NEAR(load_text(foot, "walker.urdf").robot.total_mass, 8.1, 1e-9);
  expect_parts(refusal_of(with(walker(2), "ixx='0.05", "ixx='0.5"), "walker.urdf"), {"root", "principal moments"});
  // Some files tell masses alone, off the link's origin: what is left of a sum of none is rounding.
  std::string masses = walker(2);
  const std::string none = "<inertia ixx='0' ixy='0' ixz='0' iyy='0' iyz='0' izz='0'/>";
  for (std::size_t at = 0; (at = masses.find("<inertia ", at)) != std::string::npos; at += none.size()) {
    masses.replace(at, masses.find("/>", at) + 2 - at, none);
  }
  expect_parts(refusal_of(masses, "walker.urdf"), {"mass", "no moments of inertia"});
  expect_parts(refusal_of(with(walker(2), "value='5.0", "value='-5.0"), "walker.urdf"), {"trunk", "mass -5"});
  expect_parts(refusal_of(with(walker(2), "value='5.0", "value='nan"), "walker.urdf"), {"mass"});
  expect_parts(refusal_of(with(with(walker(2), "value='0.5", "value='0"), "value='0.05", "value='0"), "walker.urdf"),
               {"shank0", "mass"});
}

}  // namespace
}  // namespace stampede
