#include "host/app/export/onnx.hpp"

#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <cmath>
#include <functional>

#include "kernels/control.hpp"
#include "tests/host/fake_engine.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

using test::error_of;
using test::expect_parts;

std::string written(const std::string& activation = "elu") {
  return to_onnx(test::fake_policy("pendulum", 0.3f, activation), find_task("pendulum").specify({}));
}

/// The bytes after `change` had its way with the model.
std::string changed(const std::function<void(onnx::ModelProto&)>& change, const std::string& activation = "elu") {
  onnx::ModelProto model;
  EXPECT_TRUE(model.ParseFromString(written(activation)));
  change(model);
  return model.SerializeAsString();
}

TEST(Onnx, RoundTrip) {
  for (const char* activation : {"elu", "tanh", "relu", "silu"}) {
    const Policy policy = test::fake_policy("pendulum", 0.3f, activation);
    const Policy read = parse_onnx(written(activation), "p");
    EXPECT_EQ(read.task, "pendulum");
    EXPECT_EQ(read.actor.back().options.activation, activation);
    const std::vector<DenseLayer> layers = policy.layers(), there = read.layers();
    ASSERT_EQ(there.size(), layers.size());
    for (std::size_t i = 0; i < layers.size(); ++i) {
      EXPECT_EQ(there[i].weight, layers[i].weight);
      EXPECT_EQ(there[i].bias, layers[i].bias);
      EXPECT_EQ(there[i].inputs, layers[i].inputs);
    }
    EXPECT_EQ(read.observation_mean, policy.observation_mean);
    EXPECT_EQ(read.observation_clip, policy.observation_clip);
    EXPECT_EQ(read.action_centre, policy.action_centre);
    EXPECT_EQ(read.action_scale, policy.action_scale);
    EXPECT_EQ(read.action_low, policy.action_low);
    EXPECT_EQ(read.action_high, policy.action_high);
  }
}

TEST(Onnx, DeviationsComeBackToTheLastBit) {
  Policy policy = test::fake_policy("pendulum", 0.3f, "elu");
  for (int i = 0; i < 300; ++i) {
    for (std::size_t j = 0; j < policy.observation_variance.size(); ++j) {
      policy.observation_variance[j] = std::exp(0.05f * static_cast<float>(i) - 12.0f + 0.7f * static_cast<float>(j));
    }
    const Policy read = parse_onnx(to_onnx(policy, find_task("pendulum").specify({})), "p");
    for (std::size_t j = 0; j < policy.observation_variance.size(); ++j) {
      EXPECT_EQ(inverse_deviation(read.observation_variance[j]), inverse_deviation(policy.observation_variance[j]));
    }
  }
}

TEST(Onnx, SaysWhatTheContractAsksFor) {
  onnx::ModelProto model;
  ASSERT_TRUE(model.ParseFromString(written()));
  EXPECT_EQ(model.opset_import(0).version(), 17);
  EXPECT_EQ(model.graph().input(0).name(), "obs");
  EXPECT_EQ(model.graph().output(0).name(), "action");
  EXPECT_EQ(model.graph().input(0).type().tensor_type().shape().dim(0).dim_param(), "batch");
  std::vector<std::string> keys;
  for (const auto& entry : model.metadata_props()) keys.push_back(entry.key());
  for (const char* key :
       {"task", "version", "control_dt", "observation_names", "action_names", "action_low", "action_high"}) {
    EXPECT_NE(std::find(keys.begin(), keys.end(), key), keys.end()) << key;
  }
}

TEST(Onnx, AModuleThatNobodyCanWriteIsNamed) {
  Policy policy = test::fake_policy("pendulum", 0.3f);
  ModuleWeights filter;
  filter.kind = "filter";
  filter.name = "actor.filter";
  policy.actor.insert(policy.actor.begin(), filter);
  expect_parts(error_of([&] { to_onnx(policy, find_task("pendulum").specify({})); }),
               {"'actor.filter'", "kind 'filter'", "register_onnx_module"});
}

TEST(Onnx, OtherFilesAreRefused) {
  expect_parts(error_of([] { parse_onnx("", "p.onnx"); }), {"p.onnx: is not an ONNX file"});
  expect_parts(error_of([] { parse_onnx("task = \"pendulum\"\n", "p.onnx"); }), {"is not an ONNX file"});
  expect_parts(error_of([] { parse_onnx(std::string(1000, '\0'), "p.onnx"); }), {"is not an ONNX file"});
  // The metadata come last; a file that lacks some of them is still a whole graph.
  const std::string bytes = changed([](onnx::ModelProto& model) { model.clear_metadata_props(); });
  EXPECT_NO_THROW(parse_onnx(bytes, "p.onnx"));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    EXPECT_FALSE(error_of([&] { parse_onnx(bytes.substr(0, i), "p.onnx"); }).empty()) << i;
  }
}

