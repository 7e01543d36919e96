#include "host/app/run/run_folder.hpp"

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

TEST(RunFolder, FilesOfARunsNamesAreNotTakenWithoutForce) {
  for (const char* name : {"config.toml", "metrics.jsonl", "checkpoint", "policy.onnx", "policy.safetensors",
                           "curve.png", "system.json", "events.out.tfevents.1.mine"}) {
    const TemporaryFolder folder;
    write_file(folder / name, "mine");
    expect_parts(error_of([&] { RunFolder::create(folder.path(), "pendulum", false); }), {name, "--force"});
    EXPECT_EQ(read_file(folder / name), "mine");
    RunFolder::create(folder.path(), "pendulum", true).start();
    EXPECT_FALSE(fs::exists(folder / name)) << name;
  }
}

TEST(RunFolder, OnlyOwnHalfWrittenFilesGo) {
  for (const bool resumed : {false, true}) {
    const TemporaryFolder folder;
    const std::vector<const char*> mine = {".download.partial", ".partial", "policy.onnx.partial", ".x.toml.partial"};
    const std::vector<const char*> own = {".config.toml.partial", ".checkpoint.partial", ".metrics.jsonl.partial",
                                          ".events.out.tfevents.7.host.partial"};
    for (const char* name : mine) write_file(folder / name, "mine");
    for (const char* name : own) write_file(folder / name, "half");
    if (resumed) {
      write_file(folder / "config.toml", "old");
      RunFolder::resume(folder.path());
    } else {
      RunFolder::create(folder.path(), "pendulum", false).start();  // as after a kill before config.toml: no --force
    }
    for (const char* name : mine) EXPECT_TRUE(fs::exists(folder / name)) << name;
    for (const char* name : own) EXPECT_FALSE(fs::exists(folder / name)) << name;
  }
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
