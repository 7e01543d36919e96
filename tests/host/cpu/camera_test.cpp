/// \file Robots' depth cameras: MuJoCo's rays from the same places on the same ground and robot, frames and their
/// latency, what the sensor adds, and checkpoints.

#include "host/simulate/camera.hpp"

#include <mujoco/mujoco.h>

#include <map>

#include "host/cpu/backend.hpp"
#include "host/model/robot/load.hpp"
#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

using Shape = RobotShape<4, 3>;
using State = PhysicsState<float, 3>;
constexpr Index kEnvs = 32, kLanesAll = kEnvs * Shape::kGroup;

CompiledRobot robot_on(const std::vector<std::string>& kinds) {
  TerrainSettings terrain;
  terrain.kinds = kinds;
  terrain.levels = 1;
  terrain.columns = static_cast<int>(kinds.size());
  terrain.border = 6;
  terrain.easiest = 0.7;
  LoadOptions options;
  options.terrain = terrain;
  return load_robot("go2", options);
}

/// A camera at the front, which looks down and a little to the left, so that it sees a leg as well.
DepthCamera front_camera() {
  DepthCamera camera;
  camera.width = 32, camera.height = 24;
  camera.half_width = 1.2f, camera.half_height = 0.9f;
  camera.near = 0, camera.far = 3;
  camera.position = {0.36f, 0, 0.05f};
  camera.axes = Mat3<float>{{0.36f, 0.48f, -0.8f}, {-0.8f, 0.6f, 0}, {0.48f, 0.64f, 0.6f}};
  return camera;
}

/// Robots in random poses above the ground: their states, and qpos for MuJoCo.
struct Poses {
  std::vector<float> rows = floats(kLanesAll * kRows<State, float>);
  std::vector<std::vector<double>> qpos;

  Poses(const CompiledRobot& compiled, unsigned seed) {
    std::mt19937 generator(seed);
    std::uniform_real_distribution<double> unit(-1, 1);
    const RobotModel& robot = compiled.robot;
    for (Index env = 0; env < kEnvs; ++env) {
      std::vector<double> q = robot.home_qpos;
      // So far from the map's border that no picture shows it: in MuJoCo there is nothing beyond.
      q[0] = 2.5 * unit(generator);
      q[1] = 2.5 * unit(generator);
      q[2] = 0.3 + 0.1 * unit(generator) + (robot.map != nullptr ? robot.map->top_at(q[0], q[1]) : 0);
      double norm = 0;
      for (std::size_t k = 3; k < 7; ++k) {
        q[k] = (k == 3 ? 1 : 0) + (k == 6 ? 2 : 0.2) * unit(generator);
        norm += q[k] * q[k];
      }
      for (std::size_t k = 3; k < 7; ++k) q[k] /= std::sqrt(norm);
      for (std::size_t k = 7; k < q.size(); ++k) q[k] += 0.4 * unit(generator);
      // What a float holds, so that both see the same.
      for (double& x : q) x = static_cast<double>(static_cast<float>(x));
      qpos.push_back(q);
      for (Index limb = 0; limb < Shape::kGroup; ++limb) {
        const Index lane = env * Shape::kGroup + limb;
        const auto put = [&](std::size_t offset, double x) {
          rows[static_cast<std::size_t>(static_cast<Index>(offset / sizeof(float)) * kLanesAll + lane)] =
              static_cast<float>(x);
        };
        for (std::size_t k = 0; k < 3; ++k) put(offsetof(State, position) + k * sizeof(float), q[k]);
        for (std::size_t k = 0; k < 4; ++k) put(offsetof(State, orientation) + k * sizeof(float), q[3 + k]);
        for (const RobotJoint& joint : robot.joint_info) {
          if (joint.limb != limb) continue;
          put(offsetof(State, q) + static_cast<std::size_t>(joint.place) * sizeof(float),
              q[static_cast<std::size_t>(joint.position)]);
        }
      }
    }
  }
  RowsView<float> view() { return {rows.data(), kLanesAll}; }
};

