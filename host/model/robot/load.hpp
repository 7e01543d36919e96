#pragma once
/// \file From a description, MJCF or URDF, to a robot that is simulated.
///
/// MuJoCo parses and compiles the file; our RobotModel is made from its model. What cannot be simulated as the file
/// says is refused with an Error of one line that names the element; what is left out without changing the rest is a
/// note.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "host/engine/robot_model.hpp"
#include "host/model/robot/by_joint.hpp"
#include "host/model/robot/mujoco_handles.hpp"
#include "host/model/terrain/terrain.hpp"

namespace stampede {

/// Whether the base moves freely: as the file says (a URDF says nothing: free where it has two limbs or more), or as
/// chosen.
enum class BaseChoice { kAuto, kFree, kFixed };

/// Position servos: torque = clip(stiffness (target - q) - damping v, +-torque_limit).
struct ServoGains {
  ByJoint stiffness;     ///< [N m/rad]; 0: the file's servo
  ByJoint damping;       ///< [N m s/rad]
  ByJoint torque_limit;  ///< [N m]; 0: the file's
};

struct LoadOptions {
  BaseChoice base = BaseChoice::kAuto;
  std::optional<double> timestep;          ///< instead of the file's [s]
  std::optional<TerrainSettings> terrain;  ///< ground to be made, instead of the file's
  std::vector<std::string> feet;           ///< geoms that the limbs stand on; none: all of each limb's last link
  std::optional<ServoGains> servo;         ///< instead of the file's servos and torque motors
  bool servos_for_motors = false;          ///< import only: position servos in place of the file's torque motors
};

/// A robot, and MuJoCo's model that it was made from, for comparisons and pictures.
struct CompiledRobot {
  SpecHandle spec;             ///< the description as it was compiled; null where compile_robot() was given another's
  std::filesystem::path file;  ///< that it comes from
  ModelHandle model;
  RobotModel robot;
  std::optional<Terrain> terrain;  ///< the ground that was made, where LoadOptions ask for one
  std::vector<std::string> notes;  ///< what is simulated otherwise than the file says, one line each
};

/// Loads a robot by its name (find_robot.hpp) or its file. A URDF is imported in memory first (import.hpp).
CompiledRobot load_robot(const std::string& name_or_file, const LoadOptions& options = {});

/// How many descriptions load_robot has compiled in this process, for tests: a command should compile only one.
int robots_compiled();

/// Compiles a description and makes the robot from it. `file` is its path, for messages and the robot's name.
CompiledRobot compile_robot(mjSpec_* spec, const std::filesystem::path& file, const LoadOptions& options,
                            std::vector<std::string> notes);

}  // namespace stampede
