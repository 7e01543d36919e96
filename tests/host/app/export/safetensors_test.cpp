#include "host/app/export/safetensors.hpp"

#include <gtest/gtest.h>

#include "host/app/export/policy_tensors.hpp"
#include "tests/host/fake_engine.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

using test::error_of;
using test::expect_parts;

std::vector<Tensor> example() {
  Tensor counters;
  counters.name = "counters";
  counters.type = Tensor::Type::kI64;
  counters.shape = {2};
  counters.bytes.assign(16, 7);
  Tensor words;
  words.name = "words";
  words.type = Tensor::Type::kU32;
  words.shape = {1, 3};
  words.bytes.assign(12, 9);
  return {make_tensor("weights", {2, 2}, {1.5f, -2.0f, 0.0f, 1e-30f}), counters, words, make_tensor("none", {0}, {})};
}

TEST(Safetensors, RoundTrip) {
  const SafetensorsFile file = parse_safetensors(to_safetensors(example(), {{"task", "x \"y\""}}), "f");
  ASSERT_EQ(file.tensors.size(), 4u);
  EXPECT_EQ(file.metadata.at("task"), "x \"y\"");
  for (const Tensor& tensor : example()) {
    const Tensor* read = file.find(tensor.name);
    ASSERT_NE(read, nullptr) << tensor.name;
    EXPECT_EQ(read->type, tensor.type);
    EXPECT_EQ(read->shape, tensor.shape);
    EXPECT_EQ(read->bytes, tensor.bytes);
  }
  EXPECT_EQ(floats_of(*file.find("weights"))[1], -2.0f);
}

TEST(Safetensors, ChecksumFindsEveryFlippedByteAndEveryTruncation) {
  const std::string bytes = to_safetensors(example(), {}, true);
  ASSERT_TRUE(checksum_holds(bytes));
  EXPECT_NE(parse_safetensors(bytes, "f").find("checksum"), nullptr);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x10);
    EXPECT_FALSE(checksum_holds(flipped)) << i;
    EXPECT_FALSE(checksum_holds(bytes.substr(0, i))) << i;
  }
}

TEST(Safetensors, DamagedFilesAreErrorsAndNothingElse) {
  const std::string bytes = to_safetensors(example(), {{"a", "b"}});
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    expect_parts(error_of([&] { parse_safetensors(bytes.substr(0, i), "the file"); }), {"the file"});
    for (const int mask : {0x01, 0x20, 0xff}) {
      std::string flipped = bytes;
      flipped[i] = static_cast<char>(flipped[i] ^ mask);
      try {
        parse_safetensors(flipped, "f");  // a flipped number is no error without a checksum
      } catch (const Error&) {
      }
    }
  }
  expect_parts(error_of([&] { parse_safetensors(bytes + "x", "f"); }), {"longer"});
}

TEST(PolicyTensors, RoundTripIsExact) {
  const Policy policy = test::fake_policy("double-pendulum", 0.3f, "silu");
  const std::string bytes = to_policy_safetensors(policy, find_task("double-pendulum").specify({}));
  const SafetensorsFile file = parse_safetensors(bytes, "f");
  const Policy read = policy_from_tensors(file, "f");
  EXPECT_EQ(read.task, policy.task);
  EXPECT_EQ(read.actor.back().options.activation, "silu");
  EXPECT_EQ(read.observation_clip, policy.observation_clip);
  EXPECT_EQ(read.observation_variance, policy.observation_variance);
  EXPECT_EQ(read.log_std, policy.log_std);
  ASSERT_EQ(read.layers().size(), 3u);
  EXPECT_EQ(read.layers()[2].weight, policy.layers()[2].weight);
  EXPECT_EQ(read.layers()[2].bias, policy.layers()[2].bias);
  EXPECT_NE(file.find("actor.0.weight"), nullptr);
  EXPECT_EQ(file.find("actor.0.weight")->shape, (std::vector<std::int64_t>{5, policy.observations()}));
}

