#include "host/base/memory.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

using test::error_of;

TEST(Memory, WhoAskedForTooMuchSaysSo) {
  const auto message = [](auto&& work) {
    return error_of([&] { within_memory("a million robots", "choose fewer", work); });
  };
  EXPECT_EQ(message([] { throw std::bad_alloc(); }), "not enough memory for a million robots; choose fewer");
  EXPECT_EQ(message([] { throw OutOfMemory("3 MiB of 8 are free"); }),
            "not enough memory for a million robots; choose fewer (3 MiB of 8 are free)");
  std::vector<float> values;
  EXPECT_EQ(message([&] { values.resize(values.max_size() + 1); }),
            "not enough memory for a million robots; choose fewer");
  // The innermost knows best, and other errors pass.
  EXPECT_EQ(message([] { within_memory("an episode", "choose a shorter one", [] { throw std::bad_alloc(); }); }),
            "not enough memory for an episode; choose a shorter one");
  EXPECT_EQ(message([] { throw Error("no robot"); }), "no robot");
  EXPECT_EQ(within_memory("a number", "", [] { return 7; }), 7);
}

TEST(Memory, WhatIsNeededIsNeverNothing) {
  EXPECT_EQ(text_of_needed(1), "1 KiB");
  EXPECT_EQ(text_of_needed(1024), "1 KiB");
  EXPECT_EQ(text_of_needed(300 * 1024 + 1), "301 KiB");
  EXPECT_EQ(text_of_needed(std::size_t{1} << 20), "1 MiB");
  EXPECT_EQ(text_of_needed((std::size_t{1} << 20) + 1), "2 MiB");
}

}  // namespace
}  // namespace stampede
