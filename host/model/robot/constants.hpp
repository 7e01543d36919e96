#pragma once
/// \file The robot's constants from MuJoCo's compiled model: links, joints, actuators, the softness of constraints,
/// options.

#include <mujoco/mujoco.h>

#include <string>
#include <vector>

#include "host/engine/robot_model.hpp"
#include "host/model/robot/limbs.hpp"

namespace stampede {

/// What the parts of a RobotModel are made from, and where notes for the user go.
struct ModelSource {
  const mjModel* model;
  const Limbs& limbs;
  const std::string& file;               ///< begins every message
  std::vector<std::string>& notes;       ///< one line each
  const std::vector<std::string>& feet;  ///< geoms that are feet; none: all of each limb's last link
};

/// Frame of a joint's link in the base's frame at the reference position: origin in the anchor, the axis as z.
Pose link_frame(const ModelSource& source, int joint);
/// Pose of a geom in the frame of the link that it is part of (of the base: its body frame).
Pose pose_on_link(const ModelSource& source, int geom);

/// Mass, centre and inertia of all bodies of a part, in `frame` (given in the base's frame).
BaseModel<double> fused_body(const ModelSource& source, Part part, const Pose& frame);

/// Stiffness and impedance of a constraint, with MuJoCo's clamps. `refsafe` keeps the time constant at two time steps
/// or more.
Softness<double> softness_of(const double* solref, const double* solimp, double timestep, bool refsafe);
/// The impedance of a constraint whose violation is 0.
double impedance_at_rest(const double* solimp);

/// The longest step at which a constraint is stable by itself (infinite where it is at any step).
///
/// Semi-implicit Euler on r'' = -b r' - k r is v' = (1 - h b) v - h k r, r' = r + h v', whose matrix has determinant
/// 1 - h b and trace 2 - h b - h^2 k; both roots lie in the unit circle while 1 + trace + determinant > 0 (Jury), that
/// is while h^2 k + 2 h b < 4: h < 4 / (b + sqrt(b^2 + 4 k)).
double longest_stable_step(const double* solref, const double* solimp);

/// All that is not about contacts: joints, actuators, base, options, home. Throws Error naming the element at fault.
void read_constants(const ModelSource& source, RobotModel& robot);

/// The actuators' part of the joints; fills joint_info's actuators too.
void read_actuators(const ModelSource& source, RobotModel& robot);

}  // namespace stampede