/// With a module that nobody knows, which the list in the metadata describes.
TEST(PolicyTensors, WhatTheNetworkIsMadeOfIsRead) {
  Policy policy = test::fake_policy("pendulum", 0.3f);
  ModuleWeights filter;
  filter.kind = "filter";
  filter.name = "actor.filter";
  filter.inputs = filter.outputs = policy.observations();
  filter.states = 2;
  filter.parameters = {{"rate", {policy.observations()}, std::vector<float>(3, 0.25f)}};
  policy.actor.insert(policy.actor.begin(), filter);
  const auto read = [&](const std::string& from, const std::string& to) {
    std::map<std::string, std::string> metadata = policy_metadata(policy);
    std::string& text = metadata.at("modules");
    EXPECT_NE(text.find(from), std::string::npos) << from;
    text.replace(text.find(from), from.size(), to);
    return policy_from_tensors(parse_safetensors(to_safetensors(policy_tensors(policy), metadata), "p"), "p");
  };
  const Policy same = read("\"states\":2", "\"states\":2");
  ASSERT_EQ(same.actor.size(), 2u);
  EXPECT_EQ(same.actor[0].kind, "filter");
  EXPECT_EQ(same.actor[0].states, 2);
  EXPECT_EQ(same.actor[0].parameter("rate").values, filter.parameters[0].values);
  EXPECT_EQ(same.layers()[1].weight, policy.layers()[1].weight);

  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"[{", "{"},
                                                        {"\"states\":2", "\"states\":-2"},
                                                        {"\"states\":2", "\"states\":2.5"},
                                                        {"\"states\":2", "\"states\":1e300"},
                                                        {"\"states\":2", "\"states\":true"},
                                                        {"\"hidden\":[5,5]", "\"hidden\":[1e99]"},
                                                        {"\"kind\":\"dense\"", "\"kind\":\"filter\""},
                                                        {"\"kind\":\"filter\"", "\"kind\":\"dense\""},
                                                        {"\"kind\":\"filter\"", "\"kind\":3"}}) {
    expect_parts(error_of([&] { read(from, to); }), {"p: ", "'modules'"});
  }
  expect_parts(error_of([&] { read("\"inputs\":3,\"kind\":\"filter\"", "\"inputs\":4,\"kind\":\"filter\""); }),
               {"'actor.filter'", "4", "3"});
  expect_parts(error_of([&] { read("\"rate\"", "\"rat\""); }), {"actor.filter.rat"});
  expect_parts(error_of([&] { read("\"elu\"", "\"elo\""); }), {"'elo'", "elu, tanh, relu or silu"});
}

/// A file's modules say the width of GRUs; it must be a number of units.
TEST(PolicyTensors, TheWidthOfAGruIsRead) {
  Policy policy = test::fake_policy("pendulum", 0.3f);
  ModuleWeights gru;
  gru.kind = kGruModule;
  gru.name = "actor.gru";
  gru.options.gru = gru.inputs = gru.outputs = gru.states = 3;
  gru.parameters = {{"bias_ih", {9}, std::vector<float>(9, 0.5f)}};
  policy.actor.insert(policy.actor.begin(), gru);
  const auto read = [&](const std::string& to) {
    std::map<std::string, std::string> metadata = policy_metadata(policy);
    std::string& text = metadata.at("modules");
    const std::string from = "\"gru\":3,";
    EXPECT_NE(text.find(from), std::string::npos) << text;
    text.replace(text.find(from), from.size(), to);
    return policy_from_tensors(parse_safetensors(to_safetensors(policy_tensors(policy), metadata), "p"), "p");
  };
  EXPECT_EQ(read("\"gru\":3,").actor[0].options.gru, 3);
  EXPECT_EQ(read("\"gru\":3,").layers()[1].weight, policy.layers()[1].weight);
  expect_parts(error_of([&] { read("\"gru\":-1,"); }), {"p: ", "'modules'"});
}

TEST(PolicyTensors, MissingAndMisshapenTensorsAreNamed) {
  const Policy policy = test::fake_policy("pendulum", 0.3f);
  const auto read = [&](const std::function<void(std::vector<Tensor>&)>& change) {
    std::vector<Tensor> tensors = policy_tensors(policy);
    change(tensors);
    return error_of(
        [&] { policy_from_tensors(parse_safetensors(to_safetensors(tensors, policy_metadata(policy)), "p"), "p"); });
  };
  expect_parts(read([](auto& t) { t.erase(t.begin()); }), {"p: ", "actor.0.weight"});
  expect_parts(read([](auto& t) {
                 t[2] = make_tensor("actor.1.weight", {2, 2}, {1, 2, 3, 4});
               }),
               {"actor.1.weight", "[2, 2]"});
  expect_parts(read([](auto& t) { t[1] = make_tensor("actor.0.bias", {1}, {1}); }), {"actor.0.bias", "[5]"});
  expect_parts(read([](auto& t) { t.pop_back(); }), {"action_high"});
}

}  // namespace
}  // namespace stampede
