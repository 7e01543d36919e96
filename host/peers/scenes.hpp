#pragma once
/// \file Scenes for measurements: where robots start, and their controls; the same for us and for MuJoCo.

#include <string>
#include <vector>

#include "host/base/uniform.hpp"
#include "host/engine/robot_model.hpp"

namespace stampede {

/// Names of the scenes: standing, trot, random, falling, terrain.
const std::vector<std::string>& scene_names();

/// Starts of a number of environments and their controls over time.
struct Scene {
  std::string name;
  int control_steps = 0;     ///< number of control steps that it has controls for
  double settling = 0;       ///< how long it has to be simulated before it is what its name says [s]
  std::vector<double> qpos;  ///< [env][nq]
  std::vector<double> qvel;  ///< [env][nv]
  std::vector<double> ctrl;  ///< [control step][env][nu]
};

/// - `standing`: at home, joints off by up to 0.05; targets move by up to 0.1, five times a second;
/// - `trot`: targets swing about home at 1.5 to 3 Hz, diagonal limbs together;
/// - `random`: any orientation, targets anywhere in the joints' ranges, five times a second: tumbling;
/// - `falling`: any orientation, dropped from 0.2 to 0.7 m above home, targets at home;
/// - `terrain`: the trot, anywhere on a map of heights and boxes, after being set down there.
///
/// `control_dt` is the time between controls. Throws Error where there is no such scene, or no map for it.
Scene make_scene(const std::string& name, const RobotModel& robot, int num_envs, int control_steps, double control_dt,
                 std::uint64_t seed);

/// Puts a floating robot somewhere onto its map, turned about the vertical: as high over the highest ground beneath it
/// as it was over 0.
void place_on_map(const RobotModel& robot, Uniform& uniform, double* qpos);

}  // namespace stampede
