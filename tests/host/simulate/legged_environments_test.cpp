/// \file What a checkpoint holds of walking robots, and what earlier versions' lack.

#include <algorithm>

#include "host/engine/checkpoint_tensors.hpp"
#include "tests/host/learn/testing.hpp"

namespace stampede::testing {
namespace {

/// Checkpoints from before headings were commanded lack the row that holds them, of tasks that command none.
TEST(LeggedEnvironments, CheckpointsFromBeforeHeadingsLoad) {
  const auto engine = engine_for(best_instruction_set(), 2);
  const Settings settings = walking_settings();
  const auto trainer = make_trainer(*engine, settings);
  iterate(*trainer, 3);
  const std::vector<Tensor> state = trainer->state();
  const auto without_rows = [&](std::int64_t first, std::int64_t count) {
    std::vector<Tensor> old = state;
    Tensor& lanes = find(old, "legged_memory");
    const std::int64_t rows = lanes.shape.at(0), columns = lanes.shape.at(1);
    std::vector<float> values(floats_in(lanes), floats_in(lanes) + rows * columns);
    EXPECT_TRUE(std::all_of(values.begin() + first * columns, values.begin() + (first + 1) * columns,
                            [](float heading) { return heading == 0.0f; }));
    values.erase(values.begin() + first * columns, values.begin() + (first + count) * columns);
    lanes = make_tensor("legged_memory", {rows - count, columns}, values);
    return old;
  };
  constexpr std::int64_t kHeading = 12;  // behind three joints' action and velocity, three of the foot, the command

  const auto resumed = make_trainer(*engine, settings);
  resumed->restore(without_rows(kHeading, 1));
  EXPECT_TRUE(same_state(resumed->state(), state));
  iterate(*trainer, 2);
  iterate(*resumed, 2);
  EXPECT_TRUE(same_state(resumed->state(), trainer->state()));

  EXPECT_THROW(make_trainer(*engine, settings)->restore(without_rows(kHeading, 2)), Error);
}

}  // namespace
}  // namespace stampede::testing
