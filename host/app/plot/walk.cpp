#include "host/app/plot/walk.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "host/app/plot/picture.hpp"
#include "host/app/plot/ticks.hpp"
#include "host/base/error.hpp"

namespace stampede {
namespace {

using Points = std::vector<std::pair<double, double>>;

constexpr double kGaitSeconds = 3;  ///< of the gait diagram, from the episode's middle [s]

}  // namespace

Walk walk_of(const Evaluation& evaluation, const TaskSpec& task) {
  const auto values = [&](const char* name) {
    for (const Tensor& tensor : evaluation.trace) {
      if (tensor.name == name) return tensor;
    }
    throw Error(std::string("the evaluation has no trace of '") + name + "'", Status::kFailed);
  };
  const Tensor figures = values("figures");
  const std::vector<float> all = floats_of(figures), active = floats_of(values("active"));
  const auto steps = static_cast<std::size_t>(figures.shape[0]), episodes = static_cast<std::size_t>(figures.shape[1]);
  const RobotModel& robot = task.legged->robot;
  Walk walk;
  walk.dt = task.control_dt;
  for (int limb = 0; limb < robot.limbs; ++limb) {
    const auto joint = std::find_if(robot.joint_info.begin(), robot.joint_info.end(),
                                    [&](const RobotJoint& info) { return info.limb == limb; });
    walk.limbs.push_back(joint->name.substr(0, joint->name.find('_')));
  }
  walk.feet.resize(walk.limbs.size());
  for (std::size_t t = 0; t < steps && active[t * episodes] != 0.0f; ++t) {
    const float* row = all.data() + t * episodes * kLeggedFigures;
    const auto figure = [&](LeggedFigure which, int more) {
      return static_cast<double>(row[static_cast<int>(which) + more]);
    };
    for (int i = 0; i < 3; ++i) {
      walk.velocity[i].push_back(figure(LeggedFigure::kVelocityX, i));
      walk.command[i].push_back(figure(LeggedFigure::kCommandX, i));
    }
    const auto feet = static_cast<unsigned>(std::lround(figure(LeggedFigure::kFeet, 0)));
    for (std::size_t limb = 0; limb < walk.feet.size(); ++limb) walk.feet[limb].push_back(((feet >> limb) & 1u) != 0);
  }
  return walk;
}

std::string draw_walk(const Walk& walk, const std::string& title) {
  constexpr double kWidth = 760, kPanel = 100, kTop = 64, kGap = 34, kLeft = 76;
  const char* names[] = {"forward [m/s]", "sideways [m/s]", "turning [rad/s]"};
  const double gait_top = kTop + 3 * (kPanel + kGap) + 10;
  const double height = gait_top + 18 * static_cast<double>(walk.limbs.size()) + 56;
  Picture picture(kWidth, height);
  picture.write(kLeft, 26, title, 15, kInk, Align::kLeft, true);
  picture.write(kLeft, 44, "velocity (blue) and what was commanded (dashed)", 11.5, kQuiet, Align::kLeft);
  const double seconds = walk.dt * static_cast<double>(std::max<std::size_t>(1, walk.command[0].size()));
  for (int i = 0; i < 3; ++i) {
    const Frame frame{kLeft, kTop + i * (kPanel + kGap), kWidth - 24, kTop + i * (kPanel + kGap) + kPanel};
    double low = -0.2, high = 0.2;
    for (const std::vector<double>* values : {&walk.velocity[i], &walk.command[i]}) {
      for (const double v : *values) low = std::min(low, v), high = std::max(high, v);
    }
    const Axis x{0, seconds, frame.left, frame.right};
    const Axis y = padded_axis(low, high, frame.bottom, frame.top);
    draw_axes(picture, frame, x, y, 4);
    picture.write_upwards(20, (frame.top + frame.bottom) / 2, names[i], 11.5, kInk);
    Points went, wanted;
    for (std::size_t k = 0; k < walk.velocity[i].size(); ++k) {
      const double at = x.at(walk.dt * static_cast<double>(k));
      went.emplace_back(at, y.at(walk.velocity[i][k]));
      wanted.emplace_back(at, y.at(walk.command[i][k]));
    }
    picture.line(went, 1.4, kLine);
    picture.line(wanted, 1.4, kMark, true);
  }

  const std::size_t steps = walk.feet.empty() ? 0 : walk.feet.front().size();
  const auto shown = std::min(steps, static_cast<std::size_t>(std::lround(kGaitSeconds / walk.dt)));
  const std::size_t first = (steps - shown) / 2;
  const Axis x{walk.dt * static_cast<double>(first),
               walk.dt * static_cast<double>(first + std::max<std::size_t>(1, shown)), kLeft, kWidth - 24};
  for (std::size_t limb = 0; limb < walk.feet.size(); ++limb) {
    const double row = gait_top + 18 * static_cast<double>(limb);
    picture.write(kLeft - 9, row + 11, walk.limbs[limb], 11, kInk, Align::kRight);
    picture.bar(kLeft, row + 1, kWidth - 24 - kLeft, 12, kGrid);
    for (std::size_t k = first; k < first + shown; ++k) {
      if (!walk.feet[limb][k]) continue;
      const double from = x.at(walk.dt * static_cast<double>(k)), to = x.at(walk.dt * static_cast<double>(k + 1));
      picture.bar(from, row + 1, to - from + 0.3, 12, kLine);
    }
  }
  const double bottom = gait_top + 18 * static_cast<double>(walk.feet.size());
  for (const double tick : nice_ticks(x.low, x.high, 6)) {
    picture.line({{x.at(tick), bottom}, {x.at(tick), bottom + 4}}, 0.8, kQuiet);
    picture.write(x.at(tick), bottom + 18, tick_label(tick, 0.5, x.high), 11.5, kQuiet, Align::kCentre);
  }
  picture.write((kLeft + kWidth - 24) / 2, bottom + 38, "time [s]; bars: the foot is on the ground", 12, kInk,
                Align::kCentre);
  return picture.png();
}

}  // namespace stampede
