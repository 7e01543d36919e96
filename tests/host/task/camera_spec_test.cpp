/// \file A robot's camera from its settings: what a task with one sees, and one line for each mistake.

#include "host/task/camera_spec.hpp"

#include <cmath>

#include "host/task/planned_task.hpp"
#include "host/task/protocol.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

using test::error_of;
using test::expect_parts;

/// A Go2 that sees a small picture.
PlannedTask seeing(const std::vector<std::string>& more = {}) {
  SettingsSources sources;
  sources.set = {"task=go2-flat",
                 "observations.policy=[\"depth\", \"joint_position\", \"command\"]",
                 "camera.width=8",
                 "camera.height=6",
                 "camera.position=[0.34, 0, 0.04]",
                 "network.modules=[\"convolution\", \"dense\"]"};
  sources.set.insert(sources.set.end(), more.begin(), more.end());
  return plan_task(resolve_settings(sources));
}

TEST(CameraSpec, ThePictureComesFirst) {
  const PlannedTask task = seeing();
  const ObservationGroup& group = task.spec->policy();
  EXPECT_EQ(group.size(), 8 * 6 + 12 + 3);
  EXPECT_EQ(group.pixels(), 48);
  EXPECT_EQ(group.image(), (std::vector<int>{1, 6, 8}));
  EXPECT_EQ(group.shape(), (std::vector<int>{63}));
  EXPECT_EQ(group.names[0], "depth.0.0");
  EXPECT_EQ(group.names[9], "depth.1.1");
  EXPECT_EQ(group.names[48], "joint_position.FL_hip_joint");
  EXPECT_EQ(task.spec->legged->constants.policy[1].begin, 48);
  EXPECT_EQ(task.spec->privileged()->pixels(), 0);
  EXPECT_NE(task.spec->facts.at("camera").find("\"every\":5"), std::string::npos);
}

TEST(CameraSpec, LooksWhereItIsTurned) {
  const auto camera_of = [](const std::vector<std::string>& more) { return seeing(more).spec->legged->camera; };
  const DepthCamera straight = camera_of({"camera.pitch=0", "camera.field_of_view=1.5707963"});
  EXPECT_NEAR(static_cast<double>(straight.half_width), 1, 1e-6);
  EXPECT_NEAR(static_cast<double>(straight.half_height), 0.75, 1e-6);
  EXPECT_EQ(straight.axes.x.x, 1.0f);
  const DepthCamera down = camera_of({"camera.pitch=0.5"});
  EXPECT_NEAR(static_cast<double>(down.axes.x.z), -std::sin(0.5), 1e-6);
  EXPECT_NEAR(static_cast<double>(down.axes.z.x), std::sin(0.5), 1e-6);
  const DepthCamera left = camera_of({"camera.pitch=0.3", "camera.yaw=0.5", "symmetry.mirror=false"});
  EXPECT_GT(left.axes.x.y, 0.0f);
  EXPECT_LT(left.axes.y.x, 0.0f);
  // Right-handed, of unit length.
  const Vec3<float> up = cross(left.axes.x, left.axes.y);
  EXPECT_NEAR(static_cast<double>(dot(up, left.axes.z)), 1, 1e-6);
}

TEST(CameraSpec, OneCanOnlySeeWhatIsAsked) {
  EXPECT_EQ(
      seeing({"observations.policy=[\"joint_position\"]", "network.modules=[\"dense\"]"}).spec->legged->camera.pixels(),
      0);
}

TEST(CameraSpec, EvaluationsWithoutRandomisationKeepRateAndLatency) {
  const PlannedTask task = seeing({"camera.noise=0.1", "camera.dropped=0.1", "camera.edges=0.5", "camera.latency=3",
                                   "camera.latency_error=0.05", "camera.position_error=0.1", "camera.angle_error=0.1"});
  const auto camera = [&](bool randomise) { return evaluation_request(task, 1, randomise).task->legged->camera; };
  EXPECT_EQ(camera(true).noise, 0.1f);
  EXPECT_EQ(camera(true).late, 2);  // whole control steps of 0.02 s
  const DepthCamera still = camera(false);
  EXPECT_EQ(still.noise + still.dropped + still.edges + still.position_error + still.angle_error, 0.0f);
  EXPECT_EQ(still.late, 0);
  EXPECT_EQ(still.latency, 3);
  EXPECT_EQ(still.every, 5);
}

TEST(CameraSpec, PicturesHaveMirrorImages) {
  const MirrorMap mirror = seeing().spec->mirror.policy;
  for (int line = 0; line < 6; ++line) {
    for (int column = 0; column < 8; ++column) {
      const auto i = static_cast<std::size_t>(8 * line + column);
      EXPECT_EQ(mirror.place[i], 8 * line + 7 - column);
      EXPECT_EQ(mirror.sign[i], 1.0f);
    }
  }
}

TEST(CameraSpec, OneLineForEachMistake) {
  const auto line = [](const std::vector<std::string>& more) { return error_of([&] { seeing(more); }); };
  expect_parts(line({"camera.width=7"}),
               {"task 'go2-flat'", "camera.width = 7", "camera.height = 6", "multiple of 16"});
  expect_parts(line({"camera.near=2", "camera.far=2"}), {"camera.near = 2", "not below camera.far = 2"});
  expect_parts(line({"camera.position=[0, 0]"}), {"camera.position has 2 numbers"});
  expect_parts(line({"camera.position=[0.1, 0, 0]"}), {"camera.position = [0.1, 0, 0]", "inside the base", "'go2'"});
  expect_parts(line({"camera.rate=15"}), {"camera.rate = 15", "50 a second", "12.5 or 16.6667"});
  expect_parts(line({"camera.rate=120"}), {"camera.rate = 120", "; 50 would be right"});
  expect_parts(line({"observations.policy=[\"command\", \"depth\"]"}), {"observations.policy", "must come first"});
  expect_parts(line({"observations.critic=[\"depth\", \"command\"]"}), {"observations.critic", "for the policy"});
  expect_parts(line({"observations.critic=[]"}), {"observations.critic is empty"});
  expect_parts(line({"policy_observation.history=2"}), {"policy_observation", "camera.rate"});
  expect_parts(line({"camera.yaw=0.1"}), {"symmetry.mirror", "to one side"});
  expect_parts(line({"camera.latency=-1"}), {"camera.latency"});
  expect_parts(line({"camera.latency_error=0.01"}), {"camera.latency_error = 0.01", "a control step, 0.02 s"});
  expect_parts(line({"camera.widht=8"}), {"camera.widht", "width"});
}

}  // namespace
}  // namespace stampede
