#pragma once
/// \file How the leaky integrator (leaky_integrator.hpp) is written as ONNX.

#include <string>

#include "host/app/export/onnx.hpp"

namespace stampede::test {

inline std::string write_leaky_integrator(OnnxGraph& graph, const ModuleWeights& module, const std::string& input,
                                          const std::string& state, std::string& next_state) {
  const Parameter& rate = module.parameter("rate");
  const std::string name = module.name;
  const std::string share =
      graph.node("Sigmoid", {graph.constant(name + ".rate", rate.shape, rate.values)}, name + ".share");
  const std::string way = graph.node("Sub", {input, state}, name + ".way");
  next_state = graph.node("Add", {state, graph.node("Mul", {way, share}, name + ".step")}, name);
  return next_state;
}

}  // namespace stampede::test
