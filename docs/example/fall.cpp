/// \file Lets robots fall from C++: pushes half of them, and prints where they lie.
#include <cstdio>

#include "host/base/error.hpp"
#include "host/engine/loader.hpp"
#include "host/model/robot/load.hpp"

int main(int argc, char** argv) try {
  const stampede::CompiledRobot go2 = stampede::load_robot(argc > 1 ? argv[1] : "go2");
  const stampede::RobotModel& robot = go2.robot;

  stampede::SimulationRequest request;
  request.robot = &robot;
  request.num_envs = 64;
  const std::unique_ptr<stampede::Engine> engine = stampede::make_engine("auto");
  const std::unique_ptr<stampede::Simulation> simulation = engine->make_simulation(request);

  // MuJoCo's coordinates: qpos begins with the base's position and quaternion. Controls are the robot's at home.
  std::vector<double> qpos = robot.home_qpos, qvel(static_cast<std::size_t>(robot.nv), 0.0);
  qpos[2] += 0.3;
  for (std::int64_t env = 0; env < simulation->num_envs(); ++env) {
    simulation->set_state(env, qpos.data(), qvel.data());
    stampede::Variation variation;  // friction, masses, motors, gravity, pushes: all of each environment's own
    if (env % 2 == 1) variation.push_force = {0, 0.5 * 9.81 * robot.total_mass, 0};
    simulation->set_variation(env, variation);
  }
  simulation->step(0, static_cast<int>(2.0 / robot.options.timestep));

  for (const std::int64_t env : {0, 1}) {
    simulation->get_state(env, qpos.data(), qvel.data());
    std::printf("environment %lld: base at %.3f %.3f %.3f m\n", static_cast<long long>(env), qpos[0], qpos[1], qpos[2]);
  }
  const stampede::SimulationCounts counts = simulation->counts();
  std::printf("%.0f steps, %.2f contacts and %.2f iterations a step, %.0f not finite\n", counts.steps,
              counts.contacts / counts.steps, counts.iterations / counts.steps, counts.held);
  return 0;
} catch (const stampede::Error& error) {
  std::fprintf(stderr, "fall: error: %s\n", error.what());
  return static_cast<int>(error.status());
}
