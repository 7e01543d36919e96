#pragma once
/// \file A trained policy as plain data: what export writes, evaluation reads and backends load.

#include <map>
#include <string>
#include <vector>

namespace stampede {

/// One dense layer, `y = W x + b`.
struct DenseLayer {
  int inputs = 0, outputs = 0;
  std::vector<float> weight;  ///< [outputs][inputs]
  std::vector<float> bias;    ///< [outputs]
};

/// A multilayer perceptron with one activation behind every layer but the last.
struct MlpWeights {
  std::string activation = "elu";  ///< elu, tanh, relu or silu
  std::vector<DenseLayer> layers;
};

/// `action = clip(centre + scale * mlp(clip((observation - mean) * inverse_deviation(variance), +-observation_clip)),
/// low, high)`, in the task's units; `inverse_deviation` is kernels/control.hpp's.
struct Policy {
  std::string task;
  std::string robot;                         ///< of a walking task, where it is known; else empty
  std::map<std::string, std::string> facts;  ///< what its file says of it: names, default pose, gains; lists are JSON
  MlpWeights actor;
  std::vector<float> log_std;  ///< [actions], of the network's output; only training uses it
  std::vector<float> observation_mean, observation_variance;  ///< [observations]
  float observation_clip = 10.0f;
  std::vector<float> action_centre, action_scale, action_low, action_high;  ///< [actions]

  int observations() const { return static_cast<int>(observation_mean.size()); }
  int actions() const { return static_cast<int>(action_centre.size()); }
};

}  // namespace stampede
