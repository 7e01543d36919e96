#include "host/task/protocol.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "host/task/legged_spec.hpp"

namespace stampede {
namespace {

/// One of `count` values spread evenly over a span.
float spread(const Span& span, int index, int count) {
  return span.low + (span.high - span.low) * static_cast<float>(index) / static_cast<float>(count - 1);
}

constexpr float kCrossingSpeed = 0.75f;  ///< share of the fastest forward command

/// Commands [episodes][3]: forward and sideways [m/s], turning [rad/s] or the heading [rad]. On ground of tiles the
/// episodes take the tiles in turn; in every second round, the first included, the command is straight ahead.
std::vector<float> command_grid(const CommandSettings& commands, const LeggedSpec& legged, int episodes) {
  const bool turns = commands.heading_gain == 0;
  std::vector<std::array<float, 3>> grid = {{0, 0, 0}};
  for (int x = 0; x < 5; ++x) {
    for (int y = 0; y < 3; ++y) {
      for (int yaw = 0; yaw < 3; ++yaw) {
        std::array<float, 3> command = {spread(commands.x, x, 5), spread(commands.y, y, 3),
                                        spread(turns ? commands.yaw : commands.heading, yaw, 3)};
        // As in training, what is below the dead zone is 0.
        if (std::hypot(command[0], command[1]) < commands.dead_zone) command[0] = command[1] = 0;
        if (turns && std::fabs(command[2]) < commands.dead_zone) command[2] = 0;
        grid.push_back(command);
      }
    }
  }
  std::vector<float> given;
  for (int episode = 0; episode < episodes; ++episode) {
    std::array<float, 3> command = grid[static_cast<std::size_t>(episode) % grid.size()];
    const int tiles = legged.constants.levels * legged.constants.columns_of_tiles;
    if (tiles > 0 && episode / tiles % 2 == 0) command = {kCrossingSpeed * commands.x.high, 0, 0};
    given.insert(given.end(), command.begin(), command.end());
  }
  return given;
}

}  // namespace

EvaluationRequest evaluation_request(const PlannedTask& task, int episodes, bool randomise) {
  EvaluationRequest request;
  request.task = task.spec;
  request.episodes = episodes;
  const Settings& settings = task.settings;
  if (!settings.legged) return request;
  TaskSpec judged = *task.spec;
  if (!randomise) {
    Settings still = settings;
    still.legged = without_randomisation(*settings.legged);
    judged = *specify(task, still);
  }
  // All policies are judged alike, whatever they were trained with: by the limits without margins, and a violation ends
  // no episode.
  LeggedSpec legged = *judged.legged;
  legged.constants.constraints_end = false;
  const auto built_in = static_cast<std::size_t>(legged.constants.constraints);  // formulas' come behind them
  for (std::size_t i = 0; i < built_in; ++i) legged.constants.constraint[i].limit = judged.constraints.list[i].limit;
  for (FormulaStep& step : legged.formulas.step) {
    if (step.op != FormulaOp::kViolation) continue;
    for (std::size_t i = built_in; i < judged.constraints.list.size(); ++i) {
      const ConstraintSpec& constraint = judged.constraints.list[i];
      if (legged.formulas.names[step.item] == "constraints." + constraint.name) step.number = constraint.limit;
    }
  }
  request.commands = command_grid(settings.legged->commands, legged, episodes);
  judged.legged = std::make_shared<const LeggedSpec>(std::move(legged));
  request.task = std::make_shared<const TaskSpec>(std::move(judged));
  return request;
}

EvaluationRequest walk_request(const PlannedTask& task) {
  Settings settings = task.settings;
  settings.legged = without_randomisation(*settings.legged);
  settings.legged->commands.period = 2;
  settings.legged->commands.standing = 0;
  EvaluationRequest request;
  request.task = specify(task, settings);
  request.episodes = 1;
  request.trace = true;
  return request;
}

bool randomises(const Settings& settings) { return settings.legged.has_value(); }

}  // namespace stampede
