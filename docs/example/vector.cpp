/// \file Steps 4096 robots with a controller of its own: they trot. Prints how fast they go forward.
#include <chrono>
#include <cmath>
#include <cstdio>

#include "host/base/error.hpp"
#include "host/engine/loader.hpp"
#include "host/task/planned_task.hpp"

int main() try {
  stampede::SettingsSources sources;
  sources.set = {"task=go2-flat"};
  const auto task = stampede::plan_task(stampede::resolve_settings(sources)).spec;
  const auto engine = stampede::make_engine("auto");
  const auto robots = engine->make_environment({task, 4096, 7});

  // Actions are joint targets [rad], three a leg: hip, thigh, knee of FL, FR, RL, RR.
  const std::vector<float>& stand = task->action.centre;
  const std::size_t joints = stand.size(), seen = task->find_group("critic")->names.size();
  std::vector<float> targets(static_cast<std::size_t>(robots->num_envs()) * joints);
  double reward = 0, forward = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (int step = 0; step < 250; ++step) {
    // Four times a second diagonal legs push and are drawn in, in turn. Thighs turned back, which sets the feet back, lean the
    // robot forward.
    std::vector<float> trot = stand;
    for (std::size_t leg = 0; leg < 4; ++leg) {
      const double turn = 6.2832 * (4.0 * step * task->control_dt + (leg == 0 || leg == 3 ? 0.0 : 0.5));
      const double drawn_in = std::fmax(0.0, -std::cos(turn));
      trot[3 * leg + 1] += static_cast<float>(0.2 + 0.2 * std::sin(turn) + 0.4 * drawn_in);
      trot[3 * leg + 2] -= static_cast<float>(0.8 * drawn_in);
    }
    for (std::size_t i = 0; i < targets.size(); ++i) targets[i] = trot[i % joints];
    robots->step(targets);  // without a copy: write where robots->actions() lie, and step(robots->actions())
    for (const float r : robots->rewards().to_host()) reward += static_cast<double>(r);
    // The critic is told the base's velocity in the base's axes, x [m/s] first.
    const std::vector<float> critic = robots->observations("critic").to_host();
    for (std::size_t at = 0; at < critic.size(); at += seen) forward += static_cast<double>(critic[at]);
  }
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
  const stampede::VectorCounts counts = robots->counts();
  const double n = static_cast<double>(counts.steps);
  std::printf("reward %.4f a step, %.2f m/s forward, %lld episodes ended, %.0f steps/s\n", reward / n, forward / n,
              static_cast<long long>(counts.episodes), n / taken.count());
  return 0;
} catch (const stampede::Error& error) {
  std::fprintf(stderr, "vector: error: %s\n", error.what());
  return static_cast<int>(error.status());
}
