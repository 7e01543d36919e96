/// \file Policies as ONNX: writing.
#include "host/app/export/onnx.hpp"

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "host/app/export/policy_tensors.hpp"
#include "host/base/build_info.hpp"
#include "host/base/error.hpp"
#include "kernels/control.hpp"

namespace stampede {
namespace {

constexpr int kOpset = 17;
constexpr int kIrVersion = 8;  // of ONNX 1.12, the first release with opset 17
constexpr const char* kGruGates[] = {"reset", "update", "new"};

class Graph final : public OnnxGraph {
 public:
  explicit Graph(onnx::GraphProto& graph) : graph_(graph) {}

  std::string constant(const std::string& name, const std::vector<std::int64_t>& shape,
                       const std::vector<float>& values) override {
    onnx::TensorProto* tensor = graph_.add_initializer();
    tensor->set_name(name);
    tensor->set_data_type(onnx::TensorProto::FLOAT);
    for (const std::int64_t extent : shape) tensor->add_dims(extent);
    tensor->set_raw_data(values.data(), values.size() * sizeof(float));
    return name;
  }

  std::string node(const char* op, const std::vector<std::string>& inputs, const std::string& name) override {
    add_node(op, inputs, name);
    return name;
  }

  std::string node(const char* op, const std::vector<std::string>& inputs, const std::string& name,
                   const std::vector<OnnxAttribute>& attributes) override {
    onnx::NodeProto* added = add_node(op, inputs, name);
    for (const OnnxAttribute& attribute : attributes) {
      onnx::AttributeProto* to = added->add_attribute();
      to->set_name(attribute.name);
      to->set_type(attribute.list ? onnx::AttributeProto::INTS : onnx::AttributeProto::INT);
      if (!attribute.list) to->set_i(attribute.values.front());
      for (const std::int64_t value : attribute.values) {
        if (attribute.list) to->add_ints(value);
      }
    }
    return name;
  }

  std::string integers(const std::string& name, const std::vector<std::int64_t>& values) override {
    onnx::TensorProto* tensor = graph_.add_initializer();
    tensor->set_name(name);
    tensor->set_data_type(onnx::TensorProto::INT64);
    tensor->add_dims(static_cast<std::int64_t>(values.size()));
    for (const std::int64_t value : values) tensor->add_int64_data(value);
    return name;
  }

 private:
  onnx::NodeProto* add_node(const char* op, const std::vector<std::string>& inputs, const std::string& name) {
    onnx::NodeProto* added = graph_.add_node();
    added->set_op_type(op);
    added->set_name(name);
    for (const std::string& input : inputs) added->add_input(input);
    added->add_output(name);
    return added;
  }

