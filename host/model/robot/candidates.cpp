#include "host/model/robot/candidates.hpp"

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