/// Cameras with all that they write to.
struct Looking {
  CpuBackend backend{1};
  CpuBackend::Context context{&backend, 0, 0, true};
  Index size;
  Cameras<CpuBackend, Shape> cameras;
  std::vector<float> age = floats(kEnvs, 0.0f), observation;

  /// Rows have three numbers behind the picture.
  Looking(const DepthCamera& camera, const RobotModel& robot)
      : size(camera.pixels() + 3),
        cameras(backend, camera, robot, robot.map != nullptr ? robot.map->view() : TerrainView{}, kEnvs, 0),
        observation(floats(kEnvs * size, -7.0f)) {}

  void look(Poses& poses, bool begin, std::uint32_t clock = 0, std::uint64_t seed = 1) {
    cameras.look(context, {0, kEnvs}, poses.view(), {age.data(), seed, begin ? nullptr : &clock, 0}, observation.data(),
                 size);
  }
  float at(Index env, Index pixel) const { return observation[static_cast<std::size_t>(env * size + pixel)]; }
  std::vector<float> pictures() const {
    std::vector<float> all;
    for (Index env = 0; env < kEnvs; ++env) {
      for (Index pixel = 0; pixel < size - 3; ++pixel) all.push_back(at(env, pixel));
    }
    return all;
  }
};

/// All shapes but those for the eye alone (group 2 of the Go2's description).
constexpr mjtByte kGroups[mjNGROUP] = {1, 1, 0, 1, 1, 1};

/// What MuJoCo's rays say of a pixel, limited to the camera's range; `own`: whether it is a part of the robot.
double mujoco_depth(const CompiledRobot& compiled, mjData* data, const DepthCamera& camera, Index pixel, bool& own) {
  const double left = (0.5 * camera.width - 0.5 - static_cast<double>(pixel % camera.width)) *
                      (2.0 * static_cast<double>(camera.half_width) / camera.width);
  const double up = (0.5 * camera.height - 0.5 - static_cast<double>(pixel / camera.width)) *
                    (2.0 * static_cast<double>(camera.half_height) / camera.height);
  const Mat3<double> axes = camera.axes;
  const Vec3<double> along = axes.x + axes.y * left + axes.z * up, at = camera.position;
  const double local[2][3] = {{along.x, along.y, along.z}, {at.x, at.y, at.z}};
  double direction[3], from[3];
  mju_rotVecQuat(direction, local[0], data->qpos + 3);
  mju_rotVecQuat(from, local[1], data->qpos + 3);
  for (int k = 0; k < 3; ++k) from[k] += data->qpos[k];
  const double length = mju_normalize3(direction);
  int geom = -1;
  const double met = mj_ray(compiled.model.get(), data, from, direction, kGroups, 1, -1, &geom, nullptr);
  own = geom >= 0 && compiled.model->geom_bodyid[geom] != 0;
  return met < 0 ? static_cast<double>(camera.far) : std::min(met / length, static_cast<double>(camera.far));
}

bool in_the_ground(const CompiledRobot& compiled, const mjData* data, const DepthCamera& camera) {
  const Vec3<double> at = camera.position;
  const double local[3] = {at.x, at.y, at.z};
  double place[3];
  mju_rotVecQuat(place, local, data->qpos + 3);
  return data->qpos[2] + place[2] < compiled.robot.map->top_at(data->qpos[0] + place[0], data->qpos[1] + place[1]);
}

