/// \file Policies as ONNX: reading.
#include <onnx/onnx_pb.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <vector>

#include "host/app/export/onnx.hpp"
#include "host/base/error.hpp"
#include "kernels/control.hpp"

namespace stampede {
namespace {

constexpr const char* kRight = "; it must be a policy that stampede exported";

/// The variance that belongs to a deviation, such that inverse_deviation gives exactly `factor` where a float allows
/// it: then a policy gives the same actions from every file that it is written to.
float variance_of(double deviation, float factor) {
  const float nearest = static_cast<float>(deviation * deviation - 1e-8);
  for (const float candidate : {nearest, std::nextafter(nearest, 0.0f), std::nextafter(nearest, HUGE_VALF)}) {
    if (inverse_deviation(candidate) == factor) return candidate;
  }
  return nearest;
}

/// Follows the graph's chain of nodes and collects the parts of a policy.
class Reader {
 public:
  Reader(const onnx::ModelProto& model, const std::string& name) : graph_(model.graph()), name_(name) {
    for (const onnx::TensorProto& tensor : graph_.initializer()) constants_[tensor.name()] = &tensor;
  }

  Policy read() {
    if (graph_.input_size() > 1 && graph_.input(1).name().rfind("state_in_", 0) == 0) {
      throw Error(name_ + ": has a network with a state, '" + graph_.input(1).name() +
                  "', which is not read from ONNX; policy.safetensors beside it, or the run, would be right");
    }
    if (graph_.input_size() < 1 || graph_.output_size() != 1) fail("has not one input and one output");
    const int observations = width_of(graph_.input(0));
    const int actions = width_of(graph_.output(0));
    current_ = graph_.input(0).name();
    policy_.observation_mean.assign(static_cast<std::size_t>(observations), 0.0f);
    policy_.observation_variance.assign(static_cast<std::size_t>(observations), 1.0f);
    policy_.observation_clip = std::numeric_limits<float>::max();
    policy_.action_centre.assign(static_cast<std::size_t>(actions), 0.0f);
    policy_.action_scale.assign(static_cast<std::size_t>(actions), 1.0f);
    policy_.action_low.assign(static_cast<std::size_t>(actions), -std::numeric_limits<float>::max());
    policy_.action_high.assign(static_cast<std::size_t>(actions), std::numeric_limits<float>::max());
    policy_.log_std.assign(static_cast<std::size_t>(actions), 0.0f);
    for (const onnx::NodeProto& node : graph_.node()) read_node(node);
    if (current_ != graph_.output(0).name()) fail("has an output that its nodes do not lead to");
    if (layers_.empty()) fail("has no dense layer (Gemm)");
    if (activated_) fail("has an activation behind its last layer");
    if (layers_.front().inputs != observations || layers_.back().outputs != actions) {
      fail("has layers that do not fit its input and output");
    }
    if (activation_.empty()) activation_ = "elu";  // one layer: there is none
    policy_.actor = {dense_module("actor", activation_, layers_)};
    return policy_;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw Error(name_ + ": " + what + kRight); }

  int width_of(const onnx::ValueInfoProto& value) const {
    const onnx::TypeProto::Tensor& type = value.type().tensor_type();
    if (type.elem_type() != onnx::TensorProto::FLOAT || type.shape().dim_size() != 2 ||
        type.shape().dim(1).dim_value() < 1 || type.shape().dim(1).dim_value() > (1 << 20)) {
      fail("has '" + value.name() + "' of another type than float32 [batch, n]");
    }
    return static_cast<int>(type.shape().dim(1).dim_value());
  }

