/// \file One step and one second beside MuJoCo: the robots that come with stampede, and a skewed quadruped with every kind
/// of contact, constraint and actuator that is simulated.
#include "host/peers/parity.hpp"

#include "tests/host/peers/testing.hpp"

namespace stampede::test {
namespace {

/// What issue 4 allows.
struct Bounds {
  double double_step = 1e-8, float_step = 5e-5;    ///< 99th percentile
  double double_drift = 1e-6, float_drift = 1e-4;  ///< median of 32 robots after a second [rad or m]
};

void expect_parity(const CompiledRobot& compiled, int states, const Bounds& bounds = {}, bool touches = true) {
  const Parity p = compare_with_mujoco(cpu_engine(), compiled.robot, compiled.model.get(), states, 1);
  EXPECT_EQ(p.states, states);
  EXPECT_EQ(p.nonfinite, 0);
  EXPECT_EQ(p.over_slots, 0);
  EXPECT_EQ(p.contacts_mean > 0.1, touches) << p.contacts_mean;
  const ParityErrors &d = p.in_double, &f = p.in_float;
  EXPECT_TRUE(d.mass_matrix <= 1e-12 && d.bias <= 1e-12) << d.mass_matrix << " " << d.bias;
  EXPECT_TRUE(d.contact_p99 <= bounds.double_step) << d.contact_p99 << ", largest " << d.contact_largest;
  EXPECT_TRUE(f.contact_p99 <= bounds.float_step) << f.contact_p99 << ", largest " << f.contact_largest;
  EXPECT_TRUE(d.drift_drop <= bounds.double_drift) << d.drift_drop << ", largest " << d.drift_drop_largest;
  EXPECT_TRUE(d.drift_drive <= bounds.double_drift) << d.drift_drive << ", largest " << d.drift_drive_largest;
  EXPECT_TRUE(f.drift_drop <= bounds.float_drift) << f.drift_drop << ", largest " << f.drift_drop_largest;
  EXPECT_TRUE(f.drift_drive <= bounds.float_drift) << f.drift_drive << ", largest " << f.drift_drive_largest;
  // It is MuJoCo that they are compared with, not themselves.
  EXPECT_GT(f.contact_largest, 0);
  figure("double_p99", d.contact_p99);
  figure("float_p99", f.contact_p99);
  figure("double_drop", d.drift_drop);
  figure("double_drive", d.drift_drive);
  figure("float_drop", f.drift_drop);
  figure("float_drive", f.drift_drive);
  figure("contacts", p.contacts_mean);
  figure("largest double", d.contact_largest);
  figure("largest float", f.contact_largest);
  figure("sensitivity", p.sensitivity_p99);
}

constexpr int kStates = 200;

TEST(ParitySlow, Anymal) { expect_parity(load_robot("anymal_c"), kStates); }
TEST(ParitySlow, Bolt) { expect_parity(load_robot("bolt"), kStates); }
TEST(ParitySlow, Cartpole) { expect_parity(load_robot("cartpole"), kStates, {}, false); }
TEST(ParitySlow, DoublePendulum) { expect_parity(load_robot("double_pendulum"), kStates, {}, false); }
TEST(ParitySlow, Go2) { expect_parity(load_robot("go2"), kStates); }
TEST(ParitySlow, Hexapod) { expect_parity(load_robot("hexapod"), kStates); }
TEST(ParitySlow, Solo) { expect_parity(load_robot("solo12"), kStates); }

/// The quadruped, standing on its feet at home.
std::string standing() {
  return with(with(quadruped(), "quat=\"0.9 0.1 -0.2 0.3\"", ""), "</mujoco>",
              "<keyframe><key qpos='0 0 0.38 1 0 0 0 0.1 0.7 -1.4 0.1 0.7 -1.4 0.1 0.7 -1.4 0.1 0.7 -1.4'/></keyframe>"
              "</mujoco>");
}

std::string with_option(const std::string& attributes) { return with(standing(), "cone=\"elliptic\"", attributes); }
std::string with_geoms(const std::string& attributes) {
  return with(standing(), "<geom contype=\"0\"", "<geom " + attributes + " contype=\"0\"");
}

TEST(ParitySlow, Quadruped) { expect_parity(load_text(standing()), kStates); }
TEST(ParitySlow, Impratio10) { expect_parity(load_text(with_option("cone='elliptic' impratio='10'")), kStates); }
TEST(ParitySlow, Impratio100) { expect_parity(load_text(with_option("cone='elliptic' impratio='100'")), kStates); }
TEST(ParitySlow, Pyramids) { expect_parity(load_text(with_option("cone='pyramidal'")), kStates); }
TEST(ParitySlow, PyramidsImpratio10) {
  expect_parity(load_text(with_option("cone='pyramidal' impratio='10'")), kStates);
}
TEST(ParitySlow, Frictionless) {
  // The ground's condim counts as well: the greater of the two.
  const std::string text = with(with_geoms("condim='1'"), "contype=\"1\"", "condim=\"1\" contype=\"1\"");
  const CompiledRobot compiled = load_text(text);
  for (const ContactModel<double>& c : compiled.robot.contact) EXPECT_EQ(c.friction, 0);
  expect_parity(compiled, kStates);
}
TEST(ParitySlow, FrictionlessPyramids) {
  const std::string text =
      with(with(with_geoms("condim='1'"), "contype=\"1\"", "condim=\"1\" contype=\"1\""), "cone=\"elliptic\"", "");
  expect_parity(load_text(text), kStates);
}
TEST(ParitySlow, TiltedPlane) {
  expect_parity(
      load_text(with(standing(), "size=\"0 0 1\"", "size=\"0 0 1\" pos=\"0 0 -0.01\" euler=\"0.1 -0.15 0.4\"")),
      kStates);
}
TEST(ParitySlow, Implicitfast) {
  expect_parity(load_text(with_option("cone='elliptic' integrator='implicitfast'")), kStates);
}
TEST(ParitySlow, ExplicitDamping) {
  expect_parity(
      load_text(with(standing(), "cone=\"elliptic\"/>", "cone='elliptic'><flag eulerdamp='disable'/></option>")),
      kStates);
}
TEST(ParitySlow, Margin) { expect_parity(load_text(with_geoms("margin='0.015'")), kStates); }
TEST(ParitySlow, PriorityAndMixing) {
  // Trunk: mixed with the ground's by weight; thighs: their own; feet: the ground's.
  std::string text =
      with(standing(), "contype=\"1\"",
           "contype=\"1\" solref='0.03 0.8' solimp='0.8 0.97 0.003 0.4 2' solmix='3' friction='0.6' priority='1'");
  text =
      with(text, "name=\"trunk\" type=\"box\"", "name=\"trunk\" type=\"box\" priority='1' solmix='0.5' friction='0.9'");
  for (int l = 0; l < 4; ++l) {
    const std::string n = std::to_string(l);
    text = with(text, "name='thigh" + n + "' type",
                "name='thigh" + n + "' priority='2' friction='0.4' solref='0.015 1.1' type");
  }
  expect_parity(load_text(text), kStates);
}
TEST(ParitySlow, DirectReference) { expect_parity(load_text(with_geoms("solref='-3000 -90'")), kStates); }
TEST(ParitySlow, ImpedanceOfPower1) { expect_parity(load_text(with_geoms("solimp='0.85 0.95 0.002 0.5 1'")), kStates); }
TEST(ParitySlow, ImpedanceOfPower3) { expect_parity(load_text(with_geoms("solimp='0.8 0.97 0.004 0.3 3'")), kStates); }
TEST(ParitySlow, LimitsOfPower3WithMarginAndFriction) {
  std::string text = standing();
  for (int l = 0; l < 4; ++l) {
    const std::string n = std::to_string(l);
    text = with(text, "range='-1.5 2.5'",
                "range='0.4 1.0' solimplimit='0.8 0.97 0.05 0.4 3' solreflimit='0.03 0.7' margin='0.05' "
                "solimpfriction='0.85 0.9 0.01' solreffriction='0.03 1'");
  }
  expect_parity(load_text(text), kStates);
}
TEST(ParitySlow, Springs) {
  std::string text = standing();
  for (int l = 0; l < 4; ++l)
    text = with(text, "stiffness='2' springref='-1'", "stiffness='15' springref='-1.3' damping='0.2'");
  expect_parity(load_text(text), kStates);
}

/// The quadruped with other actuators.
std::string with_actuators(const std::string& haa, const std::string& hfe, const std::string& kfe) {
  std::string text = standing();
  text = text.substr(0, text.find("<actuator>")) + "<actuator>";
  for (int l = 0; l < 4; ++l) {
    const std::string n = std::to_string(l) + "'";
    text += "<" + haa + " joint='haa" + n + "/><" + hfe + " joint='hfe" + n + "/><" + kfe + " joint='kfe" + n + "/>";
  }
  return text +
         "</actuator><keyframe><key qpos='0 0 0.38 1 0 0 0 0.1 0.7 -1.4 0.1 0.7 -1.4 0.1 0.7 -1.4 0.1 0.7 -1.4'/>"
         "</keyframe></mujoco>";
}
TEST(ParitySlow, ActuatorsWithGears) {
  expect_parity(load_text(with_actuators("motor gear='-3' ctrlrange='-2 2'", "velocity kv='0.4' gear='2'",
                                         "general gainprm='12' biastype='affine' biasprm='1 -9 -0.2' gear='1.5' "
                                         "forcerange='-14 12'")),
                kStates);
}
TEST(ParitySlow, ActuatorsImplicitfast) {
  const std::string text =
      with_actuators("position kp='30' kv='0.6' gear='1.5'", "velocity kv='0.4' gear='2' forcerange='-6 6'",
                     "position kp='40' kv='0.4' forcerange='-18 18'");
  expect_parity(load_text(with(text, "cone=\"elliptic\"", "cone='elliptic' integrator='implicitfast'")), kStates);
}

}  // namespace
}  // namespace stampede::test
