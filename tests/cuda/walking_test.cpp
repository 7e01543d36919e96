/// \file Walking tasks on the GPU: the same starts, judgements and observations as on the CPU, and trainings that
/// repeat.

#include <cmath>
#include <map>

#include "host/task/planned_task.hpp"
#include "host/task/protocol.hpp"
#include "tests/host/learn/testing.hpp"

namespace stampede::testing {
namespace {

std::unique_ptr<Engine> gpu() { return make_engine("cuda", 1); }

/// Ten control steps of a robot that holds its pose: long enough to show each kernel's work, too short for rounding to
/// grow.
TEST(CudaWalking, AnEvaluationIsThatOfTheCpu) {
  for (const Settings& settings : {walking_settings({"control.episode=0.2"}), rough_settings({"control.episode=0.2"}),
                                   seeing_settings({"control.episode=0.2"})}) {
    SCOPED_TRACE(settings.task);
    EvaluationRequest request = evaluation_request(plan_task(settings), 45, true);
    request.trace = true;
    const Policy policy = still_policy(*request.task);
    const Evaluation ours = gpu()->evaluate(request, policy);
    const Evaluation theirs = engine_for(best_instruction_set(), 2)->evaluate(request, policy);
    ASSERT_EQ(ours.trace.size(), theirs.trace.size());
    for (std::size_t i = 0; i < ours.trace.size(); ++i) {
      const std::vector<float> a = floats_of(ours.trace[i]), b = floats_of(theirs.trace[i]);
      ASSERT_EQ(a.size(), b.size());
      std::size_t far = 0;
      for (std::size_t k = 0; k < a.size(); ++k) far += std::fabs(a[k] - b[k]) > 2e-3f + 2e-3f * std::fabs(b[k]);
      // What jumps (contact forces, feet that touch) may jump a step earlier.
      EXPECT_LE(far, a.size() / 50) << ours.trace[i].name;
    }
  }
}

/// A training that goes on from a checkpoint of another, which had one before, ends as one that was never stopped.
void expect_to_repeat_and_go_on(const Settings& settings) {
  const auto engine = gpu();
  const auto whole = make_trainer(*engine, settings), again = make_trainer(*engine, settings);
  const Report report = iterate(*whole, 6).back();
  EXPECT_TRUE(std::isfinite(report["policy_loss"]) && std::isfinite(report["value_loss"]));
  EXPECT_EQ(report["nonfinite"], 0);
  std::vector<Tensor> checkpoint;
  for (int i = 0; i < 3; ++i) {  // as it is, recorded, replayed
    iterate(*again, 1);
    checkpoint = again->state();  // those before the last must not matter
  }
  const auto resumed = make_trainer(*engine, settings);
  resumed->restore(checkpoint);
  iterate(*resumed, 3);
  const std::vector<Tensor> a = whole->state(), b = resumed->state();
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].bytes, b[i].bytes) << a[i].name;
}

TEST(CudaWalking, TrainingsRepeatBitForBitAndGoOn) { expect_to_repeat_and_go_on(walking_settings()); }
TEST(CudaWalking, TrainingsOnRoughGroundRepeatBitForBitAndGoOn) { expect_to_repeat_and_go_on(rough_settings()); }
TEST(CudaWalking, TrainingsWithACameraRepeatBitForBitAndGoOn) {
  expect_to_repeat_and_go_on(seeing_settings({"network.modules=[\"convolution\", \"dense\"]"}));
}

/// Three iterations: enough for sums that are not begun anew, too few for rounding to grow.
TEST(CudaWalking, FirstReportsAreThoseOfTheCpu) {
  for (Settings settings : {awkward_settings(), walking_settings(), rough_settings()}) {
    SCOPED_TRACE(settings.task);
    settings.network.precision = "fp32";  // as the CPU's
    const auto here = gpu(), there = engine_for(best_instruction_set(), 2);
    const std::vector<Report> got = iterate(*make_trainer(*here, settings), 3),
                              want = iterate(*make_trainer(*there, settings), 3);
    for (std::size_t i = 0; i < want.size(); ++i) {
      SCOPED_TRACE("iteration " + std::to_string(i + 1));
      EXPECT_EQ(got[i].steps, want[i].steps);
      for (std::size_t k = 0; k < want[i].values.size(); ++k) {
        const MetricInfo& metric = (*want[i].table)[k];
        if (metric.name.starts_with("seconds_")) continue;  // of which a CPU tells more
        const double a = got[i][metric.name], b = want[i].values[k];
        if (!std::isfinite(b)) {
          EXPECT_FALSE(std::isfinite(a)) << metric.name << ": " << a << ", not " << b;
          continue;
        }
        // An episode may end a step earlier.
        const double tolerance = metric.integer ? 2 : 0.02 * std::fmax(std::fabs(b), 0.1);
        EXPECT_NEAR(a, b, tolerance) << metric.name;
      }
    }
  }
}

}  // namespace
}  // namespace stampede::testing
