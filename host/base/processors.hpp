#pragma once
/// \file How many processors this process may use.

#include <string>

namespace stampede {

/// Processors that the process may run on, no more than its control groups' quotas allow (rounded up); at least 1.
int usable_processors();

/// Processors that the quotas of the process's control groups allow, as 1.5: the smallest on the way to the root group;
/// infinity where there is none. `groups` is the text of /proc/self/cgroup, `root` the folder of the groups,
/// /sys/fs/cgroup. Knows cgroup v2 (cpu.max) and v1 (cpu.cfs_quota_us).
double processor_quota(const std::string& groups, const std::string& root);

}  // namespace stampede