TEST(Cameras, SeeWhatMujocosRaysMeet) {
  const DepthCamera camera = front_camera();
  for (const char* kind : {"rough", "stairs-up", "stones", "obstacles", "slope-down", "flat"}) {
    SCOPED_TRACE(kind);
    const CompiledRobot compiled = robot_on({kind});
    Poses poses(compiled, 3);
    Looking looking(camera, compiled.robot);
    looking.look(poses, true);
    const DataHandle data(mj_makeData(compiled.model.get()));
    int off = 0, of_robot = 0, count = 0;
    for (Index env = 0; env < kEnvs; ++env) {
      const std::vector<double>& q = poses.qpos[static_cast<std::size_t>(env)];
      std::copy(q.begin(), q.end(), data->qpos);
      mj_kinematics(compiled.model.get(), data.get());
      if (in_the_ground(compiled, data.get(), camera)) continue;  // of a block, MuJoCo's rays meet the far side
      for (Index pixel = 0; pixel < camera.pixels(); ++pixel, ++count) {
        bool own = false;
        const double wanted = mujoco_depth(compiled, data.get(), camera, pixel, own);
        of_robot += own;
        off += std::abs(static_cast<double>(looking.at(env, pixel)) - wanted) > 1e-4;
      }
      for (Index behind = 0; behind < 3; ++behind) EXPECT_EQ(looking.at(env, camera.pixels() + behind), -7.0f);
    }
    EXPECT_GT(count, 15 * camera.pixels());
    EXPECT_LE(off, count / 2000) << "of " << count;  // at edges, where a rounding decides
    EXPECT_GT(of_robot, count / 100);
    RecordProperty(kind, off);
  }
}

TEST(Cameras, FramesHaveARateAndALatency) {
  DepthCamera camera = front_camera();
  camera.every = 3;
  camera.latency = 2;
  const CompiledRobot compiled = robot_on({"rough"});
  Looking looking(camera, compiled.robot);
  std::vector<std::vector<float>> taken;  // a picture of each control step, without a latency
  DepthCamera direct = camera;
  direct.every = 1;
  direct.latency = 0;
  for (int step = 0; step < 12; ++step) {
    Poses poses(compiled, static_cast<unsigned>(step));
    std::fill(looking.age.begin(), looking.age.end(), static_cast<float>(step));
    Looking other(direct, compiled.robot);
    other.look(poses, true);
    taken.push_back(other.pictures());
    looking.look(poses, false);
    const int frame = std::max(step / 3 - 2, 0);
    EXPECT_EQ(looking.pictures(), taken[static_cast<std::size_t>(3 * frame)]) << "step " << step;
  }
  // An episode that ends: the next one's first picture is there at once.
  Poses poses(compiled, 77);
  looking.age[5] = 0;
  std::vector<float> before = looking.pictures();
  looking.look(poses, false);
  Looking other(direct, compiled.robot);
  other.look(poses, true);
  for (Index pixel = 0; pixel < camera.pixels(); ++pixel) {
    ASSERT_EQ(looking.at(5, pixel), other.at(5, pixel));
    ASSERT_EQ(looking.at(4, pixel), before[static_cast<std::size_t>(4 * camera.pixels() + pixel)]);
  }
}

