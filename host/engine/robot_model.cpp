#include "host/engine/robot_model.hpp"

namespace stampede {

JointModel<double> absent_joint() {
  JointModel<double> joint{};
  joint.frame = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
  joint.armature = 1;
  joint.low = joint.control_low = joint.force_low = -1e30;
  joint.high = joint.control_high = joint.force_high = 1e30;
  joint.limit_weight = 1;
  joint.limit.slack = joint.limit.midpoint = 0.5;
  joint.limit.power = 2;
  return joint;
}

ContactModel<double> absent_contact() {
  ContactModel<double> contact{};
  contact.radius = -1e6;
  contact.weight = 1;
  contact.softness.slack = contact.softness.midpoint = 0.5;
  contact.softness.power = 2;
  return contact;
}

}  // namespace stampede
