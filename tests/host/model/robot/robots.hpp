#pragma once
/// \file Descriptions that the tests load, and how.

#include <mujoco/mujoco.h>

#include <fstream>
#include <string>

#include "host/model/robot/load.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede::test {

/// `text` with the first `from` replaced; what is not there is a failure.
inline std::string with(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << "'" << from << "' is not in the text";
  if (at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

/// MuJoCo's model of a description, whether it can be simulated here or not.
inline ModelHandle compile_text(const std::string& text) {
  char error[500] = "";
  const SpecHandle spec(mj_parseXMLString(text.c_str(), nullptr, error, sizeof error));
  ModelHandle model(spec == nullptr ? nullptr : mj_compile(spec.get(), nullptr));
  if (model == nullptr) {
    throw Error(std::string("the test's description: ") + (spec == nullptr ? error : mjs_getError(spec.get())),
                Status::kFailed);
  }
  return model;
}

/// Writes a description into a folder and loads it.
inline CompiledRobot load_text(const std::string& text, const std::string& name = "robot.xml",
                               const LoadOptions& options = {}) {
  TemporaryFolder folder;
  std::ofstream(folder / name) << text;
  return load_robot((folder / name).string(), options);
}

/// Why it is refused.
inline std::string refusal_of(const std::string& text, const std::string& name = "robot.xml",
                              const LoadOptions& options = {}) {
  const std::string message = error_of([&] { load_text(text, name, options); });
  EXPECT_NE(message.find(name), std::string::npos) << message;
  return message;
}

/// A skewed quadruped with all sorts of numbers: no symmetry hides a mistake.
inline std::string quadruped() {
  std::string text = R"(<mujoco model="quadruped">
  <compiler angle="radian"/>
  <option timestep="0.002" cone="elliptic"/>
  <default><geom contype="0" conaffinity="1"/></default>
  <worldbody>
    <geom name="floor" type="plane" size="0 0 1" contype="1" conaffinity="0"/>
    <body name="trunk" pos="0 0 0.4" quat="0.9 0.1 -0.2 0.3">
      <freejoint name="root"/>
      <inertial pos="0.02 0.01 -0.005" quat="1 0.1 0.2 0.3" mass="6.9" diaginertia="0.03 0.09 0.1"/>
      <geom name="trunk" type="box" size="0.19 0.05 0.06" pos="0.01 0 0"/>
      <body name="lidar" pos="0.2 0 0.1" quat="1 0 0.3 0">
        <inertial pos="0.01 0 0.02" mass="0.4" diaginertia="1e-3 2e-3 2.5e-3"/>
        <geom name="lidar" type="cylinder" size="0.04 0.03"/>
      </body>)";
  for (int l = 0; l < 4; ++l) {
    const std::string n = std::to_string(l), x = l < 2 ? "0.2" : "-0.21", y = l % 2 == 0 ? "0.05" : "-0.06";
    text += "<body name='hip" + n + "' pos='" + x + " " + y + " 0.01' quat='1 0.05 0 0.1'><joint name='haa" + n +
            "' axis='1 0.1 0' pos='0.01 0 0' range='-1 1' armature='0.01' damping='0.1' ref='0.1'/>"
            "<inertial pos='0.01 0.02 0.03' quat='1 0.2 0 0' mass='0.7' diaginertia='5e-4 9e-4 6e-4'/>"
            "<body name='thigh" +
            n + "' pos='0.01 0.09 0'><joint name='hfe" + n +
            "' axis='0 1 0' range='-1.5 2.5' armature='0.02' frictionloss='0.2'/>"
            "<inertial pos='0 0.02 -0.05' quat='1 0 0.2 0.1' mass='1.1' diaginertia='5e-3 6e-3 2e-3'/>"
            "<geom name='thigh" +
            n +
            "' type='capsule' fromto='0 0 0 0.01 0 -0.2' size='0.02'/>"
            "<body name='rotor" +
            n +
            "' pos='0 0.03 0'><inertial pos='0 0 0' mass='0.1' diaginertia='1e-4 2e-4 1e-4'/></body>"
            "<body name='shank" +
            n + "' pos='0 0 -0.21' quat='1 0 0.1 0'><joint name='kfe" + n +
            "' axis='0 1 0.05' range='-2.7 -0.5' stiffness='2' springref='-1'/>"
            "<inertial pos='0.005 0 -0.1' mass='0.2' diaginertia='1.5e-3 1.5e-3 3e-5'/>"
            "<geom name='foot" +
            n + "' type='sphere' size='0.02' pos='0 0 -0.2'/></body></body></body>";
  }
  text += "</body></worldbody><actuator>";
  for (int l = 0; l < 4; ++l) {
    for (const char* joint : {"haa", "hfe", "kfe"}) {
      text += std::string("<position name='") + joint + std::to_string(l) + "' joint='" + joint + std::to_string(l) +
              "' kp='30' kv='0.5' forcerange='-20 20'/>";
    }
  }
  return text + "</actuator></mujoco>";
}

}  // namespace stampede::test
