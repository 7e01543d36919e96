/// \file A robot let fall.
#include "host/physics/fall.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

#include "host/physics/scenes.hpp"

namespace stampede {

Fall simulate_fall(Engine& engine, const RobotModel& robot, double seconds, double fps, std::uint64_t seed) {
  const double dt = robot.options.timestep;
  const Scene scene = make_scene("falling", robot, 1, 1, dt, seed);
  SimulationRequest request;
  request.robot = &robot;
  const std::unique_ptr<Simulation> simulation = engine.make_simulation(request);
  simulation->set_state(0, scene.qpos.data(), scene.qvel.data());
  simulation->reserve_controls(1);
  simulation->set_control(0, 0, scene.ctrl.data());

  Fall fall;
  const long frames = std::max(1L, std::lround(seconds * fps));
  long taken = 0;
  for (long frame = 0; frame < frames; ++frame) {
    // The step that lies nearest to the frame's time.
    const long steps = std::lround(static_cast<double>(frame) / (fps * dt));
    if (steps > taken) simulation->step(0, static_cast<int>(steps - taken));
    taken = steps;
    simulation->wait();
    fall.qpos.emplace_back(static_cast<std::size_t>(robot.nq));
    simulation->get_state(0, fall.qpos.back().data(), nullptr);
  }
  fall.counts = simulation->counts();
  return fall;
}

}  // namespace stampede
