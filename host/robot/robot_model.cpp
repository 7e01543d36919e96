#include "host/robot/robot_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "host/base/error.hpp"

namespace stampede {

RobotSize fitting_size(int limbs, int joints) {
  for (const RobotSize size : kRobotSizes) {
    if (limbs <= size.limbs && joints <= size.joints) return size;
  }
  std::string sizes;
  for (const RobotSize size : kRobotSizes) {
    sizes += fmt::format("{}{} x {}", sizes.empty() ? "" : ", ", size.limbs, size.joints);
  }
  throw Error(
      fmt::format("a robot of {} limbs of up to {} joints is too large; limbs x joints compiled in are {}, and "
                  "docs/physics.md says how to build another",
                  limbs, joints, sizes));
}

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

void arrange_candidates(RobotModel& robot) {
  const auto limbs = static_cast<std::size_t>(robot.size.limbs);
  std::vector<std::size_t> order(robot.kind.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return robot.kind[a].link > robot.kind[b].link; });
  std::vector<ContactKind> kind;
  std::vector<ContactModel<double>> contact;
  for (const std::size_t k : order) {
    kind.push_back(robot.kind[k]);
    kind.back().of_link = 0;
    for (std::size_t l = 0; l < limbs; ++l) {
      contact.push_back(robot.contact[k * limbs + l]);
      contact.back().reach = -1e6;
    }
  }
  for (std::size_t first = 0; first < kind.size();) {
    std::size_t end = first;
    for (; end < kind.size() && kind[end].link == kind[first].link; ++end) {
      for (std::size_t l = 0; l < limbs; ++l) {
        const ContactModel<double>& c = contact[end * limbs + l];
        if (c.radius < 0) continue;
        const double reach = std::sqrt(dot(c.point, c.point)) + c.radius + c.half_length + std::max(c.margin, 0.0);
        double& farthest = contact[first * limbs + l].reach;
        farthest = std::max(farthest, reach * (1 + 1e-6));
      }
    }
    kind[first].of_link = static_cast<int>(end - first);
    first = end;
  }
  robot.kind = std::move(kind);
  robot.contact = std::move(contact);
  robot.options.candidates = static_cast<int>(robot.kind.size());
}

}  // namespace stampede