/// The latency that is drawn for an episode, in control steps: of pictures of another pose in each of them.
TEST(Cameras, EpisodesHaveLatenciesOfTheirOwn) {
  DepthCamera camera = front_camera();
  camera.every = 2;
  camera.latency = 1;
  camera.late = 3;
  EXPECT_EQ(camera.frames(), 4);
  const CompiledRobot compiled = robot_on({"rough"});
  Looking looking(camera, compiled.robot);
  DepthCamera direct = front_camera();
  std::vector<std::vector<float>> taken;
  // Two episodes of 20 steps. In the second half of each, what is seen tells by how much it is late.
  std::map<int, int> latencies;
  std::vector<int> first(kEnvs, -1);
  int others = 0;
  for (int step = 0; step < 40; ++step) {
    const int age = step % 20;
    Poses poses(compiled, static_cast<unsigned>(step));
    std::fill(looking.age.begin(), looking.age.end(), static_cast<float>(age));
    Looking other(direct, compiled.robot);
    other.look(poses, true);
    taken.push_back(other.pictures());
    looking.look(poses, step == 0, static_cast<std::uint32_t>(step - 1));
    if (age != 19) continue;
    const std::vector<float> seen = looking.pictures();
    for (Index env = 0; env < kEnvs; ++env) {
      const auto same = [&](int frame_step) {
        const std::vector<float>& picture = taken[static_cast<std::size_t>(frame_step)];
        const Index begin = env * camera.pixels();
        return std::equal(seen.begin() + begin, seen.begin() + begin + camera.pixels(), picture.begin() + begin);
      };
      // At age 19 the frames of ages 16 and 14 are seen with latencies of 2 or 3 steps, and of 4 or 5.
      const int late = same(step - 3) ? 0 : same(step - 5) ? 1 : -1;
      ASSERT_NE(late, -1) << "environment " << env;
      ++latencies[late];
      int& before = first[static_cast<std::size_t>(env)];
      others += before != -1 && before != late;
      before = late;
    }
  }
  EXPECT_GE(latencies[0], kEnvs / 4);
  EXPECT_GE(latencies[1], kEnvs / 4);
  EXPECT_GT(others, 0);  // drawn anew for the second episode
}

TEST(Cameras, BeginAtAnyAge) {
  DepthCamera camera = front_camera();
  camera.every = 4;
  camera.latency = 1;
  const CompiledRobot compiled = robot_on({"rough"});
  Poses poses(compiled, 2);
  Looking looking(camera, compiled.robot), fresh(camera, compiled.robot);
  fresh.look(poses, true);
  for (Index env = 0; env < kEnvs; ++env) looking.age[static_cast<std::size_t>(env)] = static_cast<float>(7 * env + 1);
  looking.look(poses, true);
  EXPECT_EQ(looking.pictures(), fresh.pictures());
  // The next frame is taken where the age is a multiple of 4, and seen a frame later.
  Poses later(compiled, 9);
  for (float& age : looking.age) age += 1;
  looking.look(later, false);
  EXPECT_EQ(looking.pictures(), fresh.pictures());
}

TEST(Cameras, NoiseIsWhatWasAskedFor) {
  const CompiledRobot compiled = robot_on({"flat"});
  Poses poses(compiled, 4);
  DepthCamera camera = front_camera();
  Looking clean(camera, compiled.robot);
  clean.look(poses, true);
  camera.noise = 0.05f;
  camera.dropped = 0.1f;
  Looking noisy(camera, compiled.robot);
  noisy.look(poses, true);
  double sum = 0, square = 0, dropped = 0, count = 0;
  for (Index env = 0; env < kEnvs; ++env) {
    for (Index pixel = 0; pixel < camera.pixels(); ++pixel) {
      const auto depth = static_cast<double>(clean.at(env, pixel));
      if (depth < 0.4 || depth > 2.6) continue;
      ++count;
      const double error = static_cast<double>(noisy.at(env, pixel)) - depth;
      if (noisy.at(env, pixel) == camera.far) {
        ++dropped;
      } else {
        sum += error;
        square += error * error;
      }
    }
  }
  ASSERT_GT(count, 3000);
  EXPECT_NEAR(dropped / count, 0.1, 0.02);
  EXPECT_NEAR(sum / (count - dropped), 0, 0.004);
  EXPECT_NEAR(std::sqrt(square / (count - dropped)), 0.05, 0.004);
  const std::vector<float> first = noisy.pictures();
  noisy.look(poses, true);
  EXPECT_EQ(noisy.pictures(), first);
  noisy.look(poses, false, 0);  // the first step, at whose age of 0 a frame is due
  EXPECT_NE(noisy.pictures(), first);
}

