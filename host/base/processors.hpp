#pragma once
/// \file How many processors this process may use.

#include <string>

namespace stampede {

/// Processors that the process may run on, no more than its control group's quota pays for (rounded up); at least 1.
int usable_processors();

/// Processors' worth of time that a control group's quota leaves, the tightest on the way to the root; infinity where there is none.
/// `groups` is the text of /proc/self/cgroup, `root` the folder that /sys/fs/cgroup is in. Knows cgroup v2 (cpu.max) and
/// v1 (cpu.cfs_quota_us).
double processor_quota(const std::string& groups, const std::string& root);

}  // namespace stampede
