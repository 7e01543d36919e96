/// \file The rule by which environments move between levels of ground.

#include "envs/legged/ground.hpp"
#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

struct Episode {
  float level, commanded, covered, distance, next;
};

TEST(Curriculum, UpAcrossTheTileDownBelowHalfOfTheCommand) {
  LeggedConstants c{};
  c.levels = 5;
  c.tile = 8;
  const Episode episodes[] = {
      {2, 8, 7, 4.1f, 3},     // crossed
      {2, 8, 1, 4.1f, 3},     // crossed, on whichever way
      {2, 8, 3.9f, 2, 1},     // covered less than half
      {2, 8, 4.1f, 3.9f, 2},  // neither
      {0, 8, 0, 0, 0},        // there is nothing below
      {2, 0, 0, 0, 2},        // was told to stand
      {3, 8, 8, 5, 4},        // to the top
  };
  for_each_width([&]<class Real>() {
    for (const Episode& e : episodes) {
      LeggedLane<Real, 3> carried{};
      carried.level = Real(e.level);
      carried.commanded = Real(e.commanded);
      carried.covered = Real(e.covered);
      Random<Real> random(1, lane_indices<Real>(0), 7, Purpose::kLevel);
      float next[kMaxLanes];
      store(next, next_level(c, carried, Real(e.distance), random));
      for (int lane = 0; lane < kLanes<Real>; ++lane) EXPECT_EQ(next[lane], e.next) << "from level " << e.level;
    }
  });
}

constexpr Index kDraws = 8000;

/// How many of kDraws environments that cross a tile of level `from` go on to each level, none of them above `highest`.
template <class Real>
std::vector<int> levels_after(const LeggedConstants& c, float from, int highest) {
  std::vector<int> count(static_cast<std::size_t>(highest) + 1);
  for (Index env = 0; env < kDraws; env += kLanes<Real>) {
    LeggedLane<Real, 3> carried{};
    carried.level = Real(from);
    Random<Real> random(1, lane_indices<Real>(env), 7, Purpose::kLevel);
    float next[kMaxLanes];
    store(next, next_level(c, carried, Real(5.0f), random));
    for (int lane = 0; lane < kLanes<Real>; ++lane) {
      const bool is_level =
          next[lane] >= 0 && next[lane] <= static_cast<float>(highest) && next[lane] == std::floor(next[lane]);
      EXPECT_TRUE(is_level) << next[lane];
      if (is_level) ++count[static_cast<std::size_t>(next[lane])];
    }
  }
  return count;
}

/// A share of the episodes goes to any level up to the one reached, each as likely.
TEST(Curriculum, EasierLevelsAreReviewed) {
  LeggedConstants c{};
  c.levels = 8;
  c.tile = 8;
  c.review_share = 0.4f;
  for_each_width([&]<class Real>() {
    const std::vector<int> count = levels_after<Real>(c, 3, 4);
    // A fifth of 0.4 each, and the rest one level up; within four deviations.
    for (std::size_t level = 0; level < 4; ++level) EXPECT_NEAR(count[level], 0.08 * kDraws, 97) << level;
    EXPECT_NEAR(count[4], 0.68 * kDraws, 167);
  });
}

TEST(Curriculum, BeyondTheTopAnyLevelIsAsLikely) {
  LeggedConstants c{};
  c.levels = 5;
  c.tile = 8;
  for_each_width([&]<class Real>() {
    // 1600 each; four deviations are 143.
    for (const int of_level : levels_after<Real>(c, 4, 4)) EXPECT_NEAR(of_level, 1600, 150);
  });
}

}  // namespace
}  // namespace stampede::testing
