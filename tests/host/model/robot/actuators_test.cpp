/// \file Actuators as coefficients of control, position and velocity: their force beside MuJoCo's, how it is split by hand.
#include <algorithm>

#include "host/model/robot/constants.hpp"
#include "tests/host/model/robot/robots.hpp"

namespace stampede {
namespace {

using test::expect_parts;
using test::load_text;
using test::refusal_of;

/// A body on one joint `j`, driven by what is given. `option` is an attribute of <option>, or an element in it.
std::string with_actuator(const std::string& actuator, const std::string& joint = "", const std::string& option = "") {
  const bool element = option.starts_with("<");
  return "<mujoco><option " + (element ? ">" + option + "</option>" : option + "/>") +
         "<worldbody><body><joint name='j' axis='0 0 1' " + joint +
         "/><geom size='1' contype='0'/></body></worldbody><actuator>" + actuator + "</actuator></mujoco>";
}

/// The joint force of an actuator, by model.hpp's formula, beside MuJoCo's own.
void expect_same_actuator(const std::string& actuator, const std::string& joint_attributes = "",
                          const std::string& option = "") {
  SCOPED_TRACE(actuator);
  const CompiledRobot compiled = load_text(with_actuator(actuator, joint_attributes, option));
  const JointModel<double>& joint = compiled.robot.joint[0];
  DataHandle data(mj_makeData(compiled.model.get()));
  for (const double q : {-0.7, 0.0, 1.3}) {
    for (const double v : {-2.0, 0.0, 0.9}) {
      for (const double u : {-5.0, -0.4, 0.0, 0.6, 5.0}) {
        data->qpos[0] = q, data->qvel[0] = v, data->ctrl[0] = u;
        mj_forward(compiled.model.get(), data.get());
        const double c = std::clamp(u, joint.control_low, joint.control_high);
        const double wanted =
            joint.servo * (c - q) + joint.gain * c + joint.bias + joint.stiffness * q + joint.velocity_gain * v;
        const double force = std::clamp(wanted, joint.force_low, joint.force_high);
        EXPECT_NEAR(force, data->qfrc_actuator[0], 1e-12) << q << " " << v << " " << u;
      }
    }
  }
}

TEST(Actuators, GiveTheForceThatMujocoGives) {
  expect_same_actuator("<motor joint='j'/>");
  expect_same_actuator("<motor joint='j' gear='-3' ctrlrange='-1 2'/>");
  expect_same_actuator("<position joint='j' kp='20' kv='2'/>");
  expect_same_actuator("<position joint='j' kp='20' kv='2' gear='2' forcerange='-5 8' ctrlrange='-0.5 0.5'/>");
  expect_same_actuator("<position joint='j' kp='20' gear='-2' forcerange='-5 8'/>");
  expect_same_actuator("<velocity joint='j' kv='3' gear='0.5'/>", "actuatorfrcrange='-1 0.7'");
  expect_same_actuator("<general joint='j' gainprm='3' biastype='affine' biasprm='1 -7 -0.2' forcerange='2 9'/>",
                       "actuatorfrcrange='-4 3'");
  expect_same_actuator("<general joint='j' gainprm='9' biastype='affine' biasprm='1 -7 0.3' forcerange='4 9'/>",
                       "actuatorfrcrange='-4 3'");
  expect_same_actuator("<motor joint='j' ctrlrange='-1 2'/>", "", "<flag clampctrl='disable'/>");
  expect_same_actuator("<motor jointinparent='j' gear='3'/>");
  expect_same_actuator("<motor joint='j' gear='3' forcerange='-2 4' group='2'/>", "type='slide'");
  for (const char* asleep : {"<flag actuation='disable'/>", "actuatorgroupdisable='0 2'"}) {
    expect_same_actuator("<position joint='j' kp='20' kv='2' group='2'/>", "", asleep);
  }
}

TEST(Actuators, WhatControlAndPositionShareIsOfTheirDifference) {
  const auto joint_of = [](const std::string& actuator) { return load_text(with_actuator(actuator)).robot.joint[0]; };
  const auto general = [&](const std::string& gain, const std::string& stiffness) {
    return joint_of("<general joint='j' gainprm='" + gain + "' biastype='affine' biasprm='1 " + stiffness + " -0.5'/>");
  };
  const auto expect = [](const JointModel<double>& joint, double servo, double gain, double stiffness) {
    EXPECT_EQ(joint.servo, servo);
    EXPECT_EQ(joint.gain, gain);
    EXPECT_EQ(joint.stiffness, stiffness);
  };
  // A servo's kp, so that where it is far from 0 no digits are lost.
  expect(joint_of("<position joint='j' kp='30'/>"), 30, 0, 0);
  expect(general("7", "-3"), 3, 4, 0);
  expect(general("3", "-7"), 3, 0, -4);
  // Of other signs they share nothing.
  expect(general("-3", "-7"), 0, -3, -7);
  expect(general("3", "7"), 0, 3, 7);
  expect(joint_of("<motor joint='j' gear='4'/>"), 0, 4, 0);
  // The gear counts once for the control and twice for the position: of 40 u - 80 q.
  expect(joint_of("<position joint='j' kp='20' gear='2'/>"), 40, 0, -40);
  EXPECT_EQ(general("3", "-7").bias, 1);
  EXPECT_EQ(general("3", "-7").velocity_gain, -0.5);
}

TEST(Actuators, AreAssignedByTheirJointNotByTheirOrder) {
  const RobotModel robot = load_text(R"(<mujoco><worldbody><body><joint name="a"/><geom size="1" contype="0"/>
    <body pos="0 0 3"><joint name="b"/><geom size="1" contype="0"/>
      <body pos="0 0 3"><joint name="c"/><geom size="1" contype="0"/></body></body></body></worldbody>
    <actuator><motor joint="c" gear="2"/><motor joint="a" gear="5"/></actuator></mujoco>)")
                               .robot;
  ASSERT_EQ(robot.joint_info.size(), 3u);
  EXPECT_EQ(robot.joint_info[0].actuator, 1);
  EXPECT_EQ(robot.joint_info[1].actuator, -1);
  EXPECT_EQ(robot.joint_info[2].actuator, 0);
  EXPECT_EQ(robot.joint[0].gain, 5);
  EXPECT_EQ(robot.joint[1].gain, 0) << "nothing drives it";
  EXPECT_EQ(robot.joint[2].gain, 2);
}

TEST(Actuators, WhatTheFileSwitchesOffIsNoted) {
  const CompiledRobot compiled =
      load_text(with_actuator("<motor name='drive' joint='j' group='2'/>", "", "actuatorgroupdisable='2'"));
  ASSERT_EQ(compiled.notes.size(), 1u);
  expect_parts(compiled.notes[0], {"actuator 'drive'", "switched off"});
  EXPECT_EQ(compiled.robot.joint_info[0].actuator, 0) << "its control is still there";
  EXPECT_EQ(compiled.robot.joint[0].gain, 0);
  EXPECT_TRUE(load_text(with_actuator("<motor joint='j' group='1'/>", "", "actuatorgroupdisable='2'")).notes.empty());
}

TEST(Actuators, WhatIsNotSimulatedIsRefusedByName) {
  const auto refusal = [](const std::string& actuator) { return refusal_of(with_actuator(actuator)); };
  expect_parts(refusal("<general name='drive' joint='j' gaintype='affine'/>"),
               {"actuator 'drive'", "gaintype=\"fixed\""});
  expect_parts(refusal("<general name='drive' joint='j' dyntype='integrator'/>"),
               {"actuator 'drive'", "dyntype=\"none\""});
  expect_parts(refusal("<muscle name='drive' joint='j' lengthrange='0 1'/>"), {"actuator 'drive'", "dyntype=\"none\""});
  expect_parts(refusal("<motor name='drive' joint='j'/><motor name='brake' joint='j'/>"),
               {"actuator 'brake'", "joint 'j'", "actuator 'drive'", "one actuator"});
  expect_parts(refusal_of("<mujoco><worldbody><body><joint name='root' type='free'/><geom size='1'/>"
                          "<body pos='0 0 3'><joint/><geom size='1'/></body></body></worldbody>"
                          "<actuator><motor name='drive' joint='root'/></actuator></mujoco>"),
               {"actuator 'drive'", "joint 'root'", "no hinge or slide joint"});
}

}  // namespace
}  // namespace stampede
