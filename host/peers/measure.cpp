#include "host/peers/measure.hpp"

#include <mujoco/mujoco.h>

#include <algorithm>
#include <cmath>

#include "host/base/clock.hpp"
#include "host/peers/mujoco_peer.hpp"
#include "host/peers/scenes.hpp"

namespace stampede {
namespace {

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

PhysicsBenchmark measure_physics(Engine& engine, const RobotModel& robot, const mjModel* model,
                                 const PhysicsBenchmarkRequest& request) {
  // Environments beyond these repeat their starts and controls: they take as long, and the scene fits into memory.
  constexpr std::int64_t kDifferent = 256;
  constexpr double kTimed = 0.5;
  constexpr int kPeers = 32;
  const double dt = robot.options.timestep;
  const int decimation = std::max(1, static_cast<int>(std::lround(0.02 / dt)));
  const double control_dt = decimation * dt;
  const auto different = static_cast<int>(std::min(kDifferent, request.num_envs));
  const auto in_steps = [&](double seconds) { return static_cast<int>(std::lround(seconds / control_dt)); };
  const int timed = std::max(1, in_steps(kTimed));
  Scene scene = make_scene(request.scene, robot, different, 1, control_dt, request.seed);
  const int settling = in_steps(scene.settling);
  scene = make_scene(request.scene, robot, different, settling + timed, control_dt, request.seed);

  const auto nq = static_cast<std::size_t>(robot.nq), nv = static_cast<std::size_t>(robot.nv),
             nu = static_cast<std::size_t>(robot.nu);
  const auto control_of = [&](int t, std::int64_t env) {
    return scene.ctrl.data() + (static_cast<std::size_t>(t) * static_cast<std::size_t>(different) +
                                static_cast<std::size_t>(env % different)) *
                                   nu;
  };
  SimulationRequest simulated;
  simulated.robot = &robot;
  simulated.num_envs = request.num_envs;
  const std::unique_ptr<Simulation> simulation = engine.make_simulation(simulated);
  simulation->reserve_controls(settling + timed);
  for (int t = 0; t < settling + timed; ++t) {
    for (std::int64_t env = 0; env < request.num_envs; ++env) simulation->set_control(t, env, control_of(t, env));
  }
  for (std::int64_t env = 0; env < request.num_envs; ++env) {
    const auto e = static_cast<std::size_t>(env % different);
    simulation->set_state(env, &scene.qpos[e * nq], &scene.qvel[e * nv]);
  }
  for (int t = 0; t < settling; ++t) simulation->step(t, decimation);

  std::vector<double> qpos(static_cast<std::size_t>(request.num_envs) * nq),
      qvel(static_cast<std::size_t>(request.num_envs) * nv), qacc(qvel.size());
  for (std::int64_t env = 0; env < request.num_envs; ++env) {
    const auto e = static_cast<std::size_t>(env);
    simulation->get_state(env, &qpos[e * nq], &qvel[e * nv], &qacc[e * nv]);
  }
  std::vector<PeerStart> peers;
  for (int env = 0; request.mujoco && env < std::min(kPeers, different); ++env) {
    const auto e = static_cast<std::size_t>(env);
    PeerStart start;
    const auto piece = [](const std::vector<double>& all, std::size_t at, std::size_t size) {
      return std::vector<double>(all.begin() + static_cast<std::ptrdiff_t>(at * size),
                                 all.begin() + static_cast<std::ptrdiff_t>((at + 1) * size));
    };
    start.qpos = piece(qpos, e, nq), start.qvel = piece(qvel, e, nv), start.qacc = piece(qacc, e, nv);
    for (int t = settling; t < settling + timed; ++t) start.ctrl.push_back(control_of(t, env));
    peers.push_back(std::move(start));
  }
  ModelHandle as_is, for_speed;
  if (request.mujoco) {
    as_is = comparable_model(model);
    for_speed = comparable_model(model);
    settle_for_speed(for_speed.get());
  }

  PhysicsBenchmark result;
  result.scene = request.scene;
  result.steps = request.num_envs * timed * decimation;
  std::vector<double> rates, peer_rates, default_rates, ratios;
  SimulationCounts before = simulation->counts(), after;
  for (int repetition = 0; repetition < request.repetitions; ++repetition) {
    for (std::int64_t env = 0; env < request.num_envs; ++env) {
      const auto e = static_cast<std::size_t>(env);
      simulation->set_state(env, &qpos[e * nq], &qvel[e * nv], &qacc[e * nv]);
    }
    simulation->step(settling, 0);  // uploads the states; takes no step
    simulation->wait();
    before = simulation->counts();
    const double started = seconds_now();
    for (int t = settling; t < settling + timed; ++t) simulation->step(t, decimation);
    simulation->wait();
    const double seconds = seconds_now() - started;
    after = simulation->counts();
    rates.push_back(static_cast<double>(result.steps) / seconds);
    if (!request.mujoco) continue;
    const int threads = std::min<int>(engine.threads(), static_cast<int>(peers.size()));
    const PeerRun own = run_mujoco(as_is.get(), peers, decimation, threads);
    const PeerRun fast = run_mujoco(for_speed.get(), peers, decimation, threads);
    default_rates.push_back(own.steps / own.seconds);
    peer_rates.push_back(std::max(own.steps / own.seconds, fast.steps / fast.seconds));
    ratios.push_back(rates.back() / peer_rates.back());
    result.mujoco_contacts_mean = fast.contacts / fast.steps;
    result.mujoco_iterations_mean = fast.iterations / fast.steps;
    result.mujoco_nonfinite = std::max(own.broken, fast.broken);
  }
  result.steps_per_second = median(rates);
  result.seconds = static_cast<double>(result.steps) / result.steps_per_second;
  const double taken = std::max(1.0, after.steps - before.steps);
  result.contacts_mean = (after.contacts - before.contacts) / taken;
  result.iterations_mean = (after.iterations - before.iterations) / taken;
  result.iteration_cap_share = (after.capped - before.capped) / taken;
  result.nonfinite = after.held;
  result.over_slots = after.over_slots;
  result.mujoco_steps_per_second = median(peer_rates);
  result.mujoco_default_steps_per_second = median(default_rates);
  result.ratio = median(ratios);
  return result;
}

}  // namespace stampede
