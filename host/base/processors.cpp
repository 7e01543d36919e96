#include "host/base/processors.hpp"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <thread>

namespace stampede {
namespace {

constexpr double kNone = std::numeric_limits<double>::infinity();

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::ostringstream text;
  text << in.rdbuf();
  return in ? text.str() : std::string();
}

/// Processors that a quota allows: 1.5 for "150000 100000", microseconds of processor time in a period of so many
/// microseconds; kNone for "max 100000".
double quota_of(const std::string& quota_and_period) {
  std::istringstream in(quota_and_period);
  double quota = 0, period = 0;  // "max" and v1's -1 are no numbers above 0
  return in >> quota >> period && quota > 0 && period > 0 ? quota / period : kNone;
}

double quota_in(const std::filesystem::path& folder) {
  const double v1 = quota_of(text_of(folder / "cpu.cfs_quota_us") + " " + text_of(folder / "cpu.cfs_period_us"));
  return std::min(v1, quota_of(text_of(folder / "cpu.max")));
}

/// The smallest quota of a group and of those above it, up to the mount's own folder. In a container the group's path
/// may be the host's while the mount begins at the group: folders that do not exist limit nothing, and the mount's own
/// folder is looked at in any case.
double quota_up_from(const std::filesystem::path& mount, const std::string& group) {
  double tightest = quota_in(mount);
  std::filesystem::path folder = mount;
  for (const std::filesystem::path& part : std::filesystem::path(group).relative_path()) {
    folder /= part;
    tightest = std::min(tightest, quota_in(folder));
  }
  return tightest;
}

}  // namespace

double processor_quota(const std::string& groups, const std::string& root) {
  double tightest = kNone;
  std::istringstream lines(groups);
  for (std::string line; std::getline(lines, line);) {  // "hierarchy:controllers:path"
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), group = line.substr(second + 1);
    if (controllers.empty()) {  // v2, alone or beside v1
      tightest = std::min({tightest, quota_up_from(root, group), quota_up_from(root + "/unified", group)});
    } else if (("," + controllers + ",").find(",cpu,") != std::string::npos) {
      tightest =
          std::min({tightest, quota_up_from(root + "/" + controllers, group), quota_up_from(root + "/cpu", group)});
    }
  }
  return tightest;
}

int usable_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int allowed = ::sched_getaffinity(0, sizeof set, &set) == 0
                          ? CPU_COUNT(&set)
                          : static_cast<int>(std::thread::hardware_concurrency());
  const double paid = std::ceil(processor_quota(text_of("/proc/self/cgroup"), "/sys/fs/cgroup"));
  return std::max(1, paid < allowed ? static_cast<int>(paid) : allowed);
}

}  // namespace stampede
