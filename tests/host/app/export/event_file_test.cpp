#include "host/app/export/event_file.hpp"

#include <gtest/gtest.h>

namespace stampede {
namespace {

TEST(EventFile, Crc32cOfTheStandardsExamples) {
  // RFC 3720, B.4, and the usual check string; masked as TFRecord asks for.
  const auto masked = [](std::uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; };
  EXPECT_EQ(masked_crc32c("123456789"), masked(0xe3069283u));
  EXPECT_EQ(masked_crc32c(std::string(32, '\0')), masked(0x8a9136aau));
}

TEST(EventFile, KeepsWholeRecordsUpToAStep) {
  const std::string head = event_file_head(1e9);
  const std::string one = scalar_event(1e9, 1, {{"a", 1.0f}});
  const std::string two = scalar_event(1e9, 2, {{"a", 2.0f}, {"b", 3.0f}});
  const std::string all = head + one + two;
  EXPECT_EQ(event_file_length(all, 2), all.size());
  EXPECT_EQ(event_file_length(all, 1), head.size() + one.size());
  EXPECT_EQ(event_file_length(all, 0), head.size());
  EXPECT_EQ(event_file_length(all.substr(0, all.size() - 1), 2), head.size() + one.size());
  std::string damaged = all;
  damaged[head.size() + 14] = static_cast<char>(damaged[head.size() + 14] ^ 1);
  EXPECT_EQ(event_file_length(damaged, 2), head.size());
  EXPECT_EQ(event_file_length("", 2), 0u);
  EXPECT_EQ(event_file_length("not an event file, but some text", 2), 0u);
}

}  // namespace
}  // namespace stampede
