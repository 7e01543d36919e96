/// \file How many contacts a lane has at the same time, found by trying poses.
#include <algorithm>
#include <array>
#include <cmath>
#include <random>

#include "host/model/robot/pose.hpp"
#include "host/model/robot/shapes.hpp"
#include "kernels/math.hpp"

namespace stampede {
namespace {

constexpr int kPoses = 2000;

class Poses {
 public:
  explicit Poses(const RobotModel& robot) : robot_(robot), limbs_(static_cast<std::size_t>(robot.size.limbs)) {}

  /// The most contacts of a lane in any of the poses.
  int most_contacts() {
    // On a map a fixed base is tried like a floating one: the ground may be anywhere around it.
    const bool floating = robot_.options.floating || robot_.map != nullptr;
    const Vec3<double> up = robot_.plane.present ? robot_.plane.normal : Vec3<double>{0, 0, 1};
    int most = 0;
    for (int pose = 0; pose < kPoses; ++pose) {
      place(floating ? turned() : robot_.options.fixed_orientation.matrix());
      double lowest = 0;
      if (floating) {
        lowest = 1e30;
        visit(up, [&](std::size_t, const ContactModel<double>&, double height, const Vec3<double>&) {
          lowest = std::min(lowest, height);
        });
        lowest += uniform(0, 0.1);
      } else if (robot_.plane.present) {
        lowest = dot(up, robot_.plane.point - robot_.options.fixed_position);
      } else {
        return 0;
      }
      std::vector<int> contacts(limbs_, 0);
      visit(up, [&](std::size_t limb, const ContactModel<double>& contact, double height, const Vec3<double>&) {
        if (height - lowest < contact.margin) ++contacts[limb];
      });
      most = std::max(most, *std::max_element(contacts.begin(), contacts.end()));
    }
    return most;
  }

  /// The lowest point of each lane's candidates, from the base's origin; its last number is the height along `up`.
  std::vector<Vec3<double>> lowest(const double* qpos, Vec3<double> up) {
    place(quaternion_at(qpos + 3).matrix(), [&](std::size_t l, int place, const JointModel<double>& joint) {
      for (const RobotJoint& info : robot_.joint_info) {
        if (info.limb == static_cast<int>(l) && info.place == place) return qpos[info.position];
      }
      return joint.reference;
    });
    std::vector<Vec3<double>> lowest(limbs_, {0, 0, 1e30});
    visit(up, [&](std::size_t limb, const ContactModel<double>&, double height, const Vec3<double>& at) {
      if (height < lowest[limb].z) lowest[limb] = {at.x, at.y, height};
    });
    return lowest;
  }

 private:
  double uniform(double low, double high) {
    return low + (high - low) * (static_cast<double>(generator_() >> 11) * 0x1.0p-53);
  }

  /// A random rotation, all equally likely.
  Mat3<double> turned() {
    for (;;) {
      const double q[4] = {uniform(-1, 1), uniform(-1, 1), uniform(-1, 1), uniform(-1, 1)};
      const double norm = q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3];
      if (norm > 0.01 && norm <= 1) return quaternion_at(q).matrix();
    }
  }

  /// Puts joints anywhere in their ranges. In half of the poses the positions, as shares of the ranges, are the same in
  /// all limbs, as when a robot lies or sits.
  void place(const Mat3<double>& base) {
    const bool alike = uniform(0, 1) < 0.5;
    std::array<double, kMaxJoints> shares;
    for (double& share : shares) share = uniform(0, 1);
    place(base, [&](std::size_t, int place, const JointModel<double>& joint) {
      const double reach = joint.slide > 0.5 ? 1 : kPi;
      const double low = joint.low > -1e29 ? joint.low : joint.reference - reach;
      const double high = joint.high < 1e29 ? joint.high : joint.reference + reach;
      return low + (high - low) * (alike ? shares[static_cast<std::size_t>(place)] : uniform(0, 1));
    });
  }

  /// Puts joints where `position(limb, place, joint)` says.
  template <class Position>
  void place(const Mat3<double>& base, Position&& position) {
    frames_.assign(limbs_, {});
    for (std::size_t l = 0; l < limbs_; ++l) {
      Pose pose{{0, 0, 0}, base};
      frames_[l][0] = pose;
      for (int i = 0; i < robot_.size.joints; ++i) {
        const JointModel<double>& joint =
            robot_.joint[l * static_cast<std::size_t>(robot_.size.joints) + static_cast<std::size_t>(i)];
        const double moved = position(l, i, joint) - joint.reference;
        pose = pose * Pose{joint.offset, joint.frame};
        if (joint.slide > 0.5) {
          pose.origin = pose.origin + pose.axes.z * moved;
        } else {
          const double c = std::cos(moved), s = std::sin(moved);
          pose.axes = pose.axes * Mat3<double>{{c, s, 0}, {-s, c, 0}, {0, 0, 1}};
        }
        frames_[l][static_cast<std::size_t>(i) + 1] = pose;
      }
    }
  }

  /// Calls function(lane, candidate, height, place) for each point that may touch: the height of its surface over the
  /// base's origin along `up`, and its approximate place from that origin, in world axes [m].
  template <class Function>
  void visit(Vec3<double> up, Function&& function) const {
    for (std::size_t k = 0; k < robot_.kind.size(); ++k) {
      const ContactKind& kind = robot_.kind[k];
      for (std::size_t l = 0; l < limbs_; ++l) {
        const ContactModel<double>& contact = robot_.contact[k * limbs_ + l];
        if (contact.radius < 0) continue;
        const Pose& frame = frames_[l][static_cast<std::size_t>(kind.link)];
        const Vec3<double> middle = frame * contact.point, axis = frame.axes * contact.axis;
        const double centre = dot(up, middle), along = dot(up, axis);
        if (kind.shape == ContactShape::kPoint) {
          function(l, contact, centre - contact.radius, middle);
        } else if (kind.shape == ContactShape::kCorner) {
          if (along <= 0) function(l, contact, centre, middle);
        } else {
          // Two points of the lower side, and two more of the lower rim: MuJoCo's four contact points.
          const double rim = contact.radius * std::sqrt(std::max(0.0, 1 - along * along));
          const double end = std::abs(along) * contact.half_length;
          const Vec3<double> half = axis * (along > 0 ? contact.half_length : -contact.half_length);
          function(l, contact, centre - end - rim, middle - half);
          function(l, contact, centre + end - rim, middle + half);
          function(l, contact, centre - end + rim / 2, middle - half);
          function(l, contact, centre - end + rim / 2, middle - half);
        }
      }
    }
  }

  const RobotModel& robot_;
  std::size_t limbs_;
  std::mt19937_64 generator_{1};
  std::vector<std::array<Pose, kMaxJoints + 1>> frames_;
};

}  // namespace

int measured_slots(const RobotModel& robot) {
  if (robot.kind.empty()) return 1;
  // On a map a shape may touch heights and boxes at the same time, and feet stand against walls.
  const int more = robot.map != nullptr ? 4 : 0;
  return std::clamp(Poses(robot).most_contacts() + more, 1, kMaxContacts);
}

std::vector<Vec3<double>> lowest_points(const RobotModel& robot, const double* qpos, Vec3<double> up) {
  return Poses(robot).lowest(qpos, up);
}

double lowest_point(const RobotModel& robot, const double* qpos, Vec3<double> up) {
  double lowest = 1e30;
  for (const Vec3<double>& point : lowest_points(robot, qpos, up)) lowest = std::min(lowest, point.z);
  return lowest;
}

}  // namespace stampede
