#pragma once
/// \file Policies as ONNX, opset 17: input `obs` float32 [batch, observation], output `action` float32 [batch, action].
///
/// The graph: Sub mean, Mul 1/std, Clip; the network's modules, of which a dense one is Gemm and activation for each
/// layer; Mul scale, Add centre; Max low, Min high (Clip takes one bound for all actions only). SiLU is Sigmoid and
/// Mul.
///
/// A module with a state has an input `state_in_<module>` and an output `state_out_<module>`, float32 [batch, states]:
/// zeros when an episode begins, from then on the output of the step before.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "host/engine/policy.hpp"
#include "host/task/task_info.hpp"

namespace stampede {

/// An attribute of a node: one whole number, or a list of them.
struct OnnxAttribute {
  const char* name;
  std::vector<std::int64_t> values;
  bool list = true;
};

/// A graph under construction. Nodes and arrays get the names that are passed in, which must differ.
class OnnxGraph {
 public:
  virtual ~OnnxGraph() = default;
  /// Adds an array of numbers, row-major, and returns its name.
  virtual std::string constant(const std::string& name, const std::vector<std::int64_t>& shape,
                               const std::vector<float>& values) = 0;
  /// Adds a node of ONNX's operator `op`, and returns its output, which is its name.
  virtual std::string node(const char* op, const std::vector<std::string>& inputs, const std::string& name) = 0;
  /// The same with attributes of the operator.
  virtual std::string node(const char* op, const std::vector<std::string>& inputs, const std::string& name,
                           const std::vector<OnnxAttribute>& attributes) = 0;
  /// Adds an array of whole numbers, such as a shape, and returns its name.
  virtual std::string integers(const std::string& name, const std::vector<std::int64_t>& values) = 0;
};

/// Adds a module's nodes: from the values `input` [batch, inputs] and `state` [batch, states], which is empty where it
/// has none, to its outputs, whose name it returns. Sets `next_state` to the name of what the state becomes.
using WriteModule = std::function<std::string(OnnxGraph& graph, const ModuleWeights& module, const std::string& input,
                                              const std::string& state, std::string& next_state)>;

/// Registers the function that writes modules of a kind; those of dense ones, convolutions and GRUs are built in.
void register_onnx_module(const std::string& kind, WriteModule write);

/// Throws Error where the policy's network has a module of a kind without such a function.
void check_onnx_modules(const Policy& policy);

/// The file's bytes. Task, names, bounds, control step and version go into its metadata. Throws Error as
/// check_onnx_modules.
std::string to_onnx(const Policy& policy, const TaskSpec& task);

/// The most that a protobuf file, such as ONNX, can hold [bytes].
inline constexpr std::uintmax_t kLargestOnnx = std::uintmax_t{2} << 30;

/// Reads such a file back, if its network has dense layers only. Normalisation, scaling and bounds may be missing; then
/// they change nothing. The variance is computed from 1/std and equals the written one to rounding. Throws Error,
/// naming the file `name`, where the bytes are not ONNX or hold a graph of another kind.
Policy parse_onnx(std::string_view bytes, const std::string& name);

}  // namespace stampede
