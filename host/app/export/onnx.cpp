/// \file Policies as ONNX: writing.
#include "host/app/export/onnx.hpp"

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <vector>

#include "host/app/export/policy_tensors.hpp"
#include "host/base/build_info.hpp"
#include "kernels/control.hpp"

namespace stampede {
namespace {

constexpr int kOpset = 17;
constexpr int kIrVersion = 8;  // of ONNX 1.12, the first release with opset 17

/// Builds a graph that is a chain: each node takes what the one before gave.
class Chain {
 public:
  Chain(onnx::GraphProto& graph, std::string input) : graph_(graph), current_(std::move(input)) {}

  /// Adds an array and returns its name.
  std::string constant(const std::string& name, const std::vector<std::int64_t>& shape,
                       const std::vector<float>& values) {
    onnx::TensorProto* tensor = graph_.add_initializer();
    tensor->set_name(name);
    tensor->set_data_type(onnx::TensorProto::FLOAT);
    for (const std::int64_t extent : shape) tensor->add_dims(extent);
    tensor->set_raw_data(values.data(), values.size() * sizeof(float));
    return name;
  }

  /// Adds a node on what the chain gave last; `output` becomes its last.
  onnx::NodeProto* node(const char* op, const std::vector<std::string>& more_inputs, const std::string& output) {
    onnx::NodeProto* added = graph_.add_node();
    added->set_op_type(op);
    added->set_name(output);
    added->add_input(current_);
    for (const std::string& input : more_inputs) added->add_input(input);
    added->add_output(output);
    current_ = output;
    return added;
  }

  const std::string& current() const { return current_; }

 private:
  onnx::GraphProto& graph_;
  std::string current_;
};

void add_activation(Chain& chain, const std::string& activation, const std::string& name) {
  if (activation == "elu") {
    chain.node("Elu", {}, name);  // alpha is 1 where it is not given
  } else if (activation == "tanh") {
    chain.node("Tanh", {}, name);
  } else if (activation == "relu") {
    chain.node("Relu", {}, name);
  } else {
    const std::string input = chain.current();
    chain.node("Sigmoid", {}, name + ".sigmoid");
    chain.node("Mul", {input}, name);
  }
}

void describe_value(onnx::ValueInfoProto* value, const char* name, const char* dimension, int size) {
  value->set_name(name);
  onnx::TypeProto::Tensor* type = value->mutable_type()->mutable_tensor_type();
  type->set_elem_type(onnx::TensorProto::FLOAT);
  type->mutable_shape()->add_dim()->set_dim_param("batch");
  onnx::TensorShapeProto::Dimension* extent = type->mutable_shape()->add_dim();
  extent->set_dim_value(size);
  value->set_doc_string(dimension);
}

}  // namespace

std::string to_onnx(const Policy& policy, const TaskSpec& task) {
  onnx::ModelProto model;
  model.set_ir_version(kIrVersion);
  model.set_producer_name("stampede");
  model.set_producer_version(STAMPEDE_VERSION);
  onnx::OperatorSetIdProto* opset = model.add_opset_import();
  opset->set_domain("");
  opset->set_version(kOpset);
  for (const auto& [key, value] : policy_facts(policy, task)) {
    onnx::StringStringEntryProto* entry = model.add_metadata_props();
    entry->set_key(key);
    entry->set_value(value);
  }

  onnx::GraphProto& graph = *model.mutable_graph();
  graph.set_name(task.name);
  describe_value(graph.add_input(), "obs", "[batch, observation]", policy.observations());
  describe_value(graph.add_output(), "action", "[batch, action]", policy.actions());

  Chain chain(graph, "obs");
  const std::vector<std::int64_t> observation = {policy.observations()}, action = {policy.actions()};
  std::vector<float> factors;
  for (const float variance : policy.observation_variance) factors.push_back(inverse_deviation(variance));
  chain.node("Sub", {chain.constant("observation_mean", observation, policy.observation_mean)}, "observation.centred");
  chain.node("Mul", {chain.constant("observation_inv_std", observation, factors)}, "observation.scaled");
  chain.node("Clip",
             {chain.constant("observation_low", {}, {-policy.observation_clip}),
              chain.constant("observation_high", {}, {policy.observation_clip})},
             "observation.clipped");
  for (std::size_t i = 0; i < policy.actor.layers.size(); ++i) {
    const DenseLayer& layer = policy.actor.layers[i];
    const std::string name = "actor." + std::to_string(i);
    onnx::NodeProto* gemm = chain.node("Gemm",
                                       {chain.constant(name + ".weight", {layer.outputs, layer.inputs}, layer.weight),
                                        chain.constant(name + ".bias", {layer.outputs}, layer.bias)},
                                       name);
    onnx::AttributeProto* transposed = gemm->add_attribute();
    transposed->set_name("transB");
    transposed->set_type(onnx::AttributeProto::INT);
    transposed->set_i(1);
    if (i + 1 < policy.actor.layers.size()) add_activation(chain, policy.actor.activation, name + ".activation");
  }
  chain.node("Mul", {chain.constant("action_scale", action, policy.action_scale)}, "action.scaled");
  chain.node("Add", {chain.constant("action_centre", action, policy.action_centre)}, "action.unclipped");
  chain.node("Max", {chain.constant("action_low", action, policy.action_low)}, "action.above_low");
  chain.node("Min", {chain.constant("action_high", action, policy.action_high)}, "action");
  return model.SerializeAsString();
}

}  // namespace stampede