TEST(Onnx, DamagedBytesNeverDoMoreThanThrow) {
  const std::string bytes = written();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x55);
    try {
      parse_onnx(flipped, "p");
    } catch (const Error&) {
    }
  }
}

TEST(Onnx, OtherGraphsAreRefused) {
  const auto refusal = [](const std::function<void(onnx::GraphProto&)>& change, const std::string& activation = "elu") {
    return error_of(
        [&] { parse_onnx(changed([&](onnx::ModelProto& m) { change(*m.mutable_graph()); }, activation), "p"); });
  };
  expect_parts(refusal([](auto& g) { g.mutable_node(4)->set_op_type("Softmax"); }), {"unsupported node Softmax"});
  expect_parts(refusal([](auto& g) { g.mutable_node(4)->set_op_type("Tanh"); }), {"mixes"});
  expect_parts(refusal([](auto& g) { g.mutable_output(0)->set_name("other"); }), {"output"});
  expect_parts(refusal([](auto& g) { g.mutable_initializer(0)->set_dims(0, 7); }), {"wrong number of values"});
  expect_parts(refusal([](auto& g) { g.mutable_initializer(4)->set_data_type(onnx::TensorProto::DOUBLE); }),
               {"float32"});
  expect_parts(refusal([](auto& g) { g.mutable_node()->SwapElements(9, 10); }), {"p: "});
  expect_parts(
      refusal([](auto& g) {
        g.mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(1)->set_dim_value(4);
      }),
      {"wrong shape"});
  expect_parts(refusal([](auto& g) { g.clear_output(); }), {"one output"});
  expect_parts(refusal([](auto& g) { g.mutable_node(5)->set_op_type("Relu"); }, "silu"), {"unsupported node Sigmoid"});
}

TEST(Onnx, PartsThatChangeNothingMayBeMissing) {
  const std::string bytes = changed([](onnx::ModelProto& model) {
    onnx::GraphProto& graph = *model.mutable_graph();
    graph.mutable_node()->DeleteSubrange(0, 3);
    graph.mutable_node(0)->set_input(0, "obs");
  });
  const Policy read = parse_onnx(bytes, "p");
  EXPECT_EQ(read.observation_mean, std::vector<float>(3, 0.0f));
  EXPECT_TRUE(std::abs(inverse_deviation(read.observation_variance[0]) - 1.0f) <= 1e-6f);
}

/// What a GRU's nodes compute is compared with onnxruntime's result (tests/python/test_formats.py).
TEST(Onnx, AGruIsWrittenAndOneOfAnotherShapeRefused) {
  Policy policy = test::fake_policy("pendulum", 0.3f, "elu");
  ModuleWeights gru;
  gru.kind = "gru";
  gru.name = "actor.gru";
  gru.inputs = gru.outputs = gru.states = gru.options.gru = policy.observations();
  gru.parameters = {{"weight_ih", {9, 3}, std::vector<float>(27, 0.1f)},
                    {"weight_hh", {9, 3}, std::vector<float>(27, 0.2f)},
                    {"bias_ih", {9}, std::vector<float>(9, 0.3f)},
                    {"bias_hh", {9}, std::vector<float>(9, 0.4f)}};
  policy.actor.insert(policy.actor.begin(), gru);
  const TaskSpec task = find_task("pendulum").specify({});
  onnx::ModelProto model;
  ASSERT_TRUE(model.ParseFromString(to_onnx(policy, task)));
  EXPECT_EQ(model.graph().input(1).name(), "state_in_actor.gru");
  EXPECT_EQ(model.graph().output(1).name(), "state_out_actor.gru");
  expect_parts(error_of([&] { parse_onnx(to_onnx(policy, task), "p"); }), {"p", "network with a state"});
  for (const auto& [at, shape] :
       std::vector<std::pair<std::size_t, std::vector<std::int64_t>>>{{0, {3, 9}}, {1, {27}}, {2, {8}}, {3, {9, 1}}}) {
    Policy other = policy;
    Parameter& wrong = other.actor[0].parameters[at];
    wrong.shape = shape;
    expect_parts(error_of([&] { to_onnx(other, task); }), {"actor.gru." + wrong.name, "another shape"});
  }
}

}  // namespace
}  // namespace stampede
