/// \file Descriptions as people have them: URDF files of today, meshes that were not fetched, worlds of other shapes.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "host/base/files.hpp"
#include "host/engine/ground_map.hpp"
#include "host/model/robot/import.hpp"
#include "host/model/robot/urdf_text.hpp"
#include "tests/host/model/robot/robots.hpp"

namespace stampede {
namespace {

using test::error_of;
using test::expect_parts;
using test::load_text;
using test::quadruped;
using test::refusal_of;
using test::TemporaryFolder;
using test::with;

bool mentions(const std::vector<std::string>& lines, const std::string& part) {
  for (const std::string& line : lines) {
    if (line.find(part) != std::string::npos) return true;
  }
  return false;
}

std::string link(const std::string& name, double mass, const std::string& shape, const std::string& more = "") {
  const std::string i = std::to_string(mass * 0.01);
  return "<link name='" + name + "'><inertial><mass value='" + std::to_string(mass) + "'/><inertia ixx='" + i +
         "' iyy='" + i + "' izz='" + i + "' ixy='0' ixz='0' iyz='0'/></inertial><collision><geometry>" + shape +
         "</geometry></collision>" + more + "</link>";
}

/// A trunk and two legs of hip and knee; `trunk` is its shape, `more` lies beside it in its link.
std::string biped(const std::string& trunk = "<box size='0.4 0.2 0.1'/>", const std::string& more = "") {
  std::string text = "<robot name='biped'>" + link("trunk", 5, trunk, more);
  for (const char* side : {"l", "r"}) {
    const std::string s = side, y = s == "l" ? "0.1" : "-0.1";
    const std::string turn = "<axis xyz='0 1 0'/><limit lower='-1' upper='1' effort='20' velocity='9'/></joint>";
    text += link(s + "_thigh", 1, "<cylinder radius='0.02' length='0.1'/>") +
            link(s + "_shank", 0.5, "<sphere radius='0.03'/>") + "<joint name='" + s +
            "_hip' type='revolute'><parent link='trunk'/><child link='" + s + "_thigh'/><origin xyz='0 " + y + " 0'/>" +
            turn + "<joint name='" + s + "_knee' type='revolute'><parent link='" + s + "_thigh'/><child link='" + s +
            "_shank'/><origin xyz='0 0 -0.2'/>" + turn;
  }
  return text + "</robot>";
}

/// A box of 0.4 x 0.2 x 0.1 m as a binary STL file; its header may be any word.
std::string stl_box(const std::string& header = "") {
  std::string text = header;
  text.resize(80, ' ');
  const int faces[12][3] = {{0, 2, 3}, {0, 3, 1}, {4, 5, 7}, {4, 7, 6}, {0, 1, 5}, {0, 5, 4},
                            {2, 6, 7}, {2, 7, 3}, {0, 4, 6}, {0, 6, 2}, {1, 3, 7}, {1, 7, 5}};
  const std::uint32_t count = 12;
  text.append(reinterpret_cast<const char*>(&count), 4);
  for (const auto& face : faces) {
    float numbers[12] = {0, 0, 0};
    for (int k = 0; k < 3; ++k) {
      numbers[3 + 3 * k] = (face[k] & 1) != 0 ? 0.2f : -0.2f;
      numbers[4 + 3 * k] = (face[k] & 2) != 0 ? 0.1f : -0.1f;
      numbers[5 + 3 * k] = (face[k] & 4) != 0 ? 0.05f : -0.05f;
    }
    text.append(reinterpret_cast<const char*>(numbers), sizeof numbers);
    text.append(2, '\0');
  }
  return text;
}

const char* const kPointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 123456\n";
const char* const kAscii =
    "solid cube\n facet normal 0 0 1\n  outer loop\n   vertex 0 0 0\n   vertex 1 0 0\n   vertex 0 1 0\n"
    "  endloop\n endfacet\nendsolid cube\n";

TEST(FoundUrdf, OfSeveralMaterialsTheFirstIsTaken) {
  const std::string visual =
      "<!-- <visual><material name='x'/> --><visual><geometry><box size='1 1 1'/></geometry>\n"
      "<material name='rubber'><color rgba='0.2 0.2 0.2 1'/></material>\n<material name='logo'/><material name='a>b'>"
      "<color rgba='1 1 1 1'/></material></visual><visual><geometry><box size='1 1 1'/></geometry><material "
      "name='logo'>"
      "<color rgba='1 0 0 1'/></material></visual>";
  const CompiledRobot compiled = load_text(biped("<box size='0.4 0.2 0.1'/>", visual), "biped.urdf");
  EXPECT_EQ(compiled.robot.limbs, 2);
  EXPECT_TRUE(mentions(compiled.notes, "link 'trunk' has 2 <material> too many in a <visual>"));
  EXPECT_FALSE(mentions(load_text(biped(), "biped.urdf").notes, "<material>"));
  // What is taken out becomes spaces: lines keep their numbers.
  std::vector<std::string> changes;
  const std::string text = biped("<box size='0.4 0.2 0.1'/>", visual), single = with_single_materials(text, changes);
  ASSERT_EQ(single.size(), text.size());
  EXPECT_EQ(std::count(single.begin(), single.end(), '\n'), 2);
  EXPECT_EQ(single.find("1 1 1 1"), std::string::npos);
  EXPECT_NE(single.find("rgba='1 0 0 1'"), std::string::npos);
}

TEST(FoundUrdf, MeshesInMeshdir) {
  for (const char* name : {"meshes/trunk.stl", "trunk.stl", "package://biped/visual/trunk.stl"}) {
    SCOPED_TRACE(name);
    TemporaryFolder folder;
    std::filesystem::create_directories(folder / "meshes");
    write_file(folder / "meshes/trunk.stl", stl_box());
    const std::string text = with(biped("<mesh filename='" + std::string(name) + "'/>"), "<robot name='biped'>",
                                  "<robot name='biped'><mujoco><compiler meshdir='meshes'/></mujoco>");
    write_file(folder / "biped.urdf", text);
    const CompiledRobot compiled = load_robot((folder / "biped.urdf").string());
    EXPECT_TRUE(mentions(compiled.notes, "geom 'trunk' is a box instead of a mesh"));
  }
}

TEST(FoundUrdf, PackagesInTheFoldersOfRos2) {
  TemporaryFolder folder;
  std::filesystem::create_directories(folder / "install/share/sensor_description/meshes");
  write_file(folder / "install/share/sensor_description/meshes/head.stl", stl_box());
  std::filesystem::create_directories(folder / "robot");
  write_file(folder / "robot/biped.urdf", biped("<mesh filename='package://sensor_description/meshes/head.stl'/>"));
  const auto notes = [&] { return load_robot((folder / "robot/biped.urdf").string()).notes; };
  EXPECT_TRUE(mentions(notes(), "head.stl' is not there"));
  ::setenv("AMENT_PREFIX_PATH", ("/nowhere:" + (folder / "install").string()).c_str(), 1);
  const std::vector<std::string> found = notes();
  ::unsetenv("AMENT_PREFIX_PATH");
  EXPECT_TRUE(mentions(found, "geom 'trunk' is a box instead of a mesh"));
}

TEST(FoundUrdf, InertiasAreBoundedAsTheFileAsks) {
  // Moments of 0.05, 0.001 and 0.001 kg m^2 are no rigid body's; their mean is.
  std::string text =
      with(biped(), "ixx='0.050000' iyy='0.050000' izz='0.050000'", "ixx='0.05' iyy='0.001' izz='0.003'");
  expect_parts(refusal_of(text, "biped.urdf"), {"trunk", "principal moments", "balanceinertia"});
  const auto asking = [&](const std::string& what) {
    return load_text(
        with(text, "<robot name='biped'>", "<robot name='biped'><mujoco><compiler " + what + "/></mujoco>"),
        "biped.urdf");
  };
  const CompiledRobot balanced = asking("balanceinertia='true'");
  EXPECT_NEAR(balanced.robot.base.inertia.xx, 0.018, 1e-12);
  EXPECT_NEAR(balanced.robot.base.inertia.yy, 0.018, 1e-12);
  EXPECT_TRUE(mentions(balanced.notes, "body 'trunk' are 0.018 0.018 0.018, by the file's balanceinertia"));
  const CompiledRobot bounded = asking("boundinertia='0.049' boundmass='0.7'");
  EXPECT_NEAR(bounded.robot.base.inertia.yy, 0.049, 1e-12);
  EXPECT_NEAR(bounded.robot.total_mass, 5 + 2 * (1 + 0.7), 1e-9);
}

TEST(FoundUrdf, WheelsAreDrivenByVelocity) {
  std::string text = biped();
  const std::size_t end = text.rfind("</robot>");
  text.insert(
      end,
      "<link name='tyre'><inertial><mass value='0.5'/><inertia ixx='0.0012' iyy='0.0022' izz='0.0012' ixy='0' "
      "ixz='0' iyz='0'/></inertial><collision><origin rpy='1.5707963 0 0'/><geometry><cylinder radius='0.1' "
      "length='0.04'/></geometry></collision></link><joint name='wheel' type='continuous'><parent link='l_shank'/>"
      "<child link='tyre'/><origin xyz='0 0 -0.2'/><axis xyz='0 1 0'/><limit effort='8' velocity='40'/></joint>");
  const CompiledRobot compiled = load_text(text, "biped.urdf");
  EXPECT_TRUE(mentions(compiled.notes, "joint 'wheel' is a wheel"));
  for (const RobotJoint& info : compiled.robot.joint_info) {
    const JointModel<double>& joint =
        compiled.robot.joint[static_cast<std::size_t>(info.limb * compiled.robot.size.joints + info.place)];
    const bool wheel = info.name == "wheel";
    EXPECT_EQ(joint.servo, wheel ? 0 : 20) << info.name;
    EXPECT_EQ(joint.gain, wheel ? 0.2 : 0) << info.name;
    EXPECT_EQ(joint.velocity_gain, wheel ? -0.2 : -0.5) << info.name;
    EXPECT_EQ(joint.force_high, wheel ? 8 : 20) << info.name;
  }
  // A continuous joint whose link is not round about it is held, and said to be.
  text = with(text, "rpy='1.5707963 0 0'", "rpy='0 0 0'");
  EXPECT_TRUE(mentions(load_text(text, "biped.urdf").notes, "joint 'wheel' turns without end and is held"));
}

TEST(FoundUrdf, ShapesGoByTheirLinks) {
  const std::string head =
      "<link name='head'><collision><geometry><mesh filename='gone.stl'/></geometry></collision>"
      "</link><joint name='neck' type='fixed'><parent link='trunk'/><child link='head'/></joint>";
  const std::vector<std::string> notes = load_text(with(biped(), "</robot>", head + "</robot>"), "biped.urdf").notes;
  EXPECT_TRUE(mentions(notes, "geom 'head' is left out: its mesh 'gone.stl' is not there"));
  LoadOptions options;
  options.feet = {"l_shank", "r_shank"};  // so feet can be chosen
  EXPECT_EQ(load_text(biped(), "biped.urdf", options).robot.limbs, 2);
}

TEST(FoundMeshes, ThatCannotBeReadAreLeftOutWhereTheyAreOnlyLookedAt) {
  const std::pair<std::string, std::pair<std::string, std::string>> cases[] = {
      {"skin.stl", {kPointer, "is a Git LFS pointer; run git lfs pull"}},
      {"skin.obj", {kPointer, "is a Git LFS pointer; run git lfs pull"}},
      {"skin.stl", {kAscii, "is an ASCII STL file"}},
      {"skin.stl", {stl_box().substr(0, 300), "is not readable ("}},
      {"skin.dae", {"<COLLADA/>", "is of a kind that MuJoCo does not read"}},
  };
  for (const auto& [name, given] : cases) {
    SCOPED_TRACE(given.second);
    TemporaryFolder folder;
    write_file(folder / name, given.first);
    const std::string asset = "<asset><mesh name='skin' file='" + name + "'/></asset><worldbody>";
    const auto text = [&](const std::string& masks) {
      return with(with(quadruped(), "<worldbody>", asset), "<geom name=\"trunk\"",
                  "<geom name='skin' type='mesh' mesh='skin' " + masks + "/><geom name=\"trunk\"");
    };
    write_file(folder / "seen.xml", text("contype='0' conaffinity='0'"));
    const CompiledRobot seen = load_robot((folder / "seen.xml").string());
    EXPECT_TRUE(mentions(seen.notes, "geom 'skin' is left out")) << seen.notes.size();
    EXPECT_TRUE(mentions(seen.notes, given.second));
    write_file(folder / "felt.xml", text("contype='0' conaffinity='1'"));
    expect_parts(error_of([&] { load_robot((folder / "felt.xml").string()); }),
                 {"geom 'skin' collides", given.second.substr(0, 12)});
    EXPECT_TRUE(mentions(import_robot(folder / "felt.xml", folder / "out.xml", {}), "geom 'skin' is left out"));
  }
  // A binary file may begin as an ASCII file does.
  TemporaryFolder folder;
  write_file(folder / "skin.stl", stl_box("solid cube"));
  write_file(folder / "seen.xml",
             with(with(quadruped(), "<worldbody>", "<asset><mesh name='skin' file='skin.stl'/></asset><worldbody>"),
                  "<geom name=\"trunk\"", "<geom type='mesh' mesh='skin' conaffinity='0'/><geom name=\"trunk\""));
  EXPECT_TRUE(load_robot((folder / "seen.xml").string()).notes.empty());
}

/// A picture of one red point.
constexpr unsigned char kPng[] = {0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48,
                                  0x44, 0x52, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x02, 0x00, 0x00,
                                  0x00, 0x90, 0x77, 0x53, 0xde, 0x00, 0x00, 0x00, 0x0c, 0x49, 0x44, 0x41, 0x54, 0x78,
                                  0x9c, 0x63, 0xf8, 0xcf, 0xc0, 0x00, 0x00, 0x03, 0x01, 0x01, 0x00, 0xc9, 0xfe, 0x92,
                                  0xef, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};

TEST(FoundMeshes, AreNamedFromTheFolderOfWhatIsWritten) {
  TemporaryFolder folder;
  std::filesystem::create_directories(folder / "a/in/parts & such's");
  std::filesystem::create_directories(folder / "a/out");
  write_file(folder / "a/in/parts & such's/skin.stl", stl_box());
  write_file(folder / "a/in/dot.png", std::string(reinterpret_cast<const char*>(kPng), sizeof kPng));
  const std::string text = with(
      with(quadruped(), "<compiler angle=\"radian\"/>", "<compiler angle='radian' meshdir='parts &amp; such&apos;s'/>"),
      "<worldbody>",
      "<asset><mesh name='skin' file='skin.stl'/><texture name='dot' type='2d' file='dot.png'/><texture name='sky' "
      "type='skybox' fileright='dot.png'/></asset><worldbody>");
  write_file(folder / "a/in/robot.xml",
             with(text, "<geom name=\"trunk\"", "<geom type='mesh' mesh='skin' conaffinity='0'/><geom name=\"trunk\""));
  import_robot(folder / "a/in/robot.xml", folder / "a/out/robot.xml", {});
  EXPECT_NE(read_file(folder / "a/out/robot.xml").find("\"../in/parts &amp; such&apos;s/skin.stl\""),
            std::string::npos);
  std::filesystem::rename(folder / "a", folder / "b");
  const CompiledRobot moved = load_robot((folder / "b/out/robot.xml").string());
  EXPECT_EQ(moved.model->nmesh, 1);
  EXPECT_EQ(moved.model->ntex, 2);
  EXPECT_TRUE(moved.notes.empty());
}

/// The quadruped with something more in its world, which it can touch.
std::string in_world(const std::string& more) {
  return with(quadruped(), "<body name=\"trunk\"", more + "<body name=\"trunk\"");
}

TEST(FoundWorlds, WhatIsNotSimulatedIsRefusedOrLeftOutByName) {
  const std::string touching = " pos='2 0 0.1' contype='1'/>";
  const std::pair<std::string, std::string> cases[] = {
      {"<geom type='cylinder' size='0.3 0.1'", "a cylinder"},
      {"<geom type='sphere' size='0.3'", "a sphere"},
      {"<geom type='capsule' size='0.3 0.2'", "a capsule"},
      {"<geom name='ramp' type='box' size='1 0.75 0.05' quat='0.9689 0 -0.2474 0'", "box 'ramp'"},
      {"<geom type='box' size='0.5 0.5 0.05' euler='0 0 0.6'", "a box"},
      {"<geom type='plane' size='1 1 1' euler='0 0.2 0'", "a plane"},
  };
  for (const auto& [geom, called] : cases) {
    SCOPED_TRACE(called);
    TemporaryFolder folder;
    write_file(folder / "a.xml", in_world(geom + touching));
    expect_parts(error_of([&] { load_robot((folder / "a.xml").string()); }), {"a.xml", "geom"});
    EXPECT_TRUE(mentions(import_robot(folder / "a.xml", folder / "b.xml", {}),
                         called + " of the world at (2, 0, 0.1) is left out"));
    const CompiledRobot written = load_robot((folder / "b.xml").string());
    EXPECT_TRUE(written.notes.empty());
    EXPECT_TRUE(written.robot.plane.present);
    EXPECT_EQ(written.robot.map, nullptr);
  }
}

TEST(FoundWorlds, BodiesThatStandStillAreGround) {
  TemporaryFolder folder;
  write_file(folder / "a.xml",
             in_world("<body name='table' pos='2 0 0'><geom type='box' size='0.5 0.5 0.2' contype='1'/></body>"));
  EXPECT_FALSE(mentions(import_robot(folder / "a.xml", folder / "b.xml", {}), "left out"));
  for (const char* name : {"a.xml", "b.xml"}) {
    const CompiledRobot compiled = load_robot((folder / name).string());
    ASSERT_NE(compiled.robot.map, nullptr) << name;
    EXPECT_NEAR(compiled.robot.map->top_at(2, 0), 0.2, 1e-6) << name;
  }
  write_file(folder / "c.xml",
             in_world("<body name='table' pos='2 0 0'><geom type='cylinder' size='0.5 0.2' contype='1'/></body>"));
  expect_parts(error_of([&] { load_robot((folder / "c.xml").string()); }),
               {"body 'table'", "is a cylinder of the world"});
}

TEST(FoundWorlds, HeightfieldsGetSquareCells) {
  // Cells of 0.5 x 0.667 m: the highest point lies between the rows that are made.
  const std::string field =
      "<asset><hfield name='hills' nrow='4' ncol='5' size='1 1 0.4 0.1' elevation='0 1 2 3 4  9 5 1 0 "
      "2  3 1 4 1 5  0 2 4 6 8'/></asset><worldbody>";
  TemporaryFolder folder;
  write_file(folder / "a.xml", with(with(quadruped(), "<worldbody>", field), "type=\"plane\" size=\"0 0 1\"",
                                    "type='hfield' hfield='hills' pos='3 0.5 0.25'"));
  expect_parts(error_of([&] { load_robot((folder / "a.xml").string()); }), {"cells of 0.5 x 0.6667", "import"});
  EXPECT_TRUE(mentions(import_robot(folder / "a.xml", folder / "b.xml", {}),
                       "heightfield 'hills' has 4 x 4 cells of 0.5 x 0.5 m instead of 4 x 3 of 0.5 x 0.6667 m"));
  const CompiledRobot compiled = load_robot((folder / "b.xml").string());
  EXPECT_TRUE(compiled.notes.empty());
  char message[500] = "";
  const ModelHandle model(mj_loadXML((folder / "a.xml").c_str(), nullptr, message, sizeof message));
  ASSERT_TRUE(model) << message;
  const GroundMap& map = *compiled.robot.map;
  ASSERT_EQ(map.rows, 5);
  ASSERT_EQ(map.columns, 5);
  EXPECT_NEAR(map.origin_x, 2, 1e-12);
  EXPECT_NEAR(map.origin_y, -0.5, 1e-12);
  for (int r = 0; r < 5; ++r) {
    for (int c = 0; c < 5; ++c) {
      const double v = r * 0.75;
      const int row = std::min(static_cast<int>(v), 2);
      const auto data = [&](int i) { return static_cast<double>(model->hfield_data[5 * i + c]); };
      const double expected = 0.25 + 0.4 * ((1 - (v - row)) * data(row) + (v - row) * data(row + 1));
      EXPECT_NEAR(static_cast<double>(map.heights[static_cast<std::size_t>(5 * r + c)]), expected, 1e-6)
          << r << ' ' << c;
    }
  }
}

TEST(FoundRobots, ASizeThatIsNotCompiledInSaysHowToBuildIt) {
  std::string text = quadruped();
  for (int l = 0; l < 4; ++l) {
    const std::string foot = "<geom name='foot" + std::to_string(l) + "'";
    text = with(text, foot,
                "<body name='tyre" + std::to_string(l) + "' pos='0 0 -0.2'><joint name='wheel" + std::to_string(l) +
                    "' axis='0 1 0'/><inertial pos='0 0 0' mass='0.1' diaginertia='1e-4 1e-4 1e-4'/></body>" + foot);
  }
  expect_parts(refusal_of(text), {"4 limbs of up to 4 joints", "docs/physics.md"});
}

}  // namespace
}  // namespace stampede
