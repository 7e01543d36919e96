/// \file The stages before the solver: the double engine against the textbook's recursion and MuJoCo, the float engine
/// against the double one, on a thousand random states of every robot.

#include "tests/host/peers/reference_dynamics.hpp"
#include "tests/host/peers/testing.hpp"

namespace stampede::test {
namespace {

constexpr int kStates = 1000;

/// The largest errors of the double engine: mass matrix, bias, acceleration.
struct Errors {
  double mass = 0, bias = 0, acceleration = 0;
  double peer_mass = 0, peer_bias = 0, peer_acceleration = 0;  ///< against MuJoCo
};

void take(double& worst, double error) {
  if (!(error <= worst)) worst = std::isfinite(error) ? error : HUGE_VAL;
}

Errors errors_in_double(CompiledRobot& compiled, int states) {
  remove_constraints(compiled);
  const RobotModel& robot = compiled.robot;
  const mjModel* m = compiled.model.get();
  const auto nv = at(robot.nv);
  std::mt19937_64 generator(1);
  const auto simulation = simulate(robot, states, true);
  std::vector<RobotState> state;
  for (int i = 0; i < states; ++i) {
    state.push_back(random_state(m, generator, 3));
    simulation->set_state(i, state.back().qpos.data(), state.back().qvel.data());
    simulation->set_control(0, i, state.back().ctrl.data());
  }
  const std::vector<StageReport> reports = simulation->inspect(0);
  ReferenceDynamics reference(m);
  DataHandle data(mj_makeData(m));
  Errors errors;
  for (int i = 0; i < states; ++i) {
    const RobotState& s = state[at(i)];
    const StageReport& ours = reports[at(i)];
    mju_copy(data->qpos, s.qpos.data(), m->nq);
    mju_copy(data->qvel, s.qvel.data(), m->nv);
    mju_copy(data->ctrl, s.ctrl.data(), m->nu);
    mj_forward(m, data.get());
    Numbers peer_mass(nv * nv);
    mj_fullM(m, data.get(), peer_mass.data());

    reference.set(s.qpos.data(), s.qvel.data());
    const Numbers mass = reference.mass_matrix(), bias = reference.bias(m->opt.gravity);
    Numbers applied(nv);
    for (std::size_t k = 0; k < nv; ++k) applied[k] = data->qfrc_actuator[k] + data->qfrc_passive[k] - bias[k];
    const Numbers acceleration = solve_positive(mass, applied);

    take(errors.mass, largest_difference(mass, ours.mass_matrix.data()) / largest(mass));
    take(errors.bias, largest_difference(bias, ours.bias.data()) / largest(bias));
    take(errors.acceleration, distance(acceleration, ours.qacc.data()) / norm(acceleration));
    take(errors.peer_mass, largest_difference(peer_mass, ours.mass_matrix.data()) / largest(peer_mass));
    take(errors.peer_bias, largest_difference(ours.bias, data->qfrc_bias) / largest(data->qfrc_bias, nv));
    take(errors.peer_acceleration, distance(ours.qacc, data->qacc) / norm(ours.qacc));
  }
  return errors;
}

void expect_exact(CompiledRobot compiled, int states) {
  const Errors e = errors_in_double(compiled, states);
  EXPECT_TRUE(e.mass <= 1e-12) << e.mass;
  EXPECT_TRUE(e.bias <= 1e-12) << e.bias;
  EXPECT_TRUE(e.acceleration <= 1e-12) << e.acceleration;
  EXPECT_TRUE(e.peer_mass <= 1e-12) << e.peer_mass;
  EXPECT_TRUE(e.peer_bias <= 1e-12) << e.peer_bias;
  EXPECT_TRUE(e.peer_acceleration <= 1e-12) << e.peer_acceleration;
  figure("mass", e.mass);
  figure("bias", e.bias);
  figure("acceleration", e.acceleration);
}

TEST(Dynamics, DoubleIsTheTextbooksAnymal) { expect_exact(load_robot("anymal_c"), kStates); }
TEST(Dynamics, DoubleIsTheTextbooksBolt) { expect_exact(load_robot("bolt"), kStates); }
TEST(Dynamics, DoubleIsTheTextbooksCartpole) { expect_exact(load_robot("cartpole"), kStates); }
TEST(Dynamics, DoubleIsTheTextbooksDoublePendulum) { expect_exact(load_robot("double_pendulum"), kStates); }
TEST(Dynamics, DoubleIsTheTextbooksGo2) { expect_exact(load_robot("go2"), kStates); }
TEST(Dynamics, DoubleIsTheTextbooksHexapod) { expect_exact(load_robot("hexapod"), kStates); }
TEST(Dynamics, DoubleIsTheTextbooksSolo) { expect_exact(load_robot("solo12"), kStates); }
TEST(Dynamics, DoubleIsTheTextbooksSkewedQuadruped) { expect_exact(load_text(quadruped()), kStates); }

/// A chain of slides and hinges on a fixed base that is turned, with a tilted gravity and a welded body.
TEST(Dynamics, DoubleIsTheTextbooksSlidesOnAFixedBase) {
  expect_exact(load_text(R"(<mujoco><option gravity="1 2 -9"/><worldbody>
    <body pos="0 0.3 1" quat="0.8 0.1 0.2 0.1">
      <joint name="x" type="slide" axis="1 0 0.1" pos="0.1 0 0" armature="0.3"/>
      <joint name="z" type="slide" axis="0 0 1" ref="0.7"/>
      <joint name="turn" axis="0 1 0.2" pos="0 0.1 0.2" damping="0.3" stiffness="2" springref="0.5"/>
      <inertial pos="0.1 0.2 0.3" quat="1 0.4 0 0.1" mass="3" diaginertia="0.1 0.2 0.25"/>
      <body pos="0 0 -0.3" quat="1 0 0 0.5"><inertial pos="0 0.1 0" mass="0.5" diaginertia="0.01 0.02 0.02"/>
        <body pos="0.1 0 0"><joint name="knee" axis="1 1 0" pos="0 0 0.05" damping="0.1"/>
          <inertial pos="0 0 -0.1" mass="0.4" diaginertia="0.01 0.01 0.002"/></body>
      </body></body></worldbody>
      <actuator><motor joint="x" gear="3"/><position joint="knee" kp="20" kv="1"/></actuator></mujoco>)"),
               kStates);
}

/// The float engine against the double one, from the state that the float one has.
void expect_rounding_only(CompiledRobot compiled) {
  remove_constraints(compiled);
  const RobotModel& robot = compiled.robot;
  const mjModel* m = compiled.model.get();
  std::mt19937_64 generator(2);
  const auto in_float = simulate(robot, kStates, false), in_double = simulate(robot, kStates, true);
  for (int i = 0; i < kStates; ++i) {
    RobotState s = random_state(m, generator, 3);
    for (double& u : s.ctrl) u = static_cast<double>(static_cast<float>(u));
    in_float->set_state(i, s.qpos.data(), s.qvel.data());
    in_float->set_control(0, i, s.ctrl.data());
    in_float->get_state(i, s.qpos.data(), s.qvel.data());
    in_double->set_state(i, s.qpos.data(), s.qvel.data());
    in_double->set_control(0, i, s.ctrl.data());
  }
  const std::vector<StageReport> ours = in_float->inspect(0), exact = in_double->inspect(0);
  // A bias that happens to be next to nothing is not a scale.
  Numbers sizes;
  for (const StageReport& report : exact) sizes.push_back(largest(report.bias));
  const double usual = 0.1 * quantile(sizes, 0.5);
  Numbers mass, bias, acceleration;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    mass.push_back(largest_difference(ours[i].mass_matrix, exact[i].mass_matrix.data()) /
                   largest(exact[i].mass_matrix));
    bias.push_back(largest_difference(ours[i].bias, exact[i].bias.data()) / std::max(sizes[i], usual));
    acceleration.push_back(distance(ours[i].qacc, exact[i].qacc.data()) / norm(exact[i].qacc));
  }
  for (const auto& [name, errors] :
       {std::pair("mass matrix", &mass), {"bias", &bias}, {"acceleration", &acceleration}}) {
    const double median = quantile(*errors, 0.5), most = quantile(*errors, 0.999);
    EXPECT_TRUE(median <= 1e-5) << name << ": " << median;
    EXPECT_TRUE(most <= 1e-4) << name << ": " << most;
    // They are rounded, and so not the same.
    EXPECT_GT(quantile(*errors, 1), 0) << name;
    figure(robot.name + " " + name, most);
  }
}

TEST(Dynamics, FloatRoundsEveryRobot) {
  for (const char* name : kRobots) {
    SCOPED_TRACE(name);
    expect_rounding_only(load_robot(name));
  }
  SCOPED_TRACE("skewed quadruped");
  expect_rounding_only(load_text(quadruped()));
}

}  // namespace
}  // namespace stampede::test
