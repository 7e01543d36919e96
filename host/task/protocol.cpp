#include "host/task/protocol.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "host/base/error.hpp"
#include "host/task/settings_io.hpp"

namespace stampede {
namespace {

/// One of `count` values spread evenly over a span.
float spread(const Span& span, int index, int count) {
  return span.low + (span.high - span.low) * static_cast<float>(index) / static_cast<float>(count - 1);
}

constexpr float kCrossingSpeed = 0.75f;  ///< of the fastest forward

/// [episodes][3]. On ground of tiles every second round of all tiles walks straight on.
std::vector<float> command_grid(const CommandSettings& commands, const LeggedPlan& plan, int episodes) {
  std::vector<std::array<float, 3>> grid = {{0, 0, 0}};
  for (int x = 0; x < 5; ++x) {
    for (int y = 0; y < 3; ++y) {
      for (int yaw = 0; yaw < 3; ++yaw) {
        std::array<float, 3> command = {spread(commands.x, x, 5), spread(commands.y, y, 3),
                                        spread(commands.yaw, yaw, 3)};
        // As in training, what is below the dead zone is 0.
        if (std::hypot(command[0], command[1]) < commands.dead_zone) command[0] = command[1] = 0;
        if (std::fabs(command[2]) < commands.dead_zone) command[2] = 0;
        grid.push_back(command);
      }
    }
  }
  std::vector<float> given;
  for (int episode = 0; episode < episodes; ++episode) {
    std::array<float, 3> command = grid[static_cast<std::size_t>(episode) % grid.size()];
    const int tiles = plan.constants.levels * plan.constants.columns_of_tiles;
    if (tiles > 0 && episode / tiles % 2 == 0) command = {kCrossingSpeed * commands.x.high, 0, 0};
    given.insert(given.end(), command.begin(), command.end());
  }
  return given;
}

}  // namespace

EvaluationRequest evaluation_request(const Settings& settings, int episodes, bool randomise) {
  EvaluationRequest request;
  request.task = settings.task;
  request.environment = settings.environment;
  request.episodes = episodes;
  if (!settings.legged) return request;
  LeggedPlan judged =
      randomise ? *settings.plan : *make_legged_plan(task_of(settings), without_randomisation(*settings.legged));
  // Whatever it was trained with, a policy is judged alike: against the limits themselves, and a violation ends no episode.
  judged.constants.constraints_end = false;
  for (std::size_t i = 0; i < judged.constraints.size(); ++i) {
    judged.constants.constraint[i].limit = judged.constraints[i].limit;
  }
  request.legged = std::make_shared<const LeggedPlan>(std::move(judged));
  request.commands = command_grid(settings.legged->commands, *request.legged, episodes);
  return request;
}

EvaluationRequest walk_request(const Settings& settings) {
  LeggedSettings legged = without_randomisation(*settings.legged);
  legged.commands.period = 2;
  legged.commands.standing = 0;
  EvaluationRequest request;
  request.task = settings.task;
  request.episodes = 1;
  request.legged = make_legged_plan(task_of(settings), legged);
  request.trace = true;
  return request;
}

Walk walk_of(const Evaluation& evaluation, const LeggedPlan& plan) {
  const auto values = [&](const char* name) {
    for (const Tensor& tensor : evaluation.trace) {
      if (tensor.name == name) return tensor;
    }
    throw Error(std::string("the evaluation has no trace of '") + name + "'", Status::kFailed);
  };
  const Tensor figures = values("figures");
  const std::vector<float> all = floats_of(figures), active = floats_of(values("active"));
  const auto steps = static_cast<std::size_t>(figures.shape[0]), episodes = static_cast<std::size_t>(figures.shape[1]);
  Walk walk;
  walk.dt = static_cast<double>(plan.constants.control_dt);
  for (int limb = 0; limb < plan.robot.limbs; ++limb) {
    const auto joint = std::find_if(plan.robot.joint_info.begin(), plan.robot.joint_info.end(),
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

bool randomises(const Settings& settings) { return settings.legged.has_value(); }

}  // namespace stampede
