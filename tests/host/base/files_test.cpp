#include "host/base/files.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "host/base/clock.hpp"
#include "tests/host/temporary_folder.hpp"

namespace {

/// Told by `fsync` below: the folder that is watched, how often it was synchronised, and whether `awaited` was there.
ino_t watched_folder = 0;
std::string awaited;
int synchronised = 0, synchronised_with_it = 0;

}  // namespace

/// Stands before the system's and looks at what is synchronised.
extern "C" int fsync(int descriptor) {
  struct stat status {};
  if (watched_folder != 0 && ::fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode) &&
      status.st_ino == watched_folder) {
    ++synchronised;
    if (::access(awaited.c_str(), F_OK) == 0) ++synchronised_with_it;
  }
  return static_cast<int>(::syscall(SYS_fsync, descriptor));
}

namespace stampede {
namespace {

using test::error_of;
using test::expect_parts;
using test::TemporaryFolder;

/// While it lives no file may grow beyond `bytes`: what a full disk does, for a test.
class SmallDisk {
 public:
  explicit SmallDisk(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
    handler_ = ::signal(SIGXFSZ, SIG_IGN);
  }
  ~SmallDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

TEST(Files, WritesAndReadsBytes) {
  const TemporaryFolder folder;
  const std::string bytes("a\0b\nc", 5);
  write_file(folder / "file", bytes);
  EXPECT_EQ(read_file(folder / "file"), bytes);
  write_file(folder / "file", "new");
  EXPECT_EQ(read_file(folder / "file"), "new");
  EXPECT_EQ(folder.names().size(), 1u);  // nothing beside it
}

TEST(Files, OnTheDiskTheRenamingIsToo) {
  const TemporaryFolder folder;
  struct stat status {};
  ASSERT_EQ(::stat(folder.path().c_str(), &status), 0);
  watched_folder = status.st_ino;
  synchronised = synchronised_with_it = 0;
  awaited = (folder / "process").string();
  write_file(awaited, "bytes", Durability::kProcess);
  EXPECT_EQ(synchronised, 0);
  awaited = (folder / "disk").string();
  write_file(awaited, "bytes", Durability::kDisk);
  EXPECT_EQ(synchronised, 1);
  EXPECT_EQ(synchronised_with_it, 1);  // after the renaming, not before
  watched_folder = 0;
  expect_parts(error_of([&] { sync_directory(folder / "none"); }), {"none"});
}

TEST(Files, FullDiskLeavesTheOldFileAndNothingElse) {
  const TemporaryFolder folder;
  write_file(folder / "file", "old");
  {
    const SmallDisk disk(1000);
    const std::string message = error_of([&] { write_file(folder / "file", std::string(5000, 'x')); });
    expect_parts(message, {(folder / "file").string(), "free some space"});
  }
  EXPECT_EQ(read_file(folder / "file"), "old");
  EXPECT_EQ(folder.names().size(), 1u);
}

TEST(Files, FullDiskCutsAnAppendedPieceOff) {
  const TemporaryFolder folder;
  AppendFile file(folder / "lines");
  file.append("first\n");
  {
    const SmallDisk disk(1000);
    expect_parts(error_of([&] { file.append(std::string(5000, 'x')); }), {"lines"});
  }
  EXPECT_EQ(read_file(folder / "lines"), "first\n");
  file.append("second\n");
  EXPECT_EQ(read_file(folder / "lines"), "first\nsecond\n");
}

TEST(Files, NamesWhatCannotBeWrittenOrRead) {
  const TemporaryFolder folder;
  write_file(folder / "file", "x");
  expect_parts(error_of([&] { write_file(folder / "file" / "below", "x"); }), {"cannot write", "file/below"});
  expect_parts(error_of([&] { make_directory(folder / "file" / "below"); }), {"cannot make the folder"});
  expect_parts(error_of([&] { read_file(folder / "nothing"); }), {"cannot read", "nothing", "No such file"});
  expect_parts(error_of([&] { read_file(folder.path()); }), {"cannot read", "directory"});
}

TEST(Files, LockKeepsAnotherProcessOut) {
  const TemporaryFolder folder;
  const auto child_gets_it = [&] {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(FileLock::take(folder / "lock") ? 1 : 0);
    int status = 0;
    ::waitpid(child, &status, 0);
    return WEXITSTATUS(status) == 1;
  };
  {
    const std::optional<FileLock> lock = FileLock::take(folder / "lock");
    ASSERT_TRUE(lock.has_value());
    EXPECT_FALSE(child_gets_it());
  }
  EXPECT_TRUE(child_gets_it());
}

TEST(Clock, CountsFromTheProcessesStart) {
  const double first = seconds_since_start();
  EXPECT_GE(first, 0);
  EXPECT_LT(first, 300);
  const double before = seconds_now();
  ::usleep(20000);
  EXPECT_GE(seconds_now() - before, 0.019);
  EXPECT_GE(seconds_since_start() - first, 0.019);
}

TEST(Files, WhatDoesNotEndIsNotRead) {
  const TemporaryFolder folder;
  EXPECT_EQ(read_file("/dev/null"), "");
  expect_parts(error_of([] { read_file("/dev/zero"); }), {"/dev/zero", "a device", "more than 65536 bytes"});
  const std::string file = (folder / "a.toml").string();
  write_file(file, std::string(1000, 'a'), Durability::kProcess);
  EXPECT_EQ(read_file(file, 1000).size(), 1000u);
  expect_parts(error_of([&] { read_file(file, 999); }), {file, "more than 999 bytes"});
  // A pipe says nothing of its size, and is taken as far as it goes.
  const std::string pipe = (folder / "pipe").string();
  for (const std::uintmax_t most : {std::uintmax_t{1} << 20, std::uintmax_t{1} << 18}) {
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    const pid_t writer = ::fork();
    if (writer == 0) {
      ::signal(SIGPIPE, SIG_IGN);
      const int end = ::open(pipe.c_str(), O_WRONLY);
      const std::string piece(1 << 18, 'b');
      for (int i = 0; i < 2; ++i) {
        if (::write(end, piece.data(), piece.size()) < 0) break;
      }
      ::_exit(0);
    }
    if (most == std::uintmax_t{1} << 20) {
      EXPECT_EQ(read_file(pipe, most).size(), std::size_t{1} << 19);
    } else {
      expect_parts(error_of([&] { read_file(pipe, most); }), {pipe, "more than 262144 bytes"});
    }
    ::waitpid(writer, nullptr, 0);
    ::unlink(pipe.c_str());
  }
}

}  // namespace
}  // namespace stampede
