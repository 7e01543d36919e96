/// \file A run keeps its robot: the copy is the same model, and a change is noticed.

#include "host/app/run/trained_robot.hpp"

#include <gtest/gtest.h>

#include "host/base/files.hpp"
#include "host/task/settings_io.hpp"
#include "tests/host/model/robot/robots.hpp"

namespace stampede {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::expect_parts;
using test::TemporaryFolder;

/// A tetrahedron.
constexpr const char* kMesh = "v 0 0 0\nv 0.1 0 0\nv 0 0.1 0\nv 0 0 0.1\nf 1 3 2\nf 1 2 4\nf 2 3 4\nf 1 4 3\n";

void put(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  write_file(file, text, Durability::kProcess);
}

/// A robot of several files in several folders: includes, one in another, a mesh elsewhere.
fs::path spread_robot(const TemporaryFolder& folder) {
  std::string text = test::quadruped();
  text = test::with(text, "<worldbody>", "<asset><mesh name='lump' file='part/lump.obj'/></asset><worldbody>");
  text = test::with(text, "<compiler angle=\"radian\"/>", "<compiler angle=\"radian\" meshdir=\"../meshes\"/>");
  text = test::with(text, "<geom name=\"lidar\"",
                    "<geom type='mesh' mesh='lump' contype='0' conaffinity='0'/><geom name=\"lidar\"");
  const std::size_t begin = text.find("<actuator>"), end = text.find("</mujoco>");
  const std::string actuators = text.substr(begin, end - begin);
  text.replace(begin, end - begin, "<!-- <include file='nowhere.xml'/> --><include file=\"more/outer.xml\"></include>");
  put(folder / "robot/xml/dog.xml", text);
  put(folder / "robot/xml/more/outer.xml",
      "<?xml version='1.0'?>\n<!-- a comment > --><mujoco><include file='more/inner.xml'/></mujoco>");
  put(folder / "robot/xml/more/inner.xml", "<mujocoinclude>" + actuators + "</mujocoinclude>");
  put(folder / "robot/meshes/part/lump.obj", kMesh);
  return folder / "robot/xml/dog.xml";
}

KeptRobot keep(const fs::path& run, const std::string& robot) {
  return keep_robot(robot, load_robot(robot), {}, run / kTrainedRobot);
}

TEST(TrainedRobot, ACopyNeedsNothingElseAndIsTheSameModel) {
  const TemporaryFolder folder;
  const fs::path file = spread_robot(folder);
  const CompiledRobot before = load_robot(file.string(), {});
  const KeptRobot kept = keep(folder / "run", file);
  EXPECT_EQ(kept.note, "");
  EXPECT_EQ(kept.robot, "trained_robot/dog.xml");
  EXPECT_TRUE(check_trained_robot(folder / "run", true).empty());

  // Elsewhere, as on another machine.
  fs::remove_all(folder / "robot");
  fs::rename(folder / "run", folder / "moved");
  EXPECT_TRUE(check_trained_robot(folder / "moved", true).empty());
  const CompiledRobot after = load_robot((folder / "moved" / kept.robot).string(), {});
  EXPECT_EQ(after.robot.total_mass, before.robot.total_mass);
  EXPECT_EQ(after.model->nmesh, 1);
  ASSERT_EQ(after.robot.joint_info.size(), before.robot.joint_info.size());
  for (std::size_t i = 0; i < after.robot.joint.size(); ++i) {
    EXPECT_EQ(after.robot.joint[i].servo, before.robot.joint[i].servo);
  }
  // Kept once more from there, as by a training with the run's configuration.
  EXPECT_EQ(keep(folder / "next", folder / "moved" / kept.robot).robot, kept.robot);
}

TEST(TrainedRobot, AChangeOfAnyFileIsNoticed) {
  for (const char* name : {"robot/xml/dog.xml", "robot/xml/more/inner.xml", "robot/meshes/part/lump.obj"}) {
    const TemporaryFolder folder;
    keep(folder / "run", spread_robot(folder));
    put(folder / name, read_file(folder / name) + "\n");
    for (const bool resume : {false, true}) {
      const std::vector<std::string> notes = check_trained_robot(folder / "run", resume);
      ASSERT_EQ(notes.size(), 1u) << name;
      expect_parts(notes[0], {name, "has changed", "its own copy", "control.robot="});
    }
  }
}

TEST(TrainedRobot, ACopyThatWasChangedIsRefused) {
  const TemporaryFolder folder;
  keep(folder / "run", spread_robot(folder));
  const fs::path copy = folder / "run/trained_robot/dog.xml";
  const std::string text = read_file(copy);
  put(copy, test::with(text, "mass=\"6.9\"", "mass=\"7.9\""));
  for (const bool resume : {false, true}) {
    expect_parts(error_of([&] { check_trained_robot(folder / "run", resume); }),
                 {copy.string(), "has changed", "put back"});
  }
  fs::remove(copy);
  expect_parts(error_of([&] { check_trained_robot(folder / "run", true); }), {copy.string(), "is missing"});
  put(copy, text);
  EXPECT_TRUE(check_trained_robot(folder / "run", true).empty());
}

TEST(TrainedRobot, WhatCannotBeCopiedIsSaidAndWatched) {
  const TemporaryFolder folder;
  const fs::path file = spread_robot(folder);
  // Two meshes of one name in two folders.
  put(folder / "robot/meshes/other/lump.obj", kMesh);
  put(file, test::with(read_file(file), "<asset>", "<asset><mesh name='second' file='other/lump.obj' scale='2 2 2'/>"));
  const KeptRobot kept = keep(folder / "run", file);
  EXPECT_EQ(kept.robot, file.string());
  expect_parts(kept.note, {file.string(), "not copied", "lump.obj"});
  EXPECT_TRUE(check_trained_robot(folder / "run", true).empty());
  put(file, test::with(read_file(file), "mass=\"6.9\"", "mass=\"7.9\""));
  EXPECT_EQ(check_trained_robot(folder / "run", false).size(), 1u);
  expect_parts(error_of([&] { check_trained_robot(folder / "run", true); }),
               {file.string(), "has changed", "train anew"});
}

TEST(TrainedRobot, RobotsOfTheProgramAreKeptToo) {
  const TemporaryFolder folder;
  for (const char* name : {"go2", "solo12", "anymal_c", "bolt"}) {
    const KeptRobot kept = keep(folder / name, name);
    EXPECT_EQ(kept.robot, std::string("trained_robot/") + name + ".xml") << kept.note;
    EXPECT_TRUE(check_trained_robot(folder / name, true).empty());
  }
  EXPECT_TRUE(check_trained_robot(folder.path(), true).empty());  // a run of an earlier version
}

}  // namespace
}  // namespace stampede