  /// An array's numbers.
  std::vector<float> values_of(const std::string& constant, const onnx::NodeProto& node) const {
    const auto found = constants_.find(constant);
    if (found == constants_.end())
      fail("has a node " + node.op_type() + " whose operand '" + constant + "' is no constant");
    const onnx::TensorProto& tensor = *found->second;
    std::int64_t size = 1;
    for (const std::int64_t extent : tensor.dims()) {
      if (extent < 0 || extent > (1 << 24) || size > (1 << 28))
        fail("has an array '" + constant + "' of no valid shape");
      size *= extent;
    }
    std::vector<float> values;
    if (tensor.data_type() != onnx::TensorProto::FLOAT) fail("has an array '" + constant + "' that is not float32");
    if (tensor.has_raw_data()) {
      values.resize(tensor.raw_data().size() / sizeof(float));
      if (!values.empty()) std::memcpy(values.data(), tensor.raw_data().data(), values.size() * sizeof(float));
    } else {
      values.assign(tensor.float_data().begin(), tensor.float_data().end());
    }
    if (static_cast<std::int64_t>(values.size()) != size)
      fail("has an array '" + constant + "' with a wrong number of values");
    return values;
  }

  /// The constant operand of a node whose other operand is the chain's value; repeated to `size` where it is one
  /// number.
  std::vector<float> operand(const onnx::NodeProto& node, std::size_t size, bool may_come_first) const {
    if (node.input_size() != 2) fail("has a node " + node.op_type() + " without two operands");
    const bool second = node.input(0) == current_;
    if (!second && !(may_come_first && node.input(1) == current_)) fail("has a graph that is no chain");
    std::vector<float> values = values_of(node.input(second ? 1 : 0), node);
    if (values.size() == 1) values.assign(size, values[0]);
    if (values.size() != size) fail("has a node " + node.op_type() + " with an operand of a wrong shape");
    return values;
  }

  void read_gemm(const onnx::NodeProto& node) {
    if (!layers_.empty() && !activated_) fail("has two layers with no activation between them");
    activated_ = false;
    bool transposed = false;
    for (const onnx::AttributeProto& attribute : node.attribute()) {
      if (attribute.name() == "transB") transposed = attribute.i() != 0;
      const bool neutral = (attribute.name() == "transA" && attribute.i() == 0) ||
                           ((attribute.name() == "alpha" || attribute.name() == "beta") && attribute.f() == 1.0f);
      if (attribute.name() != "transB" && !neutral) fail("has a Gemm with the attribute " + attribute.name());
    }
    if (node.input_size() != 3 || node.input(0) != current_) fail("has a graph that is no chain");
    const std::vector<float> weight = values_of(node.input(1), node);
    const onnx::TensorProto& shape = *constants_.at(node.input(1));
    if (shape.dims_size() != 2) fail("has a Gemm whose weights are no matrix");
    DenseLayer layer;
    layer.outputs = static_cast<int>(shape.dims(transposed ? 0 : 1));
    layer.inputs = static_cast<int>(shape.dims(transposed ? 1 : 0));
    layer.weight = weight;
    if (!transposed) {
      for (int o = 0; o < layer.outputs; ++o) {
        for (int i = 0; i < layer.inputs; ++i) {
          layer.weight[static_cast<std::size_t>(o * layer.inputs + i)] =
              weight[static_cast<std::size_t>(i * layer.outputs + o)];
        }
      }
    }
    layer.bias = values_of(node.input(2), node);
    if (static_cast<int>(layer.bias.size()) != layer.outputs) fail("has a Gemm whose bias is of a wrong shape");
    const bool first = layers_.empty();
    if (!first && layers_.back().outputs != layer.inputs) fail("has layers that do not fit each other");
    layers_.push_back(std::move(layer));
  }

  /// The parts of a policy come in one order: 0 mean, 1 deviation, 2 clip, 3 layers, 4 scale, 5 centre, 6 low, 7 high.
  void advance(int stage, const std::string& op) {
    if (stage < stage_ || (stage == stage_ && stage != kLayers)) fail("has a node " + op + " in an unsupported place");
    stage_ = stage;
  }

  void set_activation(const std::string& activation) {
    if (layers_.empty() || activated_) fail("has an activation that follows no layer");
    if (!activation_.empty() && activation_ != activation) {
      fail("mixes the activations " + activation_ + " and " + activation);
    }
    activation_ = activation;
    activated_ = true;
  }

