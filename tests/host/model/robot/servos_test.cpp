/// \file Torque motors as position servos, and numbers by joint.
#include "host/base/files.hpp"
#include "host/model/robot/import.hpp"
#include "tests/host/model/robot/robots.hpp"

namespace stampede {
namespace {

using test::error_of;
using test::expect_parts;
using test::load_text;
using test::quadruped;
using test::refusal_of;
using test::TemporaryFolder;
using test::with;

/// The quadruped with other actuators; the first's attributes are given.
std::string with_actuators(const std::string& element, const std::string& first, const std::string& others) {
  std::string text = quadruped();
  text = text.substr(0, text.find("<actuator>")) + "<actuator>";
  std::string attributes = first;
  for (int l = 0; l < 4; ++l) {
    for (const char* joint : {"haa", "hfe", "kfe"}) {
      text += "<" + element + " name='" + joint + std::to_string(l) + "' joint='" + joint + std::to_string(l) + "' " +
              attributes + "/>";
      attributes = others;
    }
  }
  return text + "</actuator></mujoco>";
}

const JointModel<double>& joint_of(const CompiledRobot& compiled, const std::string& name) {
  for (const RobotJoint& info : compiled.robot.joint_info) {
    if (info.name != name) continue;
    return compiled.robot.joint[static_cast<std::size_t>(info.limb * compiled.robot.size.joints + info.place)];
  }
  ADD_FAILURE() << name;
  return compiled.robot.joint[0];
}

LoadOptions gains(ByJoint stiffness, ByJoint damping, ByJoint limit = {}) {
  LoadOptions options;
  options.servo = ServoGains{std::move(stiffness), std::move(damping), std::move(limit)};
  return options;
}

TEST(Servos, MotorsAreDrivenAsServosClippedAtTheirRange) {
  struct Case {
    const char* attributes;
    double low, high;
  };
  for (const Case& c : {Case{"ctrlrange='-20 20'", -20, 20}, Case{"ctrlrange='-2 1' gear='10'", -20, 10},
                        Case{"ctrlrange='-2 1' gear='-10'", -10, 20}, Case{"forcerange='-3 3' gear='4'", -12, 12},
                        Case{"ctrlrange='-9 9' forcerange='-3 4' gear='2'", -6, 8}, Case{"", -1e30, 1e30}}) {
    SCOPED_TRACE(c.attributes);
    const CompiledRobot compiled =
        load_text(with_actuators("motor", c.attributes, "ctrlrange='-7 7'"), "robot.xml", gains({30, {}}, {0.7f, {}}));
    const JointModel<double>& joint = joint_of(compiled, "haa0");
    EXPECT_EQ(joint.servo, 30);
    EXPECT_EQ(joint.gain, 0);
    EXPECT_EQ(joint.stiffness, 0);
    EXPECT_NEAR(joint.velocity_gain, -0.7, 1e-6);
    EXPECT_EQ(joint.force_low, c.low);
    EXPECT_EQ(joint.force_high, c.high);
    EXPECT_EQ(joint.control_low, -1e30);  // a target, not a torque
    EXPECT_EQ(joint_of(compiled, "kfe3").force_high, 7);
    EXPECT_EQ(compiled.notes.size(), c.high > 1e29 ? 2u : 1u) << compiled.notes.back();
  }
  // A given limit takes the place of the range.
  const CompiledRobot limited =
      load_text(with_actuators("motor", "", "ctrlrange='-7 7'"), "robot.xml", gains({30, {}}, {0.7f, {}}, {5, {}}));
  EXPECT_EQ(joint_of(limited, "haa0").force_low, -5);
  EXPECT_EQ(joint_of(limited, "kfe3").force_high, 5);
  expect_parts(refusal_of(with_actuators("velocity", "kv='1'", "kv='1'"), "robot.xml", gains({30, {}}, {0.7f, {}})),
               {"actuator 'haa0'", "neither a position servo nor a torque motor"});
}

TEST(Servos, GainsAreInUnitsOfTheJointWhateverTheGear) {
  const CompiledRobot geared =
      load_text(with_actuators("position", "kp='2' gear='5' forcerange='-3 3' ctrlrange='-10 5'", "kp='2'"),
                "robot.xml", gains({30, {}}, {0.7f, {}}));
  const JointModel<double>& joint = joint_of(geared, "haa0");
  EXPECT_EQ(joint.servo, 30);
  EXPECT_EQ(joint.gain, 0);
  EXPECT_EQ(joint.force_high, 15);
  EXPECT_EQ(joint.control_low, -2);
  EXPECT_EQ(joint.control_high, 1);
}

TEST(Servos, NumbersByPatternOfTheJoint) {
  const std::string motors = with_actuators("motor", "ctrlrange='-7 7'", "ctrlrange='-7 7'");
  const CompiledRobot compiled =
      load_text(motors, "robot.xml", gains({0, {{"*", 25}, {"kfe*", 40}, {"kfe2", 50}}}, {1, {}}));
  EXPECT_EQ(joint_of(compiled, "haa0").servo, 25);
  EXPECT_EQ(joint_of(compiled, "kfe1").servo, 40);
  EXPECT_EQ(joint_of(compiled, "kfe2").servo, 50);
  const auto refusal = [&](ByJoint stiffness) {
    return refusal_of(motors, "robot.xml", gains(std::move(stiffness), {1, {}}));
  };
  expect_parts(refusal({0, {{"*", 25}, {"kef1", 40}}}), {"control.stiffness", "'kef1'", "'kfe1'"});
  expect_parts(refusal({0, {{"haa*", 25}, {"hfe*", 40}}}), {"control.stiffness", "joint 'kfe0'", "\"*\""});
  expect_parts(refusal({0, {{"*", 25}, {"kf*", 40}, {"*e1", 30}}}), {"control.stiffness", "'kf*'", "'*e1'", "'kfe1'"});
}

TEST(Servos, ImportTurnsMotorsIntoServos) {
  TemporaryFolder folder;
  std::string text = with_actuators("motor", "ctrlrange='-2 2' gear='10'", "");
  text = with(text, "</actuator>",
              "</actuator><keyframe><key name='home' qpos='0 0 0.4 1 0 0 0  0.1 0.8 -1.6 0 0.8 -1.6 0 0.8 -1.6 0 0.8 "
              "-1.6' ctrl='1 1 1 1 1 1 1 1 1 1 1 1'/></keyframe>");
  write_file(folder / "a.xml", text);
  import_robot(folder / "a.xml", folder / "motors.xml", {});
  EXPECT_EQ(joint_of(load_robot((folder / "motors.xml").string()), "haa0").servo, 0);  // only where it is asked for
  LoadOptions options;
  options.servos_for_motors = true;
  const std::vector<std::string> changes = import_robot(folder / "a.xml", folder / "b.xml", options);
  ASSERT_FALSE(changes.empty());
  EXPECT_NE(changes.back().find("torque motors are position servos: 12"), std::string::npos) << changes.back();
  const CompiledRobot compiled = load_robot((folder / "b.xml").string());
  EXPECT_EQ(joint_of(compiled, "haa0").servo, 20);
  EXPECT_EQ(joint_of(compiled, "haa0").velocity_gain, -0.5);
  EXPECT_EQ(joint_of(compiled, "haa0").force_high, 20);
  EXPECT_EQ(compiled.robot.home_ctrl[0], 0.1);
  EXPECT_EQ(compiled.robot.home_ctrl[2], -1.6);
  EXPECT_GT(joint_of(compiled, "kfe0").force_high, 0);  // from the robot's weight
}

}  // namespace
}  // namespace stampede
