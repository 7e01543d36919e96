#include "host/legged/protocol.hpp"

#include <array>
#include <cmath>

#include "host/settings/settings_io.hpp"

namespace stampede {
namespace {

/// One of `count` values spread evenly over a span.
float spread(const Span& span, int index, int count) {
  return span.low + (span.high - span.low) * static_cast<float>(index) / static_cast<float>(count - 1);
}

/// [episodes][3].
std::vector<float> command_grid(const CommandSettings& commands, int episodes) {
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
    const auto& command = grid[static_cast<std::size_t>(episode) % grid.size()];
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
  request.legged =
      randomise ? settings.plan : make_legged_plan(task_of(settings), without_randomisation(*settings.legged));
  request.commands = command_grid(settings.legged->commands, episodes);
  return request;
}

bool randomises(const Settings& settings) { return settings.legged.has_value(); }

}  // namespace stampede
