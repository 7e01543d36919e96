/// \file How many processors a process may use: what a control group's quota says.

#include "host/base/processors.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

namespace fs = std::filesystem;

void put(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << text << "\n";
}

TEST(Processors, QuotaOfVersion2IsTheTightestUpToTheRoot) {
  const test::TemporaryFolder folder;
  const std::string root = folder.path().string();
  put(folder.path() / "outer/cpu.max", "150000 100000");
  put(folder.path() / "outer/inner/cpu.max", "max 100000");
  EXPECT_EQ(processor_quota("0::/outer/inner\n", root), 1.5);
  EXPECT_EQ(processor_quota("0::/outer\n", root), 1.5);
  put(folder.path() / "outer/inner/cpu.max", "50000 100000");
  EXPECT_EQ(processor_quota("0::/outer/inner\n", root), 0.5);
}

TEST(Processors, QuotaOfVersion1) {
  const test::TemporaryFolder folder;
  const std::string root = folder.path().string();
  put(folder.path() / "cpu,cpuacct/job/cpu.cfs_quota_us", "250000");
  put(folder.path() / "cpu,cpuacct/job/cpu.cfs_period_us", "100000");
  EXPECT_EQ(processor_quota("3:memory:/job\n2:cpu,cpuacct:/job\n0::/\n", root), 2.5);
  put(folder.path() / "cpu,cpuacct/job/cpu.cfs_quota_us", "-1");
  EXPECT_TRUE(std::isinf(processor_quota("2:cpu,cpuacct:/job\n", root)));
}

TEST(Processors, AContainersGroupIsTheMountsFolder) {
  // The path is the host's, which is not to be seen from within.
  const test::TemporaryFolder folder;
  put(folder.path() / "cpu.max", "200000 100000");
  EXPECT_EQ(processor_quota("0::/docker/0123\n", folder.path().string()), 2.0);
}

TEST(Processors, NoGroupsNoQuota) {
  const test::TemporaryFolder folder;
  for (const char* groups : {"", "0::/\n", "rubbish\n", "1:cpuset:/a\n", "::\n"}) {
    EXPECT_TRUE(std::isinf(processor_quota(groups, folder.path().string()))) << groups;
  }
  put(folder.path() / "cpu.max", "many 100000");
  EXPECT_TRUE(std::isinf(processor_quota("0::/\n", folder.path().string())));
}

TEST(Processors, AtLeastOne) { EXPECT_GE(usable_processors(), 1); }

}  // namespace
}  // namespace stampede
