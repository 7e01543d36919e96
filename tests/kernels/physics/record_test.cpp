/// \file What a launch records of its steps: the largest torque, and the work of all, in every width.

#include "kernels/physics/record.hpp"

#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

/// Work is the sum over steps and joints of |torque x velocity| dt, whatever their signs; torque the largest of the steps.
TEST(PhysicsRecord, WorkIsTheSumOverTheStepsAndTorqueTheLargest) {
  for_each_width([]<class Real>() {
    constexpr int J = 3, kSteps = 4;
    const float dt = 0.005f;
    // [step][joint]: constant for the first joint, a single peak for the second, changing signs for the third.
    const float torque[kSteps][J] = {{2, 0, 1}, {2, 10, -1}, {2, 0, 1}, {2, 0, -3}};
    const float velocity[kSteps][J] = {{-4, 5, 1}, {-4, 0.5f, 2}, {-4, 5, -2}, {-4, 7, 1}};
    PhysicsRecord<Real, J> record{};
    for (int j = 0; j < J; ++j) record.torque[j] = Real(0);
    record.work = Real(0);
    float by_hand = 0;
    for (int i = 0; i < kSteps; ++i) {
      AppliedForces<Real, J> applied{};
      PhysicsState<Real, J> s{};
      for (int j = 0; j < J; ++j) {
        applied.actuator[j] = Real(torque[i][j]);
        s.v[j] = Real(velocity[i][j]);
        by_hand += std::fabs(torque[i][j] * velocity[i][j]) * dt;
      }
      record_torques(applied, s, Real(dt), record);
    }
    float lanes[kMaxLanes];
    const auto each = [&](const Real& x, float want) {
      store(lanes, x);
      for (int lane = 0; lane < kLanes<Real>; ++lane) EXPECT_NEAR(lanes[lane], want, 1e-6f * want);
    };
    each(record.work, by_hand);
    // The largest torques times the last velocities would have said more than twice as much.
    EXPECT_LT(2 * by_hand, kSteps * dt * (2 * 4 + 10 * 7 + 3 * 1));
    each(record.torque[0], 2);
    each(record.torque[1], 10);
    each(record.torque[2], 3);
  });
}

}  // namespace
}  // namespace stampede::testing
