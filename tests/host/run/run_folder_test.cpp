#include "host/run/run_folder.hpp"

#include <gtest/gtest.h>

#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::expect_parts;
using test::TemporaryFolder;

/// Makes `path` the current folder while it lives.
class Inside {
 public:
  explicit Inside(const fs::path& path) : before_(fs::current_path()) { fs::current_path(path); }
  ~Inside() { fs::current_path(before_); }

 private:
  fs::path before_;
};

void make_run(const fs::path& directory) {
  RunFolder run = RunFolder::create(directory, "pendulum", false);
  run.start();
  run.write("config.toml", "old", Durability::kProcess);
  run.write("policy.onnx", "old", Durability::kProcess);
}

TEST(RunFolder, CountsUpInRuns) {
  const TemporaryFolder folder;
  const Inside inside(folder.path());
  for (const char* name : {"runs/pendulum-1", "runs/pendulum-2"}) {
    RunFolder run = RunFolder::create("", "pendulum", false);
    run.start();
    EXPECT_EQ(run.path(), fs::path(name));
  }
  fs::create_directories("runs/pendulum-10");
  fs::create_directories("runs/pendulum-99x");
  EXPECT_EQ(RunFolder::create("", "pendulum", false).path(), fs::path("runs/pendulum-11"));
  EXPECT_EQ(RunFolder::create("", "double-pendulum", false).path(), fs::path("runs/double-pendulum-1"));
}

TEST(RunFolder, WithoutStartNothingStays) {
  const TemporaryFolder folder;
  { const RunFolder run = RunFolder::create(folder / "run", "pendulum", false); }
  EXPECT_TRUE(folder.names().empty());
}

TEST(RunFolder, ARunIsRefusedAndReplacedOnlyByForceAndStart) {
  const TemporaryFolder folder;
  make_run(folder / "run");
  expect_parts(error_of([&] { RunFolder::create(folder / "run", "pendulum", false); }), {"run", "--resume", "--force"});
  { const RunFolder run = RunFolder::create(folder / "run", "pendulum", true); }  // never starts
  EXPECT_EQ(read_file(folder / "run" / "policy.onnx"), "old");
  RunFolder run = RunFolder::create(folder / "run", "pendulum", true);
  run.start();
  EXPECT_FALSE(fs::exists(folder / "run" / "policy.onnx"));
  EXPECT_FALSE(fs::exists(folder / "run" / "config.toml"));
}

TEST(RunFolder, OtherFilesStay) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "run");
  write_file(folder / "run" / "notes.txt", "mine");
  make_run(folder / "run");
  RunFolder::create(folder / "run", "pendulum", true).start();
  EXPECT_EQ(read_file(folder / "run" / "notes.txt"), "mine");
}

TEST(RunFolder, TwoAtOnceAreRefused) {
  const TemporaryFolder folder;
  make_run(folder / "run");
  const RunFolder first = RunFolder::resume(folder / "run");
  expect_parts(error_of([&] { RunFolder::resume(folder / "run"); }), {"another training", "--run"});
  expect_parts(error_of([&] { RunFolder::create(folder / "run", "pendulum", true); }), {"another training"});
}

TEST(RunFolder, ResumeNeedsARunAndTidiesUp) {
  const TemporaryFolder folder;
  expect_parts(error_of([&] { RunFolder::resume(folder / "none"); }), {"none", "holds no run"});
  EXPECT_TRUE(folder.names().empty());
  make_run(folder / "run");
  write_file(folder / "run" / ".policy.onnx.partial", "half");
  RunFolder::resume(folder / "run");
  EXPECT_FALSE(fs::exists(folder / "run" / ".policy.onnx.partial"));
}

TEST(RunFolder, UnwritableFoldersAreNamed) {
  expect_parts(error_of([] { RunFolder::create("/dev/null/run", "pendulum", false); }), {"/dev/null/run"});
  expect_parts(error_of([] { RunFolder::create("/proc/run", "pendulum", false); }), {"/proc/run"});
}

}  // namespace
}  // namespace stampede
