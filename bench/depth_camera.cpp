/// \file Depth cameras on one thread: pictures of the ground and of the robot's own shapes (kernels/sense), of Go2s
/// that stand about on tiles of each kind, at middle difficulty. Counter `rays/s`: pixels, in each of which one ray is
/// cast.

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "host/cpu/backend.hpp"
#include "host/model/robot/load.hpp"
#include "host/simulate/camera.hpp"

namespace stampede {
namespace {

using Shape = RobotShape<4, 3>;
using State = PhysicsState<float, 3>;
constexpr Index kEnvs = 64, kLanesAll = kEnvs * Shape::kGroup;

const CompiledRobot& robot_on(const std::string& kind) {
  static std::map<std::string, CompiledRobot> all;
  const auto [at, fresh] = all.try_emplace(kind);
  if (fresh) {
    TerrainSettings terrain;
    terrain.kinds = {kind};
    terrain.levels = 2;
    terrain.columns = 2;
    terrain.easiest = terrain.hardest = 0.5;
    LoadOptions options;
    options.terrain = terrain;
    at->second = load_robot("go2", options);
  }
  return at->second;
}

/// States of robots at random places on the ground, turned any way.
std::vector<float> standing_about(const RobotModel& robot) {
  std::vector<float> rows(static_cast<std::size_t>(kRows<State, float> * kLanesAll), 0.0f);
  std::mt19937 generator(3);
  std::uniform_real_distribution<double> place(-7, 7), half_turn(-1.5707963, 1.5707963);
  for (Index env = 0; env < kEnvs; ++env) {
    const double x = place(generator), y = place(generator), yaw = half_turn(generator);
    const double pose[7] = {x, y, robot.map->top_at(x, y) + robot.home_qpos[2], std::cos(yaw), 0, 0, std::sin(yaw)};
    for (Index limb = 0; limb < Shape::kGroup; ++limb) {
      const auto put = [&](std::size_t row, double value) {
        rows[row * static_cast<std::size_t>(kLanesAll) + static_cast<std::size_t>(env * Shape::kGroup + limb)] =
            static_cast<float>(value);
      };
      for (std::size_t k = 0; k < 7; ++k) put(k, pose[k]);  // PhysicsState begins with position and orientation
      for (const RobotJoint& joint : robot.joint_info) {
        if (joint.limb != limb) continue;
        put(offsetof(State, q) / sizeof(float) + static_cast<std::size_t>(joint.place),
            robot.home_qpos[static_cast<std::size_t>(joint.position)]);
      }
    }
  }
  return rows;
}

void take_pictures(benchmark::State& state, const char* kind, int width, int height, float noise) {
  const RobotModel& robot = robot_on(kind).robot;
  DepthCamera camera;
  camera.width = width, camera.height = height;
  camera.half_width = 0.93f;
  camera.half_height = camera.half_width * static_cast<float>(height) / static_cast<float>(width);
  camera.far = 2;
  camera.noise = noise;
  camera.position = {0.34f, 0, 0.04f};
  camera.axes = Mat3<float>{{0.92f, 0, -0.39f}, {0, 1, 0}, {0.39f, 0, 0.92f}};
  CpuBackend backend(1);
  const CpuBackend::Context context{&backend, 0, 0, true};
  Cameras<CpuBackend, Shape> cameras(backend, camera, robot, robot.map->view(), kEnvs, 0);
  std::vector<float> rows = standing_about(robot), age(static_cast<std::size_t>(kEnvs), 0.0f),
                     picture(static_cast<std::size_t>(kEnvs * camera.pixels()));
  for (auto _ : state) {
    cameras.look(context, {0, kEnvs}, {rows.data(), kLanesAll}, {age.data(), 1, nullptr, 0}, picture.data(),
                 camera.pixels());
    benchmark::DoNotOptimize(picture.data());
  }
  double seen = 0;
  for (const float depth : picture) seen += depth < camera.far ? 1 : 0;
  state.counters["rays/s"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * static_cast<double>(kEnvs * camera.pixels()),
                         benchmark::Counter::kIsRate, benchmark::Counter::kIs1000);
  state.counters["hit"] = seen / static_cast<double>(picture.size());
}

void add_all() {
  for (const char* kind : {"flat", "rough", "stairs-up", "stones", "gap", "obstacles"}) {
    const std::string name = kind;
    benchmark::RegisterBenchmark((name + "/32x24").c_str(), take_pictures, kind, 32, 24, 0.0f);
    if (name == "rough" || name == "obstacles") {
      benchmark::RegisterBenchmark((name + "/32x24, noise").c_str(), take_pictures, kind, 32, 24, 0.02f);
      benchmark::RegisterBenchmark((name + "/80x60").c_str(), take_pictures, kind, 80, 60, 0.0f);
    }
  }
}

}  // namespace
}  // namespace stampede

int main(int count, char** arguments) {
  stampede::add_all();
  benchmark::Initialize(&count, arguments);
  benchmark::RunSpecifiedBenchmarks();
}
