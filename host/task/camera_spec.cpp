#include "host/task/camera_spec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "host/base/error.hpp"

namespace stampede {
namespace {

/// Control steps from one picture to the next.
int steps_between(const CameraSettings& settings, double control_dt) {
  const double steps = 1 / (static_cast<double>(settings.rate) * control_dt), whole = std::round(steps);
  if (whole >= 1 && std::fabs(steps - whole) <= 1e-4 * whole) return static_cast<int>(whole);
  const double longer = std::ceil(steps), shorter = std::max(1.0, std::floor(steps));
  std::string right = fmt::format("{:.6g}", 1 / (longer * control_dt));
  if (shorter != longer) right += fmt::format(" or {:.6g}", 1 / (shorter * control_dt));
  throw Error(
      fmt::format("camera.rate = {} does not divide the rate of control steps, {:.6g} a second; {} would be right",
                  settings.rate, 1 / control_dt, right));
}

/// Control steps that an episode's pictures may be seen later.
int steps_late(const CameraSettings& settings, double control_dt) {
  const double steps = static_cast<double>(settings.latency_error) / control_dt;
  if (settings.latency_error > 0 && steps < 1 - 1e-4) {
    throw Error(
        fmt::format("camera.latency_error = {} is shorter than a control step, {:.6g} s; whole control steps are "
                    "drawn, so 0 or at least that would be right",
                    settings.latency_error, control_dt));
  }
  return static_cast<int>(steps + 1e-4);
}

}  // namespace

DepthCamera make_camera(const CameraSettings& settings, double control_dt, const RobotModel& robot) {
  DepthCamera camera;
  camera.width = settings.width;
  camera.height = settings.height;
  if (camera.pixels() % kMaxLanes != 0) {
    throw Error(fmt::format("camera.width = {} and camera.height = {}: their product must be a multiple of {}",
                            settings.width, settings.height, kMaxLanes));
  }
  if (!(settings.near < settings.far)) {
    throw Error(fmt::format("camera.near = {} is not below camera.far = {}", settings.near, settings.far));
  }
  if (settings.position.size() != 3) {
    throw Error(fmt::format("camera.position has {} numbers; x, y and z would be right", settings.position.size()));
  }
  const auto [x, y, z] = std::tie(settings.position[0], settings.position[1], settings.position[2]);
  camera.position = {x, y, z};
  for (const Solid<double>& solid : robot.solids) {
    if (solid.link != 0 || !solid.holds(camera.position)) continue;
    throw Error(
        fmt::format("camera.position = [{}, {}, {}] is inside the base of the robot '{}'; a place outside its "
                    "shapes would be right",
                    x, y, z, robot.name));
  }
  camera.half_width = std::tan(0.5f * settings.field_of_view);
  camera.half_height = camera.half_width * static_cast<float>(settings.height) / static_cast<float>(settings.width);
  camera.near = settings.near;
  camera.far = settings.far;
  camera.every = steps_between(settings, control_dt);
  camera.latency = settings.latency;
  camera.late = steps_late(settings, control_dt);
  camera.noise = settings.noise;
  camera.dropped = settings.dropped;
  camera.edges = settings.edges;
  camera.position_error = settings.position_error;
  camera.angle_error = settings.angle_error;
  const float pitch_c = std::cos(settings.pitch), pitch_s = std::sin(settings.pitch);
  const float yaw_c = std::cos(settings.yaw), yaw_s = std::sin(settings.yaw);
  camera.axes = {
      {yaw_c * pitch_c, yaw_s * pitch_c, -pitch_s}, {-yaw_s, yaw_c, 0.0f}, {yaw_c * pitch_s, yaw_s * pitch_s, pitch_c}};
  return camera;
}

}  // namespace stampede
