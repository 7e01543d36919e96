#include "host/base/suggest.hpp"

#include <gtest/gtest.h>

namespace stampede {
namespace {

TEST(Suggest, DistanceCountsEdits) {
  EXPECT_EQ(edit_distance("", ""), 0);
  EXPECT_EQ(edit_distance("abc", ""), 3);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
  EXPECT_EQ(edit_distance("pendulum", "pednulum"), 1);  // a swap
  EXPECT_EQ(edit_distance("pendulum", "pendulun"), 1);
  EXPECT_EQ(edit_distance("ca", "abc"), 3);  // no piece is edited twice
}

TEST(Suggest, NearestIsMeant) {
  const std::vector<std::string> tasks = {"pendulum", "cartpole-swingup", "double-pendulum"};
  EXPECT_EQ(nearest("pendulun", tasks), "pendulum");
  EXPECT_EQ(nearest("cartpole-swinup", tasks), "cartpole-swingup");
  EXPECT_EQ(nearest("doublependulum", tasks), "double-pendulum");
  EXPECT_EQ(nearest("walker", tasks), "");
  EXPECT_EQ(nearest("x", tasks), "");
}

TEST(Suggest, DottedCandidatesMatchByTheirLastPart) {
  const std::vector<std::string> keys = {"train.num_envs", "algorithm.gamma"};
  EXPECT_EQ(nearest("num_env", keys), "train.num_envs");
  EXPECT_EQ(nearest("train.num_env", keys), "train.num_envs");
}

TEST(Suggest, ListsWhereNothingIsNear) {
  EXPECT_EQ(suggestion("zzzzz", {"one", "two", "three"}), "known are one, two and three");
  EXPECT_EQ(suggestion("thre", {"one", "two", "three"}), "did you mean 'three'?");
}

}  // namespace
}  // namespace stampede
