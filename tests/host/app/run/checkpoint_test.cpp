#include "host/app/run/checkpoint.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

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

/// A checkpoint whose state has parts, one for each of its iterations from `first` on.
Checkpoint in_parts(std::int64_t first, std::int64_t iteration) {
  Checkpoint checkpoint = example(iteration);
  for (std::int64_t i = first; i < iteration; ++i) {
    const std::string part = "rollout-" + std::to_string(i);
    for (const char* name : {"/seen", "/done"}) {
      checkpoint.state.push_back(make_tensor(part + name, {3}, std::vector<float>(3, static_cast<float>(i))));
      checkpoint.state.back().part = part;
    }
  }
  checkpoint.state.push_back(make_tensor("last", {1}, {7.0f}));
  return checkpoint;
}

/// When each file of the parts was written, by its name.
std::map<std::string, fs::file_time_type> parts_of(const TemporaryFolder& folder) {
  std::map<std::string, fs::file_time_type> files;
  for (const auto& entry : fs::directory_iterator(folder / "checkpoint_parts")) {
    files[entry.path().filename()] = entry.last_write_time();
  }
  return files;
}

TEST(Checkpoint, PartsAreWrittenOnceAndRemovedWhenNobodyNamesThem) {
  const TemporaryFolder folder;
  save_checkpoint(folder.path(), in_parts(0, 2), 2);
  const auto first = parts_of(folder);
  ASSERT_EQ(first.size(), 2u);
  save_checkpoint(folder.path(), in_parts(0, 4), 2);
  const auto second = parts_of(folder);
  EXPECT_EQ(second.size(), 4u);
  for (const auto& [name, when] : first) EXPECT_EQ(second.at(name), when) << name << " was written again";

  Checkpoint read = load_newest_checkpoint(folder.path(), "pendulum");
  EXPECT_EQ(read.parts.size(), 4u);
  EXPECT_EQ(read.state.size(), 2u) << "without the parts";
  read_parts(folder.path(), read);
  const Checkpoint written = in_parts(0, 4);
  ASSERT_EQ(read.state.size(), written.state.size());
  for (const Tensor& tensor : written.state) {
    const auto same = [&](const Tensor& other) { return other.name == tensor.name && other.bytes == tensor.bytes; };
    EXPECT_TRUE(std::any_of(read.state.begin(), read.state.end(), same)) << tensor.name;
  }

  save_checkpoint(folder.path(), in_parts(3, 5), 2);
  EXPECT_EQ(parts_of(folder).size(), 5u) << "the older checkpoint needs the first ones";
  save_checkpoint(folder.path(), in_parts(4, 6), 2);
  EXPECT_EQ(parts_of(folder).size(), 3u);
  // A part of the same name with other contents is another: a run that went on from an older checkpoint.
  Checkpoint other = in_parts(4, 6);
  other.state[1].bytes[0] ^= 1;
  other.counts.iteration = 7;
  save_checkpoint(folder.path(), other, 2);
  EXPECT_EQ(parts_of(folder).size(), 3u);
  for (const int iteration : {8, 9}) save_checkpoint(folder.path(), example(iteration), 2);
  EXPECT_TRUE(parts_of(folder).empty());
}

TEST(Checkpoint, DamagedPartsAreFoundAndTheWayOutNamed) {
  const TemporaryFolder folder;
  save_checkpoint(folder.path(), in_parts(0, 1), 3);
  save_checkpoint(folder.path(), in_parts(0, 2), 3);
  Checkpoint read = load_newest_checkpoint(folder.path(), "pendulum");
  const fs::path last = folder / "checkpoint_parts" / read.parts.at(1),
                 first = folder / "checkpoint_parts" / read.parts[0];
  const std::string bytes = read_file(last);
  std::string flipped = bytes;
  flipped[bytes.size() / 2] = static_cast<char>(flipped[bytes.size() / 2] ^ 1);
  write_file(last, flipped, Durability::kProcess);
  const auto refusal = [&] { return error_of([&] { read_parts(folder.path(), read); }); };
  expect_parts(refusal(), {"rollout-1", "is damaged", "delete", "go on from 000000001.safetensors"});
  fs::remove(last);
  expect_parts(refusal(), {"rollout-1", "No such file", "go on from 000000001.safetensors"});
  fs::remove(first);
  expect_parts(refusal(), {"no other checkpoint"});
}

TEST(Checkpoint, AnotherTasksIsRefused) {
  const TemporaryFolder folder;
  save_checkpoint(folder.path(), example(5), 3);
  expect_parts(error_of([&] { load_newest_checkpoint(folder.path(), "cartpole-swingup"); }),
               {"000000005.safetensors", "'pendulum'", "'cartpole-swingup'"});
}

}  // namespace
}  // namespace stampede
