#include "host/app/run/checkpoint.hpp"

#include <gtest/gtest.h>

#include "host/base/files.hpp"
#include "tests/host/fake_engine.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::expect_parts;
using test::TemporaryFolder;

Checkpoint example(std::int64_t iteration) {
  Checkpoint checkpoint;
  checkpoint.task = "pendulum";
  checkpoint.counts.iteration = iteration;
  checkpoint.counts.steps = 1000 * iteration;
  checkpoint.counts.nonfinite = 3;
  checkpoint.state = {make_tensor("policy.weight", {2}, {1.0f, static_cast<float>(iteration)})};
  checkpoint.policy = test::fake_policy("pendulum", 0.3f);
  return checkpoint;
}

TEST(Checkpoint, RoundTripAndLastKept) {
  const TemporaryFolder folder;
  for (const int iteration : {5, 10, 15, 20}) save_checkpoint(folder.path(), example(iteration), 2);
  EXPECT_EQ(folder.names("checkpoint").size(), 2u);
  EXPECT_EQ(newest_checkpoint(folder.path()).filename(), "000000020.safetensors");
  const Checkpoint read = load_newest_checkpoint(folder.path(), "pendulum");
  EXPECT_EQ(read.counts.iteration, 20);
  EXPECT_EQ(read.counts.steps, 20000);
  EXPECT_EQ(read.counts.nonfinite, 3);
  ASSERT_EQ(read.state.size(), 1u);
  EXPECT_EQ(read.state[0].name, "policy.weight");
  EXPECT_EQ(read.state[0].bytes, example(20).state[0].bytes);
  EXPECT_EQ(read.policy.layers().at(1).weight, example(20).policy.layers().at(1).weight);
}

TEST(Checkpoint, MissingOnesAreSaid) {
  const TemporaryFolder folder;
  expect_parts(error_of([&] { load_newest_checkpoint(folder.path(), "pendulum"); }), {"holds no checkpoint"});
}

TEST(Checkpoint, DamageIsFoundAndTheWayOutNamed) {
  const TemporaryFolder folder;
  save_checkpoint(folder.path(), example(5), 3);
  save_checkpoint(folder.path(), example(10), 3);
  const fs::path newest = newest_checkpoint(folder.path());
  const std::string bytes = read_file(newest);
  for (std::size_t i = 0; i < bytes.size(); i += 13) {
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ 1);
    write_file(newest, flipped, Durability::kProcess);
    expect_parts(error_of([&] { load_newest_checkpoint(folder.path(), "pendulum"); }),
                 {"000000010.safetensors: is damaged", "delete", "go on from 000000005.safetensors"});
    write_file(newest, bytes.substr(0, i), Durability::kProcess);
    expect_parts(error_of([&] { load_newest_checkpoint(folder.path(), "pendulum"); }), {"is damaged"});
  }
  fs::remove(folder / "checkpoint" / "000000005.safetensors");
  expect_parts(error_of([&] { load_newest_checkpoint(folder.path(), "pendulum"); }), {"no other checkpoint"});
  write_file(newest, bytes);
  EXPECT_EQ(load_newest_checkpoint(folder.path(), "pendulum").counts.iteration, 10);
}

TEST(Checkpoint, AnotherTasksIsRefused) {
  const TemporaryFolder folder;
  save_checkpoint(folder.path(), example(5), 3);
  expect_parts(error_of([&] { load_newest_checkpoint(folder.path(), "cartpole-swingup"); }),
               {"000000005.safetensors", "'pendulum'", "'cartpole-swingup'"});
}

}  // namespace
}  // namespace stampede
