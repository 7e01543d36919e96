/// \file What varies between environments, against MuJoCo with its model edited the same way: masses, gains and the like in
/// the model's arrays, without mj_setConst, so that the constraints' weights stay the described robot's.

#include <functional>

#include "host/peers/scenes.hpp"
#include "tests/host/peers/testing.hpp"

namespace stampede::test {
namespace {

/// Sets the same thing on both sides.
struct Change {
  Variation variation;
  std::function<void(mjModel*)> model = [](mjModel*) {};
  std::function<void(const mjModel*, mjData*)> data = [](const mjModel*, mjData*) {};
};

const char* const kKeyframe =
    "<keyframe><key qpos='0 0 0.36 1 0 0 0 0.1 0.7 -1.4 0.1 0.7 -1.4 0.1 0.7 -1.4 0.1 0.7 -1.4'/></keyframe></mujoco>";

/// A quadruped each of whose links is one body: factors on links are factors on bodies.
const CompiledRobot& robot_of_plain_links() {
  static const CompiledRobot compiled = [] {
    std::string text = with(quadruped(), "quat=\"0.9 0.1 -0.2 0.3\"", "");
    const std::size_t lidar = text.find("<body name=\"lidar\"");
    text.erase(lidar, text.find("</body>", lidar) + 7 - lidar);
    for (int l = 0; l < 4; ++l) {
      const std::size_t rotor = text.find("<body name='rotor");
      text.erase(rotor, text.find("</body>", rotor) + 7 - rotor);
    }
    return load_text(with(text, "</mujoco>", kKeyframe));
  }();
  return compiled;
}

/// The largest error of ten steps' accelerations and their end, over several driven robots.
struct Apart {
  double step = 0, end = 0;
};
Apart compare(const CompiledRobot& compiled, const Change& change) {
  constexpr int kEnvs = 12, kSettling = 60, kSteps = 40;
  const RobotModel& robot = compiled.robot;
  const ModelHandle model = comparable_model(compiled.model.get());
  mjModel* m = model.get();
  solve_tightly(m, 1e-20);
  change.model(m);
  const Scene scene = make_scene("standing", robot, kEnvs, 1, 0.02, 11);
  const auto simulation = simulate(robot, kEnvs, true);
  DataHandle data(mj_makeData(m));
  std::vector<RobotState> ends;
  Apart apart;
  for (int env = 0; env < kEnvs; ++env) {
    mj_resetData(m, data.get());
    mju_copy(data->qpos, &scene.qpos[at(env) * at(robot.nq)], m->nq);
    mju_copy(data->ctrl, &scene.ctrl[at(env) * at(robot.nu)], m->nu);
    // Some dropped at a slant, with a speed.
    for (int i = 0; i < 3; ++i) data->qvel[i] = 0.2 * ((env + i) % 3 - 1);
    for (int i = 0; i < kSettling; ++i) {
      change.data(m, data.get());
      mj_step(m, data.get());
    }
    simulation->set_variation(env, change.variation);
    simulation->set_state(env, data->qpos, data->qvel, data->qacc_warmstart);
    simulation->set_control(0, env, data->ctrl);
    // The engine's own quaternion: both go on from the same.
    simulation->get_state(env, data->qpos, data->qvel);
    change.data(m, data.get());
    mj_forward(m, data.get());
    EXPECT_GT(data->ncon, 0);
    const Numbers qacc = simulation->inspect(0)[at(env)].qacc;
    const Numbers smooth(data->qacc_smooth, data->qacc_smooth + m->nv);
    apart.step = std::max(apart.step, distance(qacc, data->qacc) / std::max(norm(qacc), norm(smooth)));
    for (int i = 0; i < kSteps; ++i) {
      change.data(m, data.get());
      mj_step(m, data.get());
    }
    ends.push_back({Numbers(data->qpos, data->qpos + m->nq), {}, {}});
  }
  simulation->step(0, kSteps);
  for (int env = 0; env < kEnvs; ++env) {
    Numbers qpos(at(robot.nq));
    simulation->get_state(env, qpos.data(), nullptr);
    apart.end = std::max(apart.end, largest_difference(qpos, ends[at(env)].qpos.data()));
  }
  return apart;
}

/// The same on both sides agrees; on one side alone it does not.
void expect_same(const Change& change) {
  const CompiledRobot& compiled = robot_of_plain_links();
  const Apart both = compare(compiled, change);
  EXPECT_TRUE(both.step <= 1e-8) << both.step;
  EXPECT_TRUE(both.end <= 1e-7) << both.end;
  Change one_sided = change;
  one_sided.variation = {};
  EXPECT_GT(compare(compiled, one_sided).step, 1e-4);
  figure("step", both.step);
  figure("end", both.end);
}

/// Factors for each joint, all different.
std::vector<double> factors(double low, double high) {
  std::vector<double> f;
  for (int i = 0; i < 12; ++i) f.push_back(low + (high - low) * ((i * 5) % 12) / 11.0);
  return f;
}
TEST(Variation, Gravity) {
  Change change;
  change.variation.gravity = {1.5, -0.8, -7};
  change.model = [](mjModel* m) { m->opt.gravity[0] = 1.5, m->opt.gravity[1] = -0.8, m->opt.gravity[2] = -7; };
  expect_same(change);
}
TEST(Variation, FrictionOfContacts) {
  for (const double factor : {0.3, 1.7}) {
    Change change;
    change.variation.friction = factor;
    change.model = [factor](mjModel* m) {
      for (int g = 0; g < m->ngeom; ++g) m->geom_friction[3 * g] *= factor;
    };
    const Apart both = compare(robot_of_plain_links(), change);
    EXPECT_TRUE(both.step <= 1e-8) << both.step;
    EXPECT_TRUE(both.end <= 1e-7) << both.end;
    if (factor < 1) expect_same(change);
  }
}
TEST(Variation, MassOfTheBase) {
  Change change;
  change.variation.base_mass = 1.4;
  change.model = [](mjModel* m) {
    m->body_mass[1] *= 1.4;
    for (int i = 3; i < 6; ++i) m->body_inertia[i] *= 1.4;
  };
  expect_same(change);
}
TEST(Variation, CentreOfTheBase) {
  Change change;
  change.variation.base_centre = {0.05, -0.03, 0.02};
  change.model = [](mjModel* m) { m->body_ipos[3] += 0.05, m->body_ipos[4] -= 0.03, m->body_ipos[5] += 0.02; };
  expect_same(change);
}
TEST(Variation, MassesOfLinks) {
  const std::vector<double> f = factors(0.5, 2);
  Change change;
  change.variation.mass = f;
  change.model = [f](mjModel* m) {
    for (int i = 0; i < 12; ++i) {
      const int body = m->jnt_bodyid[i + 1];
      m->body_mass[body] *= f[at(i)];
      for (int k = 0; k < 3; ++k) m->body_inertia[3 * body + k] *= f[at(i)];
    }
  };
  expect_same(change);
}
TEST(Variation, StrengthIsAFactorOnForceAndItsLimits) {
  const std::vector<double> f = factors(0.3, 1.5);
  Change change;
  change.variation.strength = f;
  change.model = [f](mjModel* m) {
    for (int i = 0; i < 12; ++i) {
      m->actuator_gainprm[mjNGAIN * i] *= f[at(i)];
      for (int k = 0; k < 3; ++k) m->actuator_biasprm[mjNBIAS * i + k] *= f[at(i)];
      for (int k = 0; k < 2; ++k) m->actuator_forcerange[2 * i + k] *= f[at(i)];
    }
  };
  expect_same(change);
}
TEST(Variation, GainOfServos) {
  const std::vector<double> f = factors(0.6, 1.8);
  Change change;
  change.variation.servo = f;
  change.model = [f](mjModel* m) {
    for (int i = 0; i < 12; ++i) {
      m->actuator_gainprm[mjNGAIN * i] *= f[at(i)];
      m->actuator_biasprm[mjNBIAS * i + 1] *= f[at(i)];
    }
  };
  expect_same(change);
}
TEST(Variation, GainOfVelocity) {
  const std::vector<double> f = factors(0.2, 3);
  Change change;
  change.variation.velocity_gain = f;
  change.model = [f](mjModel* m) {
    for (int i = 0; i < 12; ++i) m->actuator_biasprm[mjNBIAS * i + 2] *= f[at(i)];
  };
  expect_same(change);
}
TEST(Variation, Armature) {
  const std::vector<double> f = factors(0.3, 3);
  Change change;
  change.variation.armature = f;
  change.model = [f](mjModel* m) {
    for (int i = 0; i < 12; ++i) m->dof_armature[6 + i] *= f[at(i)];
  };
  expect_same(change);
}
TEST(Variation, DryFrictionOfJoints) {
  const std::vector<double> f = factors(0.1, 4);
  Change change;
  change.variation.friction_loss = f;
  change.model = [f](mjModel* m) {
    for (int i = 0; i < 12; ++i) m->dof_frictionloss[6 + i] *= f[at(i)];
  };
  expect_same(change);
}
TEST(Variation, Pushes) {
  Change change;
  change.variation.push_force = {12, -7, 5};
  change.variation.push_torque = {0.8, 1.5, -1};
  change.data = [](const mjModel*, mjData* d) {
    const double wrench[6] = {12, -7, 5, 0.8, 1.5, -1};
    mju_copy(d->xfrc_applied + 6, wrench, 6);
  };
  expect_same(change);
}
/// Of everything something, and an environment beside it without.
TEST(Variation, AllTogetherAndBesideOneWithout) {
  const CompiledRobot& compiled = robot_of_plain_links();
  const RobotModel& robot = compiled.robot;
  Variation all;
  all.gravity = {0.5, 0, -9};
  all.push_force = {3, 2, -10};
  all.friction = 0.5, all.base_mass = 1.2, all.base_centre = {0.01, 0.02, 0};
  all.mass = factors(0.8, 1.2), all.strength = factors(0.9, 1.1), all.servo = factors(0.8, 1.3);
  all.velocity_gain = factors(0.5, 2), all.armature = factors(0.5, 2), all.friction_loss = factors(0, 2);
  const auto alone = simulate(robot, 1, false), beside = simulate(robot, 3, false);
  beside->set_variation(0, all);
  beside->set_variation(2, all);
  alone->step(0, 100);
  beside->step(0, 100);
  Numbers a(at(robot.nq)), b(a), varied(a);
  alone->get_state(0, a.data(), nullptr);
  beside->get_state(1, b.data(), nullptr);
  beside->get_state(2, varied.data(), nullptr);
  EXPECT_EQ(a, b);
  EXPECT_GT(largest_difference(a, varied.data()), 1e-3);
  beside->get_state(0, b.data(), nullptr);
  EXPECT_EQ(varied, b);
}
TEST(Variation, AListOfTheWrongLengthIsRefused) {
  const auto simulation = simulate(robot_of_plain_links().robot, 1, false);
  Variation wrong;
  wrong.mass = {1, 2};
  expect_parts(error_of([&] { simulation->set_variation(0, wrong); }), {"mass", "2", "12"});
}

}  // namespace
}  // namespace stampede::test
