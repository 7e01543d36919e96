/// \file Robots on the GPU: its stages and steps against the CPU's floats and doubles; an environment depends on nothing
/// but itself, and what is not finite is held.

#include "cuda/module/simulation.hpp"

#include <cuda_runtime_api.h>

#include <cmath>
#include <cstring>
#include <utility>

#include "host/peers/scenes.hpp"
#include "tests/host/peers/testing.hpp"

namespace stampede::test {
namespace {

constexpr int kControlSteps = 20, kDecimation = 4;

enum class Where { kGpu, kCpuFloat, kCpuDouble };

std::unique_ptr<Simulation> simulation_of(const RobotModel& robot, int envs, Where where, bool exact = false) {
  SimulationRequest request;
  request.robot = &robot;
  request.num_envs = envs;
  request.double_precision = where == Where::kCpuDouble;
  request.exact = exact;
  return where == Where::kGpu ? make_cuda_simulation(request) : cpu_engine().make_simulation(request);
}

/// Where a robot is, and what it is told.
struct Moment {
  Numbers qpos, qvel, qacc, ctrl;
};

/// All of the states after a run: [env][qpos, qvel, qacc].
using Ends = std::vector<Numbers>;

std::vector<int> in_order(int n) {
  std::vector<int> order(at(n));
  for (int i = 0; i < n; ++i) order[at(i)] = i;
  return order;
}

/// Which environments differ in any bit, of those that `a` has.
std::vector<int> different(const Ends& a, const Ends& b) {
  std::vector<int> which;
  for (std::size_t e = 0; e < a.size(); ++e) {
    if (a[e].empty()) continue;
    const bool same =
        a[e].size() == b[e].size() && std::memcmp(a[e].data(), b[e].data(), a[e].size() * sizeof(double)) == 0;
    if (!same) which.push_back(static_cast<int>(e));
  }
  return which;
}
const std::vector<int> kNone;

/// A simulation of a scene: environment order[i] of it is at place i.
class SceneRun {
 public:
  SceneRun(const RobotModel& robot, const Scene& scene, std::vector<int> order, Where where = Where::kGpu)
      : robot_(robot),
        scene_(scene),
        order_(std::move(order)),
        simulation_(simulation_of(robot, static_cast<int>(order_.size()), where)) {
    const auto nq = at(robot.nq), nv = at(robot.nv);
    for (std::size_t i = 0; i < order_.size(); ++i) {
      const std::size_t e = at(order_[i]);
      simulation_->set_state(static_cast<std::int64_t>(i), &scene.qpos[e * nq], &scene.qvel[e * nv]);
    }
  }

  void step(int control_step, int steps = kDecimation) {
    const auto nu = at(robot_.nu);
    for (std::size_t i = 0; i < order_.size(); ++i) {
      simulation_->set_control(0, static_cast<std::int64_t>(i), &scene_.ctrl[row(control_step, order_[i]) * nu]);
    }
    simulation_->step(0, steps);
  }
  void step_to_the_end() {
    for (int t = 0; t < scene_.control_steps; ++t) step(t);
  }

  /// By environment; empty for those that do not take part.
  Ends ends() {
    const auto nq = at(robot_.nq), nv = at(robot_.nv);
    Ends ends(environments());
    for (std::size_t i = 0; i < order_.size(); ++i) {
      Numbers& end = ends[at(order_[i])];
      end.resize(nq + 2 * nv);
      simulation_->get_state(static_cast<std::int64_t>(i), end.data(), &end[nq], &end[nq + nv]);
    }
    return ends;
  }

  /// The states as they are, and the controls of `control_step`.
  std::vector<Moment> moments(int control_step) {
    const auto nq = at(robot_.nq), nv = at(robot_.nv), nu = at(robot_.nu);
    std::vector<Moment> moments(order_.size());
    for (std::size_t i = 0; i < order_.size(); ++i) {
      Moment& m = moments[i];
      m.qpos.resize(nq), m.qvel.resize(nv), m.qacc.resize(nv);
      simulation_->get_state(static_cast<std::int64_t>(i), m.qpos.data(), m.qvel.data(), m.qacc.data());
      for (std::size_t u = 0; u < nu; ++u) {
        // As floats have it: all are told the same.
        const double ctrl = scene_.ctrl[row(control_step, order_[i]) * nu + u];
        m.ctrl.push_back(static_cast<double>(static_cast<float>(ctrl)));
      }
    }
    return moments;
  }

