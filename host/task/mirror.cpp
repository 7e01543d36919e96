#include "host/task/mirror.hpp"

#include <fmt/format.h>
#include <mujoco/mujoco.h>

#include <algorithm>
#include <cmath>

#include "host/base/error.hpp"

namespace stampede {
namespace {

constexpr double kNear = 0.02;      ///< [m]
constexpr double kParallel = 0.05;  ///< distance of unit vectors, 3 degrees

/// A joint in the base's frame.
struct PlacedJoint {
  Vec3<double> origin, axis;
};

/// In the order of `joint_info`.
std::vector<PlacedJoint> place_joints(const CompiledRobot& compiled, const std::vector<double>& pose) {
  const mjModel* model = compiled.model.get();
  const DataHandle data(mj_makeData(model));
  const std::vector<RobotJoint>& joints = compiled.robot.joint_info;
  const double base[7] = {0, 0, 0, 1, 0, 0, 0};
  std::copy(base, base + 7, data->qpos);
  for (std::size_t i = 0; i < joints.size(); ++i) data->qpos[joints[i].position] = pose[i];
  mj_kinematics(model, data.get());
  std::vector<PlacedJoint> placed;
  for (const RobotJoint& joint : joints) {
    const int id = static_cast<int>(std::find(model->jnt_qposadr, model->jnt_qposadr + model->njnt, joint.position) -
                                    model->jnt_qposadr);
    const mjtNum *origin = data->xanchor + 3 * id, *axis = data->xaxis + 3 * id;
    placed.push_back({{origin[0], origin[1], origin[2]}, {axis[0], axis[1], axis[2]}});
  }
  return placed;
}

Vec3<double> image_of(const Vec3<double>& v) { return {v.x, -v.y, v.z}; }
double distance(const Vec3<double>& a, const Vec3<double>& b) { return std::sqrt(dot(a - b, a - b)); }

/// Mean place of each limb's joints, in the base's frame [m].
std::vector<Vec3<double>> limb_places(const RobotModel& robot, const std::vector<PlacedJoint>& placed) {
  std::vector<Vec3<double>> sum(static_cast<std::size_t>(robot.limbs), Vec3<double>{0, 0, 0});
  std::vector<double> count(sum.size(), 0.0);
  for (std::size_t i = 0; i < placed.size(); ++i) {
    const auto limb = static_cast<std::size_t>(robot.joint_info[i].limb);
    sum[limb] = sum[limb] + placed[i].origin;
    count[limb] += 1;
  }
  for (std::size_t limb = 0; limb < sum.size(); ++limb) sum[limb] = sum[limb] * (1 / count[limb]);
  return sum;
}

/// Adds the joints' numbers, of which the first is at `begin`.
void add_joints(MirrorMap& map, int begin, const LeggedConstants& c, const RobotModel& robot,
                const RobotMirror& mirror) {
  for (std::size_t i = 0; i < robot.joint_info.size(); ++i) {
    if (robot.joint_info[i].actuator < 0) continue;
    const RobotJoint& image = robot.joint_info[static_cast<std::size_t>(mirror.joint[i])];
    map.place.push_back(begin + c.action_place[image.place].value[image.limb]);
    map.sign.push_back(mirror.sign[i]);
  }
}

/// The sign that mirroring gives a vector's x, y or z: -1 for the y of a velocity or of gravity, a rotation's x and z,
/// a command's y and turning.
float sign_of(ObservationTerm term, int axis) {
  if (term == ObservationTerm::kBaseAngularVelocity) return axis == 1 ? 1.0f : -1.0f;
  if (term == ObservationTerm::kCommand) return axis == 0 ? 1.0f : -1.0f;
  return axis == 1 ? -1.0f : 1.0f;
}

}  // namespace

MirrorMap mirror_of_actions(const LeggedConstants& constants, const RobotModel& robot, const RobotMirror& mirror) {
  MirrorMap map;
  add_joints(map, 0, constants, robot, mirror);
  return map;
}

MirrorMap mirror_of(const PlacedTerm* terms, int count, const LeggedSpec& spec, const RobotModel& robot,
                    const RobotMirror& mirror) {
  const LeggedConstants& c = spec.constants;
  MirrorMap map;
  const auto add = [&](int place, float sign) {
    map.place.push_back(place);
    map.sign.push_back(sign);
  };
  for (int t = 0; t < count; ++t) {
    const int begin = terms[t].begin;
    switch (kObservationTerms[static_cast<int>(terms[t].term)].per) {
      case Per::kBase:
        add(begin, 1);
        break;
      case Per::kBase3:
        for (int i = 0; i < 3; ++i) add(begin + i, sign_of(terms[t].term, i));
        break;
      case Per::kLimb:
        for (const int image : mirror.limb) add(begin + image, 1);
        break;
      case Per::kJoint:
        add_joints(map, begin, c, robot, mirror);
        break;
      case Per::kScan: {
        const int columns = c.scan_columns, rows = c.scan_points / columns;
        const float far = c.scan_y + c.scan_spacing * static_cast<float>(rows - 1);
        if (std::fabs(c.scan_y + far) > 1e-3f * c.scan_spacing) {
          throw Error("symmetry.mirror: scan.y lies to one side; [-0.3, 0.3] would be right");
        }
        for (int i = 0; i < c.scan_points; ++i) add(begin + (rows - 1 - i / columns) * columns + i % columns, 1);
        break;
      }
      case Per::kPixel:
        if (std::fabs(spec.camera.position.y) > 1e-4f || std::fabs(spec.camera.axes.x.y) > 1e-4f) {
          throw Error(
              "symmetry.mirror: the camera looks to one side; camera.yaw = 0 and a camera.position in the middle would "
              "be right");
        }
        for (int i = 0; i < static_cast<int>(spec.camera.pixels()); ++i) {
          const int column = i % spec.camera.width;
          add(begin + i - column + spec.camera.width - 1 - column, 1);
        }
        break;
    }
  }
  return map;
}

RobotMirror find_mirror(const CompiledRobot& compiled, const std::vector<double>& pose) {
  const RobotModel& robot = compiled.robot;
  const std::vector<PlacedJoint> placed = place_joints(compiled, pose);
  const std::size_t joints = placed.size();
  RobotMirror mirror;
  mirror.limb.assign(static_cast<std::size_t>(robot.limbs), -1);
  for (std::size_t i = 0; i < joints; ++i) {
    const RobotJoint& info = robot.joint_info[i];
    const Vec3<double> origin = image_of(placed[i].origin), axis = image_of(placed[i].axis);
    std::size_t image = 0;
    float sign = 0;
    for (; image < joints; ++image) {
      const RobotJoint& other = robot.joint_info[image];
      if (other.place != info.place || (other.actuator < 0) != (info.actuator < 0)) continue;
      if (distance(placed[image].origin, origin) > kNear) continue;
      const bool slides = robot.joint_of(info).slide > 0.5;
      // A mirrored rotation turns the other way about the mirrored axis; a mirrored slide moves along it.
      if (distance(placed[image].axis, axis) < kParallel) sign = slides ? 1.0f : -1.0f;
      if (distance(placed[image].axis, axis * -1.0) < kParallel) sign = slides ? -1.0f : 1.0f;
      if (sign != 0) break;
    }
    if (image == joints) {
      throw Error(fmt::format("symmetry.mirror: joint '{}' of the robot '{}' has no image on the other side", info.name,
                              robot.name));
    }
    mirror.joint.push_back(static_cast<int>(image));
    mirror.sign.push_back(sign);
    mirror.limb[static_cast<std::size_t>(info.limb)] = robot.joint_info[image].limb;
  }
  return mirror;
}

std::vector<std::array<int, 2>> find_diagonals(const CompiledRobot& compiled, const std::vector<double>& pose) {
  if (compiled.robot.limbs != 4) return {};
  const std::vector<Vec3<double>> places = limb_places(compiled.robot, place_joints(compiled, pose));
  Vec3<double> middle{0, 0, 0};
  for (const Vec3<double>& place : places) middle = middle + place * 0.25;
  int in_quarter[4] = {-1, -1, -1, -1};
  for (int limb = 0; limb < 4; ++limb) {
    const Vec3<double> from = places[static_cast<std::size_t>(limb)] - middle;
    in_quarter[(from.x > 0 ? 0 : 2) + (from.y > 0 ? 0 : 1)] = limb;
  }
  for (const int limb : in_quarter) {
    if (limb < 0) return {};
  }
  return {{in_quarter[0], in_quarter[3]}, {in_quarter[1], in_quarter[2]}};
}

}  // namespace stampede