  void read_node(const onnx::NodeProto& node) {
    const std::string& op = node.op_type();
    const bool before = layers_.empty();
    const std::size_t observations = policy_.observation_mean.size(), actions = policy_.action_centre.size();
    if (node.output_size() != 1 || !node.domain().empty()) fail("has an unsupported node " + op);
    const bool silu =
        op == "Mul" && !gate_.empty() && node.input_size() == 2 &&
        ((node.input(0) == gate_ && node.input(1) == gated_) || (node.input(1) == gate_ && node.input(0) == gated_));
    if (silu) {
      advance(kLayers, op);
      set_activation("silu");
      gate_.clear();
    } else if (!gate_.empty()) {
      fail("has an unsupported node Sigmoid");
    } else if (op == "Sub" && before) {
      advance(0, op);
      policy_.observation_mean = operand(node, observations, false);
    } else if ((op == "Mul" || op == "Div") && before) {
      advance(1, op);
      std::vector<float> factors = operand(node, observations, op == "Mul");
      for (std::size_t i = 0; i < observations; ++i) {
        policy_.observation_variance[i] = op == "Mul" ? variance_of(1.0 / static_cast<double>(factors[i]), factors[i])
                                                      : variance_of(static_cast<double>(factors[i]), 1.0f / factors[i]);
      }
    } else if (op == "Clip" && before) {
      advance(2, op);
      if (node.input_size() != 3 || node.input(0) != current_) fail("has a Clip without two bounds");
      const std::vector<float> low = values_of(node.input(1), node), high = values_of(node.input(2), node);
      if (low.size() != 1 || high.size() != 1 || low[0] != -high[0]) fail("has a Clip whose bounds are not +-c");
      policy_.observation_clip = high[0];
    } else if (op == "Gemm") {
      advance(kLayers, op);
      read_gemm(node);
    } else if (op == "Elu" || op == "Tanh" || op == "Relu" || op == "Sigmoid") {
      advance(kLayers, op);
      if (node.input_size() != 1 || node.input(0) != current_) fail("has a graph that is no chain");
      for (const onnx::AttributeProto& attribute : node.attribute()) {
        if (attribute.name() != "alpha" || attribute.f() != 1.0f) fail("has an unsupported " + op);
      }
      if (op == "Sigmoid") {
        gated_ = current_;
        gate_ = node.output(0);
      } else {
        set_activation(op == "Elu" ? "elu" : op == "Tanh" ? "tanh" : "relu");
      }
    } else if (op == "Mul" && !before) {
      advance(4, op);
      policy_.action_scale = operand(node, actions, true);
    } else if (op == "Add" && !before) {
      advance(5, op);
      policy_.action_centre = operand(node, actions, true);
    } else if (op == "Max" && !before) {
      advance(6, op);
      policy_.action_low = operand(node, actions, true);
    } else if (op == "Min" && !before) {
      advance(7, op);
      policy_.action_high = operand(node, actions, true);
    } else {
      fail("has an unsupported node " + op);
    }
    current_ = node.output(0);
  }

  static constexpr int kLayers = 3;

  const onnx::GraphProto& graph_;
  const std::string& name_;
  std::map<std::string, const onnx::TensorProto*> constants_;
  Policy policy_;
  std::vector<DenseLayer> layers_;
  std::string activation_;    ///< of all layers; empty until there is one
  std::string current_;       ///< the chain's last value
  std::string gate_, gated_;  ///< of a SiLU whose Mul is still to come: the Sigmoid's output and input
  int stage_ = -1;            ///< see advance
  bool activated_ = false;    ///< whether the last layer has had its activation
};

}  // namespace

Policy parse_onnx(std::string_view bytes, const std::string& name) {
  onnx::ModelProto model;
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) || !model.has_graph() ||
      model.ir_version() < 1) {
    throw Error(name + ": is not an ONNX file" + kRight);
  }
  // Opset 13 is the first in which Clip, Max and Min mean what they mean in 17.
  const bool known = model.opset_import_size() == 1 && model.opset_import(0).version() >= 13;
  if (!known) throw Error(name + ": has no single operator set of version 13 or later" + kRight);
  Policy policy = Reader(model, name).read();
  for (const onnx::StringStringEntryProto& entry : model.metadata_props()) {
    policy.facts.emplace(entry.key(), entry.value());
    if (entry.key() == "task") policy.task = entry.value();
    if (entry.key() == "robot") policy.robot = entry.value();
  }
  return policy;
}

}  // namespace stampede