  SimulationCounts counts() { return simulation_->counts(); }

 private:
  std::size_t environments() const { return scene_.qpos.size() / at(robot_.nq); }
  std::size_t row(int control_step, int env) const { return at(control_step) * environments() + at(env); }

  const RobotModel& robot_;
  const Scene& scene_;
  std::vector<int> order_;
  std::unique_ptr<Simulation> simulation_;
};

Scene scene_of(const std::string& name, const RobotModel& robot, int envs, int control_steps = kControlSteps) {
  return make_scene(name, robot, envs, control_steps, kDecimation * robot.options.timestep, 3);
}

/// Those of these robots that this build simulates.
std::vector<RobotModel> robots_of_this_build(const std::vector<std::string>& names) {
  std::vector<RobotModel> robots;
  for (const std::string& name : names) {
    RobotModel robot = load_robot(name).robot;
#if defined(STAMPEDE_ONLY_QUADRUPEDS)
    if (robot.size.limbs != 4 || robot.size.joints != 3) continue;
#endif
    robots.push_back(std::move(robot));
  }
  return robots;
}

/// On two levels of all kinds of ground.
RobotModel on_terrain(const std::string& name) {
  LoadOptions options;
  TerrainSettings settings;
  settings.levels = 2, settings.border = 1;
  options.terrain = with_kinds(settings, "all");
  return load_robot(name, options).robot;
}

/// What a simulation makes of moments: the stages of the next step, and where that leads.
struct Seen {
  std::vector<StageReport> stages;
  std::vector<Numbers> qpos, qvel;
  SimulationCounts counts;
};

Seen look(const RobotModel& robot, const std::vector<Moment>& moments, Where where) {
  const int n = static_cast<int>(moments.size());
  const auto simulation = simulation_of(robot, n, where, true);
  for (int i = 0; i < n; ++i) {
    const Moment& m = moments[at(i)];
    simulation->set_state(i, m.qpos.data(), m.qvel.data(), m.qacc.data());
    simulation->set_control(0, i, m.ctrl.data());
  }
  Seen seen;
  seen.stages = simulation->inspect(0);
  simulation->step(0, 1);
  for (int i = 0; i < n; ++i) {
    seen.qpos.emplace_back(at(robot.nq)), seen.qvel.emplace_back(at(robot.nv));
    simulation->get_state(i, seen.qpos.back().data(), seen.qvel.back().data());
  }
  seen.counts = simulation->counts();
  return seen;
}

/// Errors of one kind, an element for each moment.
struct Errors {
  Numbers mass, bias, acceleration, position, velocity;
  int other_contacts = 0;  ///< moments with another number of contacts
};

/// The largest error of an entry beside the masses that it couples: joints' are small beside the base's.
double mass_error(const Numbers& got, const Numbers& want, std::size_t nv) {
  double most = 0;
  for (std::size_t i = 0; i < nv * nv; ++i) {
    const double scale = std::sqrt(want[i / nv * (nv + 1)] * want[i % nv * (nv + 1)]);
    const double error = std::abs(got[i] - want[i]) / scale;
    if (!(error <= most)) most = std::isfinite(error) ? error : HUGE_VAL;
  }
  return most;
}

Errors errors_of(const Seen& got, const Seen& want) {
  Errors errors;
  // What happens to be next to nothing is not a scale: a robot that stands accelerates hardly at all.
  Numbers bias, acceleration, velocity;
  for (std::size_t i = 0; i < want.stages.size(); ++i) {
    bias.push_back(largest(want.stages[i].bias));
    acceleration.push_back(norm(want.stages[i].qacc));
    velocity.push_back(norm(want.qvel[i]));
  }
  const double usual_bias = quantile(bias, 0.5), usual_acceleration = quantile(acceleration, 0.5),
               usual_velocity = quantile(velocity, 0.5);
  for (std::size_t i = 0; i < want.stages.size(); ++i) {
    const StageReport &g = got.stages[i], &w = want.stages[i];
    errors.mass.push_back(mass_error(g.mass_matrix, w.mass_matrix, w.bias.size()));
    errors.bias.push_back(largest_difference(g.bias, w.bias.data()) / std::max(bias[i], usual_bias));
    errors.other_contacts += g.contacts != w.contacts;
    errors.acceleration.push_back(distance(g.qacc, w.qacc.data()) / std::max(acceleration[i], usual_acceleration));
    errors.position.push_back(largest_difference(got.qpos[i], want.qpos[i].data()));
    errors.velocity.push_back(distance(got.qvel[i], want.qvel[i].data()) / std::max(velocity[i], usual_velocity));
  }
  return errors;
}

/// What a float may be off by. The CPU's floats stay within a third of each bound, so a GPU that rounds as they do has
/// room. Where a contact begins or slides, a rounding decides: hence percentiles.
struct Bounds {
  double mass = 2e-5, bias = 1e-4;  ///< of all moments
  double acceleration_median = 2e-4, acceleration_p95 = 5e-3;
  double position_p95 = 1e-5;  ///< [m or rad]
  double velocity_median = 5e-5, velocity_p95 = 1e-3;
  double other_contacts = 0.06;  ///< share of moments: feet at rest hover about the edge where a contact begins
};

void expect_within(const std::string& what, const Errors& e, const Bounds& bounds) {
  SCOPED_TRACE(what);
  const auto check = [&](const char* name, double got, double bound) {
    EXPECT_TRUE(got <= bound) << name << ": " << got << ", at most " << bound;
    figure(what + " " + name, got);
  };
  check("mass matrix", quantile(e.mass, 1), bounds.mass);
  check("bias", quantile(e.bias, 1), bounds.bias);
  check("acceleration median", quantile(e.acceleration, 0.5), bounds.acceleration_median);
  check("acceleration p95", quantile(e.acceleration, 0.95), bounds.acceleration_p95);
  check("position p95", quantile(e.position, 0.95), bounds.position_p95);
  check("velocity median", quantile(e.velocity, 0.5), bounds.velocity_median);
  check("velocity p95", quantile(e.velocity, 0.95), bounds.velocity_p95);
  check("other contacts", e.other_contacts / static_cast<double>(e.mass.size()), bounds.other_contacts);
}

/// The GPU against both of the CPU's, in moments of a scene that the CPU's floats have run.
void expect_rounding_only(const RobotModel& robot, const std::string& name) {
  SCOPED_TRACE(robot.name + ", " + name);
  constexpr int kEnvs = 129;
  // Long enough for those that are dropped to have landed, and for those that stand to have settled.
  const Scene scene = scene_of(name, robot, kEnvs, 60);
  SceneRun run(robot, scene, in_order(kEnvs), Where::kCpuFloat);
  std::vector<Moment> moments;
  for (int t = 0; t < scene.control_steps; ++t) {
    run.step(t);
    if (t % 15 != 14) continue;
    for (const Moment& m : run.moments(t)) moments.push_back(m);
  }
  ASSERT_EQ(run.counts().held, 0);
  const Seen gpu = look(robot, moments, Where::kGpu), in_float = look(robot, moments, Where::kCpuFloat),
             in_double = look(robot, moments, Where::kCpuDouble);
  expect_within(robot.name + " " + name + " double", errors_of(gpu, in_double), {});
  // Both are within the bounds of the doubles: so they are within twice those of each other.
  const Bounds b;
  expect_within(robot.name + " " + name + " float", errors_of(gpu, in_float),
                {2 * b.mass, 2 * b.bias, 2 * b.acceleration_median, 2 * b.acceleration_p95, 2 * b.position_p95,
                 2 * b.velocity_median, 2 * b.velocity_p95, b.other_contacts});

  // Counts: what is no matter of rounding is the same, the rest nearly so.
  EXPECT_EQ(gpu.counts.steps, static_cast<double>(moments.size()));
  EXPECT_EQ(gpu.counts.steps, in_float.counts.steps);
  EXPECT_EQ(gpu.counts.held, 0);
  EXPECT_EQ(in_float.counts.held, 0);
  double contacts = 0;
  for (const StageReport& stage : gpu.stages) contacts += stage.contacts;
  EXPECT_EQ(gpu.counts.contacts, contacts);  // the step's contacts are those that were looked at
  if (robot.kind.empty() || !robot.has_ground()) {
    EXPECT_EQ(gpu.counts.contacts, 0);
  } else {
    EXPECT_GT(gpu.counts.contacts, 0);
  }
  EXPECT_NEAR(gpu.counts.contacts, in_float.counts.contacts, 0.03 * in_float.counts.contacts);
  EXPECT_NEAR(gpu.counts.over_slots, in_float.counts.over_slots, 0.03 * in_float.counts.contacts);
  EXPECT_EQ(gpu.counts.iterations > 0, in_float.counts.iterations > 0);
}

void expect_permutable(const RobotModel& robot, const std::string& name) {
  SCOPED_TRACE(robot.name + ", " + name);
  constexpr int kEnvs = 128;
  const Scene scene = scene_of(name, robot, kEnvs);
  SceneRun straight(robot, scene, in_order(kEnvs)), again(robot, scene, in_order(kEnvs));
  // Side by side: neither may disturb the other.
  for (int t = 0; t < kControlSteps; ++t) straight.step(t), again.step(t);
  const Ends want = straight.ends();
  const SimulationCounts counts = straight.counts();
  EXPECT_EQ(different(want, again.ends()), kNone) << "the same again";
  EXPECT_EQ(counts.steps, kEnvs * kControlSteps * kDecimation);
  EXPECT_EQ(counts.held, 0);
  // Something happened, and not the same to all.
  EXPECT_NE(want[0], want[1]);
  std::mt19937 generator(4);
  for (int round = 0; round < 2; ++round) {
    std::vector<int> order = in_order(kEnvs);
    std::shuffle(order.begin(), order.end(), generator);
    SceneRun shuffled(robot, scene, order);
    shuffled.step_to_the_end();
    EXPECT_EQ(different(want, shuffled.ends()), kNone) << "shuffled";
    const SimulationCounts other = shuffled.counts();
    EXPECT_EQ(other.iterations, counts.iterations);
    EXPECT_EQ(other.capped, counts.capped);
    EXPECT_EQ(other.contacts, counts.contacts);
    EXPECT_EQ(other.over_slots, counts.over_slots);
  }
  // Sizes that fill no warp, from another environment on; 1 is alone, beside nobody.
  for (const int size : {1, 31, 33}) {
    std::vector<int> order;
    for (int i = 0; i < size; ++i) order.push_back(77 + i < kEnvs ? 77 + i : 77 + i - kEnvs);
    SceneRun few(robot, scene, order);
    few.step_to_the_end();
    EXPECT_EQ(different(few.ends(), want), kNone) << size << " environments";
    EXPECT_EQ(few.counts().steps, size * kControlSteps * kDecimation);
    EXPECT_EQ(few.counts().held, 0) << size << " environments";
  }
}

/// Runs with something that is not finite in one environment: that one is held and counted as the CPU does, and the
/// others do not notice.
void expect_held(const RobotModel& robot, const Scene& spoilt, const Scene& clean, int bad, double steps_held) {
  const int envs = static_cast<int>(clean.qpos.size()) / robot.nq;
  SceneRun undisturbed(robot, clean, in_order(envs)), disturbed(robot, spoilt, in_order(envs)),
      on_cpu(robot, spoilt, in_order(envs), Where::kCpuFloat);
  for (SceneRun* run : {&undisturbed, &disturbed, &on_cpu}) run->step_to_the_end();
  EXPECT_EQ(undisturbed.counts().held, 0);
  EXPECT_EQ(disturbed.counts().held, steps_held);
  EXPECT_EQ(on_cpu.counts().held, steps_held);
  Ends want = undisturbed.ends();
  want[at(bad)].clear();
  EXPECT_EQ(different(want, disturbed.ends()), kNone);
}

/// Skips with the reason where there is no GPU. Where there is one, whatever goes wrong is a failure.
class CudaSimulation : public ::testing::Test {
 protected:
  void SetUp() override {
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status != cudaSuccess) GTEST_SKIP() << "no GPU: " << cudaGetErrorString(status);
    if (count < 1) GTEST_SKIP() << "no GPU: the driver finds none";
  }
};

TEST_F(CudaSimulation, RoundsAQuadruped) {
  const RobotModel robot = load_robot("go2").robot;
  for (const char* scene : {"standing", "trot", "random", "falling"}) expect_rounding_only(robot, scene);
}
#if !defined(STAMPEDE_ONLY_QUADRUPEDS)
TEST_F(CudaSimulation, RoundsAHexapod) {
  const RobotModel robot = load_robot("hexapod").robot;
  for (const char* scene : {"standing", "trot", "random", "falling"}) expect_rounding_only(robot, scene);
}
TEST_F(CudaSimulation, RoundsADoublePendulum) {
  const RobotModel robot = load_robot("double_pendulum").robot;
  for (const char* scene : {"standing", "random"}) expect_rounding_only(robot, scene);
}
#endif
TEST_F(CudaSimulation, RoundsRobotsOfOtherShapes) {
  for (const RobotModel& robot : robots_of_this_build({"anymal_c", "bolt", "cartpole", "solo12"})) {
    for (const char* scene : {"trot", "random"}) expect_rounding_only(robot, scene);
  }
}
TEST_F(CudaSimulation, RoundsOnTerrain) {
  for (const RobotModel& robot : robots_of_this_build({"go2", "hexapod"})) {
    expect_rounding_only(on_terrain(robot.name), "terrain");
  }
}
TEST_F(CudaSimulation, RoundsOnATiltedPlaneWithPyramidalCones) {
  RobotModel robot = load_robot("go2").robot;
  robot.plane.normal = {std::sin(0.1), 0, std::cos(0.1)};
  expect_rounding_only(robot, "trot");
  robot.options.pyramidal = true;
  expect_rounding_only(robot, "random");
}

TEST_F(CudaSimulation, PermutedEnvironmentsGivePermutedBits) {
  for (const RobotModel& robot : robots_of_this_build({"go2", "hexapod", "double_pendulum"})) {
    expect_permutable(robot, "trot");
    expect_permutable(robot, "random");
  }
}
TEST_F(CudaSimulation, PermutedEnvironmentsOnTerrainGivePermutedBits) {
  for (const RobotModel& robot : robots_of_this_build({"go2", "hexapod"})) {
    expect_permutable(on_terrain(robot.name), "terrain");
  }
}

TEST_F(CudaSimulation, StepsAtOnceGiveTheBitsOfSingleOnes) {
  for (const RobotModel& robot : robots_of_this_build({"go2", "double_pendulum"})) {
    SCOPED_TRACE(robot.name);
    const Scene scene = scene_of("random", robot, 33);
    SceneRun at_once(robot, scene, in_order(33)), one_by_one(robot, scene, in_order(33));
    for (int t = 0; t < kControlSteps; ++t) {
      at_once.step(t);
      for (int i = 0; i < kDecimation; ++i) one_by_one.step(t, 1);
    }
    EXPECT_EQ(different(at_once.ends(), one_by_one.ends()), kNone);
    EXPECT_EQ(at_once.counts().iterations, one_by_one.counts().iterations);
    EXPECT_EQ(at_once.counts().steps, one_by_one.counts().steps);
  }
}

TEST_F(CudaSimulation, ControlsThatAreNotFiniteHoldTheirEnvironmentAlone) {
  constexpr int kEnvs = 33, kBad = 5;
  for (const RobotModel& robot : robots_of_this_build({"go2", "hexapod", "double_pendulum"})) {
    SCOPED_TRACE(robot.name);
    const Scene clean = scene_of("random", robot, kEnvs);
    const auto nu = at(robot.nu), nq = at(robot.nq), nv = at(robot.nv);
    const auto place = [&](int t) { return (at(t) * kEnvs + kBad) * nu; };
    for (const double poison : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
      // From the start: the state is the one that it was put in.
      Scene spoilt = clean;
      for (int t = 0; t < kControlSteps; ++t) spoilt.ctrl[place(t)] = poison;
      expect_held(robot, spoilt, clean, kBad, kControlSteps * kDecimation);
      SceneRun run(robot, spoilt, in_order(kEnvs));
      run.step_to_the_end();
      const Numbers held = run.ends()[kBad];
      for (std::size_t i = robot.options.floating ? 7 : 0; i < nq; ++i) {
        EXPECT_EQ(held[i], static_cast<double>(static_cast<float>(clean.qpos[kBad * nq + i])));
      }
      for (std::size_t i = 0; i < nv; ++i) {
        EXPECT_EQ(held[nq + i], static_cast<double>(static_cast<float>(clean.qvel[kBad * nv + i])));
      }
      // For one control step: then it goes on.
      spoilt = clean;
      spoilt.ctrl[place(7) + nu - 1] = poison;
      expect_held(robot, spoilt, clean, kBad, kDecimation);
    }
  }
}

TEST_F(CudaSimulation, StatesThatAreNotFiniteAreHeldAlone) {
  constexpr int kEnvs = 33, kBad = 6;
  RobotModel robots[] = {load_robot("go2").robot, on_terrain("go2")};
  for (const RobotModel& robot : robots) {
    const Scene clean = scene_of(robot.map == nullptr ? "trot" : "terrain", robot, kEnvs);
    const auto nq = at(robot.nq), nv = at(robot.nv);
    for (const double poison : {std::nan(""), HUGE_VAL}) {
      // On terrain, a place that is no place must not be looked up in the map either.
      for (const std::size_t i : {std::size_t{0}, std::size_t{2}, nq - 1}) {
        SCOPED_TRACE(i);
        Scene spoilt = clean;
        spoilt.qpos[kBad * nq + i] = poison;
        expect_held(robot, spoilt, clean, kBad, kControlSteps * kDecimation);
      }
      Scene spoilt = clean;
      spoilt.qvel[kBad * nv + 4] = poison;
      expect_held(robot, spoilt, clean, kBad, kControlSteps * kDecimation);
    }
  }
}

/// In the air, on the ground, beyond the map: the lanes of a warp have different work to do.
TEST_F(CudaSimulation, MixedNeighboursDoNotMatter) {
  const RobotModel robot = on_terrain("go2");
  constexpr int kEnvs = 32;
  Scene mixed = scene_of("terrain", robot, kEnvs);
  const auto nq = at(robot.nq);
  for (int e = 0; e < kEnvs; ++e) {
    if (e % 3 == 1) mixed.qpos[at(e) * nq + 2] += 2;
    if (e % 3 == 2) mixed.qpos[at(e) * nq] += 1000;
  }
  SceneRun together(robot, mixed, in_order(kEnvs));
  together.step_to_the_end();
  const Ends want = together.ends();
  EXPECT_EQ(together.counts().held, 0);
  for (const int alone : {0, 1, 2, 31}) {
    SceneRun one(robot, mixed, {alone});
    one.step_to_the_end();
    EXPECT_EQ(different(one.ends(), want), kNone) << alone;
  }
}

TEST_F(CudaSimulation, NoStepsLeaveTheStateAsItWas) {
  const RobotModel robot = load_robot("go2").robot;
  const auto simulation = simulation_of(robot, 1, Where::kGpu);
  const Scene scene = scene_of("random", robot, 1);
  const auto joints = at(robot.nv) - 6;
  Numbers q(at(robot.nq)), v(at(robot.nv));
  simulation->set_state(0, scene.qpos.data(), scene.qvel.data());
  simulation->step(0, 0);
  simulation->get_state(0, q.data(), v.data());
  for (std::size_t i = 0; i < joints; ++i) {
    EXPECT_EQ(q[7 + i], static_cast<double>(static_cast<float>(scene.qpos[7 + i])));
    EXPECT_EQ(v[6 + i], static_cast<double>(static_cast<float>(scene.qvel[6 + i])));
  }
  EXPECT_EQ(simulation->counts().steps, 0);
}

}  // namespace
}  // namespace stampede::test