  onnx::GraphProto& graph_;
};

std::string activate(OnnxGraph& graph, const std::string& activation, const std::string& input,
                     const std::string& name) {
  if (activation == "elu") return graph.node("Elu", {input}, name);  // alpha is 1 where it is not given
  if (activation == "tanh") return graph.node("Tanh", {input}, name);
  if (activation == "relu") return graph.node("Relu", {input}, name);
  return graph.node("Mul", {graph.node("Sigmoid", {input}, name + ".sigmoid"), input}, name);
}

/// y = W x + b, of the inputs x, W and b.
std::string write_gemm(OnnxGraph& graph, const std::vector<std::string>& inputs, const std::string& name) {
  return graph.node("Gemm", inputs, name, {{"transB", {1}, false}});
}

std::string write_dense(OnnxGraph& graph, const ModuleWeights& module, const std::string& input, const std::string&,
                        std::string&) {
  std::string x = input;
  const std::vector<DenseLayer> layers = dense_layers(module);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const DenseLayer& layer = layers[i];
    const std::string name = module.name + "." + std::to_string(i);
    const std::string weight = graph.constant(name + ".weight", {layer.outputs, layer.inputs}, layer.weight);
    x = write_gemm(graph, {x, weight, graph.constant(name + ".bias", {layer.outputs}, layer.bias)}, name);
    if (i + 1 < layers.size()) x = activate(graph, module.options.activation, x, name + ".activation");
  }
  return x;
}

/// The numbers from `begin` to `end` of every row.
std::string write_slice(OnnxGraph& graph, const std::string& input, std::int64_t begin, std::int64_t end,
                        const std::string& name) {
  return graph.node("Slice",
                    {input, graph.integers(name + ".begin", {begin}), graph.integers(name + ".end", {end}),
                     graph.integers(name + ".axis", {1})},
                    name);
}

/// Convolutions of the picture that a row begins with. ONNX keeps channels first; the module passes them on last.
std::string write_convolution(OnnxGraph& graph, const ModuleWeights& module, const std::string& input,
                              const std::string&, std::string&) {
  const std::vector<int>& image = module.options.image;
  const std::int64_t picture = std::int64_t{image.at(0)} * image.at(1) * image.at(2);
  const bool has_rest = module.inputs > picture;
  std::string x = has_rest ? write_slice(graph, input, 0, picture, module.name + ".picture") : input;
  x = graph.node("Reshape", {x, graph.integers(module.name + ".shape", {-1, image[0], image[1], image[2]})},
                 module.name + ".channels_first");
  for (std::size_t i = 0; i < module.options.channels.size(); ++i) {
    const std::string own = std::to_string(i), name = module.name + "." + own;
    const Parameter &weight = module.parameter(own + ".weight"), &bias = module.parameter(own + ".bias");
    const std::int64_t stride = module.options.strides.at(i);
    x = graph.node("Conv",
                   {x, graph.constant(name + ".weight", weight.shape, weight.values),
                    graph.constant(name + ".bias", bias.shape, bias.values)},
                   name, {{"strides", {stride, stride}}});
    x = activate(graph, module.options.activation, x, name + ".activation");
  }
  x = graph.node("Transpose", {x}, module.name + ".channels_last", {{"perm", {0, 2, 3, 1}}});
  const std::int64_t rest = module.inputs - picture;
  x = graph.node("Reshape", {x, graph.integers(module.name + ".flat_shape", {-1, module.outputs - rest})},
                 module.name + ".flat");
  if (!has_rest) return x;
  const std::string behind = write_slice(graph, input, picture, module.inputs, module.name + ".rest");
  return graph.node("Concat", {x, behind}, module.name + ".with_rest", {{"axis", {1}, false}});
}

/// The formulas of kernels/gru.hpp as plain nodes: every runtime has them, whatever it does with ONNX's own GRU.
std::string write_gru(OnnxGraph& graph, const ModuleWeights& module, const std::string& input, const std::string& state,
                      std::string& next_state) {
  const std::string& name = module.name;
  const std::int64_t inputs = module.inputs, units = module.states;
  const auto sums = [&](const char* which, int gate, const std::string& of, std::int64_t columns) {
    // The gate's rows of the weights, and of the bias.
    const auto part = [&](const std::string& array, const std::vector<std::int64_t>& shape, std::int64_t row) {
      const Parameter& all = module.parameter(array + which);
      std::vector<std::int64_t> whole = shape;
      whole.front() *= 3;
      if (all.shape != whole) throw Error("export: '" + name + "." + array + which + "' is of another shape");
      const auto first = all.values.begin() + gate * units * row;
      return graph.constant(name + "." + array + which + "." + kGruGates[gate], shape, {first, first + units * row});
    };
    const std::string weight = part("weight_", {units, columns}, columns), bias = part("bias_", {units}, 1);
    return write_gemm(graph, {of, weight, bias}, name + "." + which + "." + kGruGates[gate]);
  };
  const auto gate = [&](int which) {
    const std::string sum = graph.node("Add", {sums("ih", which, input, inputs), sums("hh", which, state, units)},
                                       name + "." + kGruGates[which] + ".sum");
    return graph.node("Sigmoid", {sum}, name + "." + kGruGates[which]);
  };
  const std::string reset = gate(0), update = gate(1);
  const std::string kept = graph.node("Mul", {reset, sums("hh", 2, state, units)}, name + ".kept");
  const std::string sum = graph.node("Add", {sums("ih", 2, input, inputs), kept}, name + ".new.sum");
  const std::string candidate = graph.node("Tanh", {sum}, name + ".new");
  const std::string way = graph.node("Sub", {state, candidate}, name + ".way");
  next_state = graph.node("Add", {candidate, graph.node("Mul", {update, way}, name + ".part")}, name);
  return next_state;
}

std::map<std::string, WriteModule>& writers() {
  static std::map<std::string, WriteModule> all = {
      {kDenseModule, write_dense}, {kConvolutionModule, write_convolution}, {kGruModule, write_gru}};
  return all;
}

void describe_value(onnx::ValueInfoProto* value, const std::string& name, const char* dimension, int size) {
  value->set_name(name);
  onnx::TypeProto::Tensor* type = value->mutable_type()->mutable_tensor_type();
  type->set_elem_type(onnx::TensorProto::FLOAT);
  type->mutable_shape()->add_dim()->set_dim_param("batch");
  onnx::TensorShapeProto::Dimension* extent = type->mutable_shape()->add_dim();
  extent->set_dim_value(size);
  value->set_doc_string(dimension);
}

std::string write_normalisation(OnnxGraph& graph, const Policy& policy, const std::string& input) {
  const std::vector<std::int64_t> shape = {policy.observations()};
  std::vector<float> factors;
  for (const float variance : policy.observation_variance) factors.push_back(inverse_deviation(variance));
  const std::string mean = graph.constant("observation_mean", shape, policy.observation_mean);
  const std::string centred = graph.node("Sub", {input, mean}, "observation.centred");
  const std::string inverse = graph.constant("observation_inv_std", shape, factors);
  const std::string scaled = graph.node("Mul", {centred, inverse}, "observation.scaled");
  const std::string low = graph.constant("observation_low", {}, {-policy.observation_clip});
  const std::string high = graph.constant("observation_high", {}, {policy.observation_clip});
  return graph.node("Clip", {scaled, low, high}, "observation.clipped");
}

/// Writes the modules, one after the other. Those with a state get an input and an output of their own.
std::string write_network(onnx::GraphProto& graph, OnnxGraph& nodes, const Policy& policy, const std::string& input) {
  std::string x = input;
  for (const ModuleWeights& module : policy.actor) {
    std::string state, next_state;
    if (module.states > 0) {
      state = "state_in_" + module.name;
      describe_value(graph.add_input(), state, "[batch, state]", module.states);
    }
    x = writers().at(module.kind)(nodes, module, x, state, next_state);
    if (module.states > 0) {
      if (next_state.empty()) {
        throw Error("export: nobody says what the state of the module '" + module.name + "' becomes", Status::kFailed);
      }
      describe_value(graph.add_output(), "state_out_" + module.name, "[batch, state]", module.states);
      nodes.node("Identity", {next_state}, "state_out_" + module.name);
    }
  }
  return x;
}

void write_scaling(OnnxGraph& graph, const Policy& policy, const std::string& input) {
  const std::vector<std::int64_t> shape = {policy.actions()};
  const std::string scale = graph.constant("action_scale", shape, policy.action_scale);
  const std::string scaled = graph.node("Mul", {input, scale}, "action.scaled");
  const std::string centre = graph.constant("action_centre", shape, policy.action_centre);
  const std::string unclipped = graph.node("Add", {scaled, centre}, "action.unclipped");
  const std::string low = graph.constant("action_low", shape, policy.action_low);
  const std::string above_low = graph.node("Max", {unclipped, low}, "action.above_low");
  graph.node("Min", {above_low, graph.constant("action_high", shape, policy.action_high)}, "action");
}

}  // namespace

void register_onnx_module(const std::string& kind, WriteModule write) { writers()[kind] = std::move(write); }

void check_onnx_modules(const Policy& policy) {
  for (const ModuleWeights& module : policy.actor) {
    if (writers().count(module.kind) > 0) continue;
    throw Error("export: the network's module '" + module.name + "' is of the kind '" + module.kind +
                "', which cannot be written as ONNX: its writer is missing (register_onnx_module)");
  }
}

std::string to_onnx(const Policy& policy, const TaskSpec& task) {
  check_onnx_modules(policy);
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

  Graph nodes(graph);
  const std::string x = write_normalisation(nodes, policy, "obs");
  write_scaling(nodes, policy, write_network(graph, nodes, policy, x));
  return model.SerializeAsString();
}

}  // namespace stampede
