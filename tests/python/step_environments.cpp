/// \file Steps a task's environments from given states with given actions, for comparisons with other simulators.
///
///     step_environments TASK COUNT STEPS < input > output
///
/// Input, float32: state [states][COUNT], then actions [STEPS][COUNT][actions]. Output, float32, for each step: state
/// [states][COUNT], reward [COUNT], ended [COUNT], observation [COUNT][observations] (that of before a reset).

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "envs/batch.hpp"
#include "envs/tasks.hpp"

namespace stampede {
namespace {

using Real = Pack<float, STAMPEDE_PACK_WIDTH>;

std::vector<float> read_floats(Index count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  if (std::fread(values.data(), sizeof(float), values.size(), stdin) != values.size()) {
    std::fprintf(stderr, "step_environments: the input is too short\n");
    std::exit(2);
  }
  return values;
}

void write_floats(const float* values, Index count) {
  std::fwrite(values, sizeof(float), static_cast<std::size_t>(count), stdout);
}

template <class Task>
void step(Index count, int steps) {
  constexpr int kSize = kStates<Task>;
  const Index stride = padded(count);
  std::vector<float> buffer(static_cast<std::size_t>(EnvironmentView::arrays(kSize) * stride), 0.0f);
  std::vector<std::uint32_t> counts(static_cast<std::size_t>(kEnvironmentCounts * stride), 0u);
  const EnvironmentView view = EnvironmentView::over(buffer.data(), counts.data(), kSize, stride);
  for (int i = 0; i < kSize; ++i) {
    const auto member = read_floats(count);
    std::copy(member.begin(), member.end(), view.state + i * stride);
  }
  const auto zeros = [&](Index columns) {
    return std::vector<float>(static_cast<std::size_t>(stride * columns), 0.0f);
  };
  auto action = zeros(Task::kActions), reward = zeros(1), ended = zeros(1);
  auto observation = zeros(Task::kObservations), final_observation = observation;
  for (int s = 0; s < steps; ++s) {
    const auto given = read_floats(count * Task::kActions);
    std::copy(given.begin(), given.end(), action.begin());
    const std::uint32_t clock = 0;
    const StepEnvironments<Task> kernel{{},
                                        view,
                                        1,
                                        &clock,
                                        static_cast<std::uint32_t>(s),
                                        action.data(),
                                        {reward.data(), ended.data(), observation.data(), final_observation.data()}};
    for (Index i = 0; i < count; i += kLanes<Real>) kernel.template operator()<Real>(i);
    for (int i = 0; i < kSize; ++i) write_floats(view.state + i * stride, count);
    write_floats(reward.data(), count);
    write_floats(ended.data(), count);
    for (Index env = 0; env < count; ++env) {
      const float* rows = (ended[static_cast<std::size_t>(env)] == kRunning ? observation : final_observation).data();
      write_floats(rows + env * Task::kObservations, Task::kObservations);
    }
  }
}

}  // namespace
}  // namespace stampede

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: step_environments TASK COUNT STEPS\n");
    return 2;
  }
  bool found = false;
  stampede::BuiltInTasks::for_each([&]<class Task>(Task) {
    if (std::string(argv[1]) != Task::kName) return;
    found = true;
    stampede::step<Task>(std::atoll(argv[2]), std::atoi(argv[3]));
  });
  return found ? 0 : 2;
}
