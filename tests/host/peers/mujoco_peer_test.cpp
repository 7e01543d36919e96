#include "host/peers/mujoco_peer.hpp"

#include <mujoco/mujoco.h>

#include <limits>

#include "tests/host/peers/testing.hpp"

namespace stampede::test {
namespace {

/// A start at home, with all controls at theirs.
PeerStart start_at_home(const RobotModel& robot, int steps) {
  PeerStart start;
  start.qpos = robot.home_qpos;
  start.qvel.assign(at(robot.nv), 0.0);
  start.ctrl.assign(at(steps), robot.home_ctrl.data());
  return start;
}

TEST(MujocoPeer, EveryStartIsSteppedThroughItsControls) {
  const CompiledRobot go2 = load_robot("go2");
  const ModelHandle model = comparable_model(go2.model.get());
  const PeerRun run = run_mujoco(model.get(), {3, start_at_home(go2.robot, 5)}, 4, 2);
  EXPECT_EQ(run.steps, 3 * 5 * 4);
  EXPECT_EQ(run.broken, 0);
  EXPECT_GT(run.seconds, 0);
}

/// MuJoCo by itself would put the robot back to its start and go on as if nothing had been.
TEST(MujocoPeer, AStateThatBreaksIsCountedAndLeft) {
  const CompiledRobot go2 = load_robot("go2");
  const ModelHandle model = comparable_model(go2.model.get());
  EXPECT_NE(model->opt.disableflags & mjDSBL_AUTORESET, 0);
  PeerStart broken = start_at_home(go2.robot, 5);
  broken.qvel[0] = std::numeric_limits<double>::infinity();
  const PeerRun run = run_mujoco(model.get(), {start_at_home(go2.robot, 5), broken}, 4, 1);
  EXPECT_EQ(run.broken, 1);
  EXPECT_EQ(run.steps, 5 * 4 + 4);
}

}  // namespace
}  // namespace stampede::test
