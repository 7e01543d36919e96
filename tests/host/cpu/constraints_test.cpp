/// \file Constraints in a training: what a rollout's violations become, and what is kept of them from one to the next.

#include "host/learn/constraints.hpp"

#include "host/cpu/backend.hpp"
#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

constexpr Index kEnvs = 21, kStride = 32, kHorizon = 4;  // not a multiple of a pack

/// Two constraints: one of two columns, one of one, whose probability is fixed.
ConstraintsSpec two_constraints(bool soft = true) {
  ConstraintsSpec spec;
  spec.list = {{"torque", "soft", 10, 0, 2}, {"upright", "hard", 1, 2, 1}};
  spec.columns = {{0.5f, 0.0f, 10.0f}, {0.5f, 0.0f, 10.0f}, {1.0f, 0.0f, 1.0f}};
  spec.soft = soft;
  spec.tau = 0.5f;
  return spec;
}

struct Subject {
  CpuBackend backend{2};
  Constraints<CpuBackend> constraints;
  Control control{};

  explicit Subject(bool soft = true) : constraints(backend, two_constraints(soft), {kEnvs, kStride, kHorizon}, 100) {
    clear();
  }
  void clear() {
    for (Index t = 0; t < kHorizon; ++t) std::fill_n(constraints.violation(t), 3 * constraints.stride(), -1.0f);
  }
  float& violation(Index t, Index column, Index env) {
    return constraints.violation(t)[column * constraints.stride() + env];
  }
  std::vector<float> maxima() {
    std::vector<Tensor> tensors;
    constraints.save(tensors);
    std::vector<float> all = floats_of(tensors.at(0));
    const std::vector<float> more = floats_of(tensors.at(1));
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

TEST(Constraints, AViolationEndsAsMuchAsItIsLarge) {
  Subject subject;
  // The largest of its column sets the scale; half of it has half the probability; the other column none.
  subject.violation(0, 0, 3) = 8.0f;
  subject.violation(0, 0, 4) = 4.0f;
  subject.violation(0, 2, 4) = 0.5f;  // alone in its column: fully
  const float* delta = subject.constraints.apply(subject.backend, &subject.control);
  EXPECT_FLOAT_EQ(delta[3], 0.5f);
  EXPECT_FLOAT_EQ(delta[4], 1.0f) << "the worst column counts";
  for (Index env = 0; env < kEnvs; ++env) EXPECT_TRUE(env == 3 || env == 4 || delta[env] == 0.0f) << env;
  // Shares of the rollout's steps: violated, largest column, soft termination by it alone, applied.
  const float* totals = subject.constraints.totals();
  EXPECT_FLOAT_EQ(totals[0], 2.0f);
  EXPECT_FLOAT_EQ(totals[1], 12.0f);
  EXPECT_FLOAT_EQ(totals[2], 0.75f);
  EXPECT_FLOAT_EQ(totals[3], static_cast<float>(kEnvs * kHorizon));
  EXPECT_FLOAT_EQ(totals[4], 1.0f);
  EXPECT_FLOAT_EQ(totals[6], 1.0f);
}

TEST(Constraints, WatchedOnlyTheyEndNothingAndAreReported) {
  Subject subject(false);
  subject.violation(1, 0, 0) = 8.0f;
  EXPECT_EQ(subject.constraints.apply(subject.backend, &subject.control), nullptr);
  EXPECT_FLOAT_EQ(subject.constraints.totals()[0], 1.0f);
  EXPECT_FLOAT_EQ(subject.constraints.totals()[1], 8.0f);
}

TEST(Constraints, SurplusEnvironmentsCountForNothing) {
  Subject subject;
  for (Index env = kEnvs; env < kStride; ++env) subject.violation(0, 0, env) = 1e3f;
  subject.violation(0, 0, 0) = 8.0f;
  const float* delta = subject.constraints.apply(subject.backend, &subject.control);
  EXPECT_FLOAT_EQ(delta[0], 0.5f);
  EXPECT_FLOAT_EQ(subject.constraints.totals()[0], 1.0f);
}

TEST(Constraints, RunningMaximaAreKeptByNameAndGoOn) {
  Subject subject;
  for (Index t = 0; t < kHorizon; ++t) subject.violation(t, 0, 5) = 8.0f;
  subject.constraints.apply(subject.backend, &subject.control);
  EXPECT_FLOAT_EQ(subject.maxima()[0], 8.0f);
  std::vector<Tensor> kept;
  subject.constraints.save(kept);
  EXPECT_EQ(kept.at(0).name, "constraint_maxima/torque");
  EXPECT_EQ(kept.at(1).name, "constraint_maxima/upright");

  // What comes after is scaled by what came before, in another training that got it, in another order, too.
  Subject next;
  std::swap(kept[0], kept[1]);
  next.constraints.load(kept);
  EXPECT_EQ(next.maxima(), subject.maxima());
  for (Subject* each : {&subject, &next}) {
    each->clear();
    each->violation(0, 0, 5) = 4.0f;
    const float* delta = each->constraints.apply(each->backend, &each->control);
    EXPECT_FLOAT_EQ(delta[5], 0.5f * 4.0f / 6.0f) << "the maximum has come down by half of the way to 4";
  }

  subject.constraints.forget(subject.backend);
  for (const float maximum : subject.maxima()) EXPECT_EQ(maximum, 0.0f);
}

TEST(Constraints, AbsurdMaximaOfACheckpointStartAnew) {
  Subject subject;
  std::vector<Tensor> tensors = {make_tensor("constraint_maxima/torque", {2}, {3.0f, 1e9f}),
                                 make_tensor("constraint_maxima/upright", {1}, {0.25f})};
  subject.constraints.load(tensors);
  EXPECT_EQ(subject.constraints.mended(), std::vector<std::string>{"torque"});
  EXPECT_EQ(subject.maxima(), (std::vector<float>{3.0f, 0.0f, 0.25f}));
  tensors.pop_back();
  EXPECT_THROW(subject.constraints.load(tensors), Error) << "one is missing";
}

}  // namespace
}  // namespace stampede::testing
