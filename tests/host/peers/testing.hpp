#pragma once
/// \file What tests of the physics share: the engine, robots without what a test leaves out, states, statistics.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <mujoco/mujoco.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "host/engine/loader.hpp"
#include "host/peers/mujoco_peer.hpp"
#include "tests/host/model/robot/robots.hpp"

namespace stampede::test {

using Numbers = std::vector<double>;

/// The CPU's engine, on one thread.
inline Engine& cpu_engine() {
  static const std::unique_ptr<Engine> engine = make_engine("cpu", 1);
  return *engine;
}

inline std::unique_ptr<Simulation> simulate(const RobotModel& robot, int envs, bool in_double,
                                            Engine& engine = cpu_engine()) {
  SimulationRequest request;
  request.robot = &robot;
  request.num_envs = envs;
  request.double_precision = in_double;
  request.exact = in_double;
  return engine.make_simulation(request);
}

inline std::size_t at(int i) { return static_cast<std::size_t>(i); }

/// The robot and MuJoCo's model without contacts, limits and dry friction.
inline void remove_constraints(CompiledRobot& compiled) {
  compiled.robot.remove_ground();
  compiled.robot.options.limits = false;
  for (JointModel<double>& joint : compiled.robot.joint) {
    joint.low = -1e30, joint.high = 1e30;
    joint.friction_loss = joint.friction_stiffness = joint.friction_damping = 0;
  }
  compiled.model->opt.disableflags |= mjDSBL_CONSTRAINT;
}

struct RobotState {
  Numbers qpos, qvel, ctrl;
};

/// Any orientation, joints anywhere in their ranges (of those without: within 2 of the reference), speeds of
/// about `speed`, controls of about 1.
inline RobotState random_state(const mjModel* m, std::mt19937_64& generator, double speed) {
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform(-1, 1);
  RobotState s{Numbers(m->qpos0, m->qpos0 + m->nq), Numbers(at(static_cast<int>(m->nv))),
               Numbers(at(static_cast<int>(m->nu)))};
  for (int j = 0; j < m->njnt; ++j) {
    double* q = &s.qpos[at(m->jnt_qposadr[j])];
    if (m->jnt_type[j] == mjJNT_FREE) {
      for (int i = 0; i < 3; ++i) q[i] = uniform(generator);
      for (int i = 3; i < 7; ++i) q[i] = normal(generator);
      mju_normalize4(q + 3);
    } else if (m->jnt_limited[j]) {
      const double low = m->jnt_range[2 * j], high = m->jnt_range[2 * j + 1];
      *q = 0.5 * (low + high + (high - low) * uniform(generator));
    } else {
      *q += 2 * uniform(generator);
    }
  }
  for (double& v : s.qvel) v = speed * normal(generator);
  for (double& u : s.ctrl) u = normal(generator);
  return s;
}

inline double norm(const Numbers& x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return std::sqrt(sum);
}
inline double largest(const double* x, std::size_t n) {
  double most = 0;
  for (std::size_t i = 0; i < n; ++i) most = std::max(most, std::abs(x[i]));
  return most;
}
inline double largest(const Numbers& x) { return largest(x.data(), x.size()); }
/// |a - b|, infinite where it is not a number.
inline double distance(const Numbers& a, const double* b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::isfinite(sum) ? std::sqrt(sum) : HUGE_VAL;
}
/// The largest |a - b| of an entry, infinite where one is not a number.
inline double largest_difference(const Numbers& a, const double* b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(a[i] - b[i]);
    if (!(d <= most)) most = std::isfinite(d) ? d : HUGE_VAL;
  }
  return most;
}
inline double quantile(Numbers values, double share) {
  std::sort(values.begin(), values.end());
  return values.at(std::min(values.size() - 1, static_cast<std::size_t>(share * static_cast<double>(values.size()))));
}

/// Keeps a figure with the test's results (--gtest_output=json:FILE).
inline void figure(std::string name, double value) {
  std::replace(name.begin(), name.end(), ' ', '_');  // as XML has its names
  ::testing::Test::RecordProperty(name, fmt::format("{:.2e}", value));
}

inline const char* const kRobots[] = {"anymal_c", "bolt", "cartpole", "double_pendulum", "go2", "hexapod", "solo12"};

}  // namespace stampede::test
