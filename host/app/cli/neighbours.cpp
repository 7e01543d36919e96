#include "host/app/cli/neighbours.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <utility>

#include "host/base/clock.hpp"
#include "host/base/error.hpp"

namespace stampede::cli {
namespace {

namespace fs = std::filesystem;

/// Starts a child process that runs body(), which does not return. After fork() it calls only functions that are safe
/// there.
template <class Body>
pid_t start_child(const Body& body) {
  const pid_t parent = ::getpid(), child = ::fork();
  if (child < 0) throw Error(fmt::format("cannot start a process: {}", std::strerror(errno)), Status::kFailed);
  if (child > 0) return child;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);  // the parent ended before prctl() was called
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::signal(number, SIG_DFL);
  body();
  ::_exit(127);
}

/// Writes this process's number to the group's file, without the allocations that a child of fork() must not make.
void join(const char* members) {
  if (*members == '\0') return;
  const int file = ::open(members, O_WRONLY | O_CLOEXEC);
  if (file < 0 || ::write(file, "0", 1) != 1) ::_exit(126);  // 0 stands for the process that writes
  ::close(file);
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

struct Ended {
  int status = 0;
  double processor_seconds = 0;
};

Ended wait_for(pid_t child) {
  Ended ended;
  rusage usage{};
  while (::wait4(child, &ended.status, 0, &usage) < 0) {
    if (errno != EINTR) throw Error(fmt::format("lost a process: {}", std::strerror(errno)), Status::kFailed);
  }
  ended.processor_seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
  return ended;
}

bool write_text(const fs::path& file, const std::string& text) {
  std::ofstream out(file);
  out << text;
  out.flush();
  return out.good();
}

std::string last_line(std::FILE* file) {
  std::rewind(file);
  std::string line, last;
  for (int c; (c = std::fgetc(file)) != EOF;) {
    if (c != '\n') {
      line += static_cast<char>(c);
    } else if (!line.empty()) {
      last = std::exchange(line, {});
    }
  }
  return line.empty() ? last : line;
}

}  // namespace

BusyNeighbours::BusyNeighbours(int count) {
  for (int i = 0; i < count; ++i) {
    children_.push_back(start_child([] {
      while (true) asm volatile("");  // without it, C++ allows the compiler to remove the loop
    }));
  }
}

BusyNeighbours::~BusyNeighbours() {
  for (const pid_t child : children_) ::kill(child, SIGKILL);
  for (const pid_t child : children_) ::waitpid(child, nullptr, 0);
}

ProcessorQuota::ProcessorQuota(double processors) {
  // This process's own groups first, then the mounts' folders: a group with members of its own has no subgroups in
  // cgroup v2.
  std::vector<fs::path> parents;
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const fs::path group = fs::path(line.substr(second + 1)).relative_path();
    if (!controllers.empty() && ("," + controllers + ",").find(",cpu,") == std::string::npos) continue;
    const fs::path mount = fs::path("/sys/fs/cgroup") / controllers;
    for (const fs::path& parent : {mount / group, (mount / group).parent_path(), mount}) parents.push_back(parent);
  }
  for (const fs::path& parent : parents) {
    if (make(parent.string(), processors)) return;
  }
  if (reason_.empty()) reason_ = "no control group of processors is mounted";
}

bool ProcessorQuota::make(const std::string& parent, double processors) {
  const fs::path folder = fs::path(parent) / fmt::format("stampede-bench-{}", ::getpid());
  std::error_code code;
  if (!fs::create_directory(folder, code)) {
    reason_ = fmt::format("{}: {}", parent, code ? code.message() : "exists");
    return false;
  }
  folder_ = folder.string();
  constexpr int kPeriod = 100000;  // [us]
  const auto quota = static_cast<long>(processors * kPeriod);
  const bool v2 = fs::exists(folder / "cpu.max", code), v1 = fs::exists(folder / "cpu.cfs_quota_us", code);
  if ((v2 && write_text(folder / "cpu.max", fmt::format("{} {}", quota, kPeriod))) ||
      (v1 && write_text(folder / "cpu.cfs_period_us", std::to_string(kPeriod)) &&
       write_text(folder / "cpu.cfs_quota_us", std::to_string(quota)))) {
    members_ = (folder / "cgroup.procs").string();
    return true;
  }
  reason_ = parent + (v1 || v2 ? ": a quota may not be written" : ": has no controller of processors");
  ::rmdir(folder_.c_str());
  folder_.clear();
  return false;
}

ProcessorQuota::~ProcessorQuota() {
  if (!folder_.empty()) ::rmdir(folder_.c_str());
}

ChildTimes run_program(const std::string& program, const std::vector<std::string>& arguments,
                       const std::string& members) {
  std::vector<std::string> words = {program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> errors(std::tmpfile(), std::fclose);
  if (!errors) throw Error(fmt::format("cannot write a temporary file: {}", std::strerror(errno)));

  const double began = seconds_now();
  const pid_t child = start_child([&] {
    join(members.c_str());
    const int nothing = ::open("/dev/null", O_RDWR);
    ::dup2(nothing, STDIN_FILENO);
    ::dup2(nothing, STDOUT_FILENO);
    ::dup2(::fileno(errors.get()), STDERR_FILENO);
    ::execv(argv[0], argv.data());
  });
  const Ended ended = wait_for(child);
  const double seconds = seconds_now() - began;
  if (!WIFEXITED(ended.status) || WEXITSTATUS(ended.status) != 0) {
    const std::string how = WIFEXITED(ended.status) ? fmt::format("status {}", WEXITSTATUS(ended.status))
                                                    : fmt::format("signal {}", WTERMSIG(ended.status));
    throw Error(fmt::format("{} {} ended with {}: {}", program, arguments.empty() ? "" : arguments.front(), how,
                            last_line(errors.get())),
                Status::kFailed);
  }
  return {seconds, ended.processor_seconds};
}

double spinning_share(int processes, double seconds, const std::string& members) {
  std::vector<pid_t> children;
  const double end = seconds_now() + seconds;
  for (int i = 0; i < processes; ++i) {
    children.push_back(start_child([&] {
      join(members.c_str());
      while (seconds_now() < end) {
      }
      ::_exit(0);
    }));
  }
  double sum = 0;
  for (const pid_t child : children) sum += wait_for(child).processor_seconds;
  return sum / (processes * seconds);
}

}  // namespace stampede::cli
