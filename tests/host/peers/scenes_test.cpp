#include "host/peers/scenes.hpp"

#include "tests/host/peers/testing.hpp"

namespace stampede::test {
namespace {

TEST(Scenes, ASeedMakesAScene) {
  LoadOptions on_terrain;
  on_terrain.terrain = with_kinds({}, "rough");
  on_terrain.terrain->levels = 1;
  const RobotModel flat = load_robot("go2").robot, rough = load_robot("go2", on_terrain).robot;
  EXPECT_NE(error_of([&] { make_scene("terrain", flat, 8, 25, 0.02, 7); }).find("ground with heights or boxes"),
            std::string::npos);
  for (const std::string& name : scene_names()) {
    SCOPED_TRACE(name);
    const RobotModel& robot = name == "terrain" ? rough : flat;
    const Scene a = make_scene(name, robot, 8, 25, 0.02, 7), b = make_scene(name, robot, 8, 25, 0.02, 7),
                other = make_scene(name, robot, 8, 25, 0.02, 8);
    EXPECT_EQ(a.name, name);
    EXPECT_EQ(a.qpos.size(), 8 * at(robot.nq));
    EXPECT_EQ(a.qvel.size(), 8 * at(robot.nv));
    EXPECT_EQ(a.ctrl.size(), 25 * 8 * at(robot.nu));
    EXPECT_EQ(a.qpos, b.qpos);
    EXPECT_EQ(a.qvel, b.qvel);
    EXPECT_EQ(a.ctrl, b.ctrl);
    EXPECT_NE(a.qpos, other.qpos);
    // Environments differ from each other; joints are in their ranges, quaternions of unit length.
    EXPECT_NE(Numbers(a.qpos.begin(), a.qpos.begin() + robot.nq),
              Numbers(a.qpos.begin() + robot.nq, a.qpos.begin() + 2 * robot.nq));
    for (int env = 0; env < 8; ++env) {
      const double* qpos = &a.qpos[at(env) * at(robot.nq)];
      EXPECT_NEAR(norm(Numbers(qpos + 3, qpos + 7)), 1, 1e-12);
      for (const RobotJoint& info : robot.joint_info) {
        const JointModel<double>& joint = robot.joint[at(info.limb * robot.size.joints + info.place)];
        EXPECT_TRUE(qpos[info.position] >= joint.low && qpos[info.position] <= joint.high) << info.name;
      }
    }
  }
}

TEST(Scenes, StandingIsAtHomeAndAFixedBaseStaysThere) {
  const RobotModel robot = load_robot("bolt").robot;
  const Scene standing = make_scene("standing", robot, 3, 1, 0.02, 7);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(standing.qpos[at(i)], robot.home_qpos[at(i)]);
  // A base that is fixed has no place to be thrown from.
  const RobotModel cartpole = load_robot("cartpole").robot;
  EXPECT_EQ(make_scene("falling", cartpole, 3, 1, 0.02, 7).qpos.size(), 6u);
}

TEST(Scenes, AnUnknownOneIsNamedWithThoseThereAre) {
  const RobotModel robot = load_robot("go2").robot;
  const std::string message = error_of([&] { make_scene("trott", robot, 1, 1, 0.02, 1); });
  expect_parts(message, {"scene 'trott' does not exist", "trot"});
}

}  // namespace
}  // namespace stampede::test
