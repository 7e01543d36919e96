#pragma once
/// \file Servos: for joints that nothing drives, and in place of torque motors.

#include <mujoco/mujoco.h>

#include <filesystem>
#include <string>
#include <vector>

#include "host/model/robot/load.hpp"

namespace stampede {

/// Drives every hinge and slide joint: wheels by velocity servos with kv = effort / 40, all others by position servos
/// with kp = effort per rad and kd = kp / 40, clipped at the joint's effort. A wheel is an endless hinge at the end of
/// its limb with shapes that are round about its axis. `model` is compiled from the description, with bodies without
/// joints fused.
void add_servos(mjSpec* spec, const mjModel* model, std::vector<std::string>& changes);

/// Makes every torque motor a position servo with kp = range per rad and kd = kp / 40, clipped at the motor's range,
/// and lets keyframes hold their pose. `model` is compiled from the description.
void turn_motors_into_servos(mjSpec* spec, const mjModel* model, std::vector<std::string>& changes);

/// Makes every actuator of a joint with a stiffness a position servo with these gains. What was a torque motor is
/// clipped at its range: gear x clip(gain x ctrlrange, forcerange). Throws Error, beginning with `file`, where an
/// actuator is neither a motor nor a position servo and where a pattern does not fit the joints.
void set_servos(mjSpec* spec, const ServoGains& gains, const std::filesystem::path& file,
                std::vector<std::string>& notes);

}  // namespace stampede
