/// \file Walking robots whose numbers break: what is not finite, what overflows, what does not fit its slots.

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "host/task/planned_task.hpp"
#include "kernels/physics/batch.hpp"
#include "tests/host/learn/testing.hpp"
#include "tests/host/model/robot/robots.hpp"

namespace stampede::testing {
namespace {

TEST(Walking, AStateThatIsNotFiniteEndsItsEpisodeAndIsCounted) {
  const auto engine = engine_for(best_instruction_set(), 2);
  const Settings settings = walking_settings();
  const auto trainer = make_trainer(*engine, settings);
  iterate(*trainer, 1);
  auto state = trainer->state();
  // The rows of the robots come first: row 0 is the base's x, an element a lane.
  float* robots = floats_in(find(state, "robots"));
  const auto stride = odd_lines(padded(37) * 4);
  std::vector<float> base;
  for (Index i = 0; i < 7; ++i) base.push_back(robots[i * stride + 4 * 5]);
  robots[4 * 5] = std::nanf("");
  robots[4 * 5 + 1] = std::nanf("");
  trainer->restore(state);
  const auto reports = iterate(*trainer, 2);
  EXPECT_EQ(reports[0]["nonfinite"], 1);
  EXPECT_EQ(reports[1]["nonfinite"], 1);
  // Where it was before is kept: nothing of it is NaN.
  const std::vector<Tensor> kept = trainer->last_finite();
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(floats_of(kept[0]), std::vector<float>{5.0f});
  const std::vector<float> last = floats_of(kept[1]);
  ASSERT_EQ(last.size(), 37u);
  for (std::size_t i = 0; i < last.size(); ++i) {
    EXPECT_TRUE(std::isfinite(last[i])) << i;
    if (i < 7) {
      EXPECT_EQ(last[i], base[i]);
    }
  }
  EXPECT_TRUE(make_trainer(*engine, settings)->last_finite().empty());
  EXPECT_TRUE(std::isfinite(reports[1]["policy_loss"]) && std::isfinite(reports[1]["value_loss"]));
}

/// The physics counts contacts over slots in floats; they are taken from there before those stop counting.
TEST(Walking, ContactsOverSlotsAreTakenFromThePhysics) {
  const auto engine = engine_for(best_instruction_set(), 2);
  const auto trainer = make_trainer(*engine, walking_settings());
  const Index stride = odd_lines(padded(37) * 4);
  const Index row = kRows<PhysicsState<float, 3>, float> + kRows<PhysicsVariation<float, 3>, float> +
                    static_cast<Index>(offsetof(PhysicsCounts<float>, over_slots) / sizeof(float));
  constexpr float kMany = 16777216.0f;
  for (std::int64_t round = 1; round <= 2; ++round) {
    auto state = trainer->state();
    float* const over = floats_in(find(state, "robots")) + row * stride;
    for (Index lane = 0; lane < stride; ++lane) EXPECT_EQ(over[lane], 0.0f);
    over[4 * 5 + 2] = kMany;
    over[4 * 9] = 3.0f;
    trainer->restore(state);
    EXPECT_EQ(iterate(*trainer, 1).at(0)["contacts_over_slots"], round * ((std::int64_t{1} << 24) + 3));
  }
}

/// Running maxima of all columns, in the task's order.
std::vector<float> maxima_of(Stage& trainer, const TaskSpec& spec) {
  std::vector<Tensor> state = trainer.state();
  std::vector<float> maxima;
  for (const ConstraintSpec& constraint : spec.constraints.list) {
    const std::vector<float> columns = floats_of(find(state, constraint_tensor(constraint)));
    maxima.insert(maxima.end(), columns.begin(), columns.end());
  }
  return maxima;
}

/// An environment whose velocities make its forces overflow must not switch constraints off for the others.
TEST(Walking, AStateThatOverflowsIsJudgedByNoConstraint) {
  const auto engine = engine_for(best_instruction_set(), 2);
  const Settings settings = walking_settings();
  const PlannedTask task = plan_task(settings);
  const auto trainer = make_trainer(*engine, settings);
  iterate(*trainer, 1);
  const std::vector<Tensor> state = trainer->state();
  iterate(*trainer, 1);
  const std::vector<float> usual = maxima_of(*trainer, *task.spec);
  using State = PhysicsState<float, 3>;
  const auto stride = odd_lines(padded(37) * 4);
  for (const float velocity : {1e15f, 1e19f, 1e25f, 3e38f}) {
    for (const std::size_t row : {offsetof(State, v) / sizeof(float), offsetof(State, velocity) / sizeof(float)}) {
      std::vector<Tensor> broken = state;
      float* robots = floats_in(find(broken, "robots"));
      for (Index limb = 0; limb < 4; ++limb) robots[static_cast<Index>(row) * stride + 4 * 5 + limb] = velocity;
      trainer->restore(broken);
      const Report report = iterate(*trainer, 1).back();
      EXPECT_GE(report["nonfinite"], 1) << velocity;
      const std::vector<float> maxima = maxima_of(*trainer, *task.spec);
      for (std::size_t i = 0; i < task.spec->constraints.columns.size(); ++i) {
        ASSERT_TRUE(maxima[i] <= 8 * std::max(usual[i], task.spec->constraints.columns[i].scale))
            << "column " << i << ": " << maxima[i] << " for " << usual[i];
      }
      for (const ConstraintSpec& c : task.spec->constraints.list) {
        EXPECT_TRUE(report["constraints/" + c.name + "/mean"] < 1e6) << c.name;
      }
    }
  }
}

/// What an older version's overflow left in a checkpoint.
TEST(Walking, ACheckpointsMaximaThatAreNoViolationsStartAnew) {
  const auto engine = engine_for(best_instruction_set(), 2);
  const Settings settings = walking_settings();
  const PlannedTask task = plan_task(settings);
  const auto trainer = make_trainer(*engine, settings);
  iterate(*trainer, 1);
  const std::vector<Tensor> state = trainer->state();
  trainer->restore(state);
  EXPECT_TRUE(trainer->mended().empty());
  std::vector<Tensor> broken = state;
  const std::vector<ConstraintSpec>& constraints = task.spec->constraints.list;
  const auto maxima = [&](std::size_t i) { return floats_in(find(broken, constraint_tensor(constraints[i]))); };
  maxima(0)[0] = maxima(0)[1] = std::nanf("");
  maxima(2)[0] = HUGE_VALF;
  maxima(3)[0] = 1e28f;
  trainer->restore(broken);
  const std::vector<std::string> lines = trainer->mended();
  ASSERT_EQ(lines.size(), 3u);
  for (const std::size_t i : {std::size_t{0}, std::size_t{2}, std::size_t{3}}) {
    EXPECT_NE(lines[i == 0 ? 0 : i - 1].find("'" + constraints[i].name + "'"), std::string::npos);
  }
  iterate(*trainer, 1);
  const std::vector<float> after = maxima_of(*trainer, *task.spec);
  for (std::size_t i = 0; i < task.spec->constraints.columns.size(); ++i) {
    EXPECT_TRUE(after[i] > 0 && after[i] < 1e5f) << i;
  }
}

}  // namespace
}  // namespace stampede::testing