TEST(Cameras, KeepToTheirRange) {
  const CompiledRobot compiled = robot_on({"rough"});
  Poses poses(compiled, 4);
  DepthCamera camera = front_camera();
  camera.near = 0.4f;
  camera.far = 0.7f;
  camera.noise = 0.2f;
  Looking looking(camera, compiled.robot);
  looking.look(poses, true);
  const std::vector<float> all = looking.pictures();
  EXPECT_EQ(*std::min_element(all.begin(), all.end()), 0.4f);
  EXPECT_EQ(*std::max_element(all.begin(), all.end()), 0.7f);
}

TEST(Cameras, MixWhatLiesAtEdges) {
  const CompiledRobot compiled = robot_on({"stones"});
  Poses poses(compiled, 4);
  DepthCamera camera = front_camera();
  Looking clean(camera, compiled.robot);
  clean.look(poses, true);
  camera.edges = 1;
  Looking mixed(camera, compiled.robot);
  mixed.look(poses, true);
  int changed = 0;
  for (Index env = 0; env < kEnvs; ++env) {
    for (Index pixel = 0; pixel < camera.pixels(); ++pixel) {
      const float here = clean.at(env, pixel);
      const bool last = pixel % camera.width == camera.width - 1;
      const float right = last ? here : clean.at(env, pixel + 1);
      if (std::abs(right - here) <= kEdgeDepth) {
        ASSERT_EQ(mixed.at(env, pixel), here);
        continue;
      }
      ++changed;
      ASSERT_GE(mixed.at(env, pixel), std::min(here, right) - 1e-6f);
      ASSERT_LE(mixed.at(env, pixel), std::max(here, right) + 1e-6f);
    }
  }
  EXPECT_GT(changed, 300);
}

TEST(Cameras, AreMountedAnotherWayInEachEnvironment) {
  const CompiledRobot compiled = robot_on({"rough"});
  Poses poses(compiled, 4);
  // All robots stand at the same place in the same pose.
  for (Index row = 0; row < kRows<State, float>; ++row) {
    for (Index lane = 4; lane < kLanesAll; ++lane) {
      poses.rows[static_cast<std::size_t>(row * kLanesAll + lane)] =
          poses.rows[static_cast<std::size_t>(row * kLanesAll + lane % 4)];
    }
  }
  DepthCamera camera = front_camera();
  camera.position_error = 0.01f;
  camera.angle_error = 0.05f;
  Looking looking(camera, compiled.robot);
  looking.look(poses, true);
  const std::vector<float> first = looking.pictures();
  const auto picture = [&](Index env) {
    return std::vector<float>(first.begin() + env * camera.pixels(), first.begin() + (env + 1) * camera.pixels());
  };
  EXPECT_NE(picture(0), picture(1));
  looking.look(poses, false, 5);
  EXPECT_EQ(looking.pictures(), first);  // it stays as it is mounted
  looking.look(poses, false, 5, 2);
  EXPECT_NE(looking.pictures(), first);  // with another seed another way
}

TEST(Cameras, CheckpointsHoldTheFrames) {
  DepthCamera camera = front_camera();
  camera.latency = 3;
  const CompiledRobot compiled = robot_on({"rough"});
  Looking looking(camera, compiled.robot), other(camera, compiled.robot);
  for (unsigned step = 0; step < 6; ++step) {
    Poses poses(compiled, step);
    std::fill(looking.age.begin(), looking.age.end(), static_cast<float>(step));
    looking.look(poses, step == 0);
  }
  std::vector<Tensor> tensors;
  looking.cameras.save(looking.backend, tensors);
  other.cameras.load(other.backend, tensors);
  Poses poses(compiled, 50);
  std::fill(looking.age.begin(), looking.age.end(), 6.0f);
  other.age = looking.age;
  looking.look(poses, false);
  other.look(poses, false);
  EXPECT_EQ(other.pictures(), looking.pictures());
  EXPECT_THROW(other.cameras.load(other.backend, {}), Error);
}

}  // namespace
}  // namespace stampede::testing
