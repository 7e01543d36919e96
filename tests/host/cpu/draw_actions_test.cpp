/// \file Random actions of walking robots: a rank draws what its environments would draw in one process.

#include "host/simulate/legged_environments.hpp"

#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

TEST(DrawActions, OfARank) {
  constexpr int kActions = 5;
  const auto low = floats(kActions, -1.0f), high = floats(kActions, 2.0f);
  for_each_width([&]<class Real>() {
    auto all = floats(64 * kActions), some = floats(32 * kActions);
    run<Real>(64, DrawActions{low.data(), high.data(), kActions, 7, 3, all.data()});
    run<Real>(32, DrawActions{low.data(), high.data(), kActions, 7, 3, some.data(), 27});
    EXPECT_TRUE(std::equal(some.begin(), some.end(), all.begin() + 27 * kActions));
    EXPECT_NE(all[0], all[27 * kActions]);
  });
}

}  // namespace
}  // namespace stampede::testing
