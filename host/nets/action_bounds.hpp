#pragma once
/// \file From a policy's output to actions in the task's units (kernels/policy.hpp), for training and evaluation.

#include <vector>

#include "kernels/policy.hpp"

namespace stampede {

/// Centre, scale, lower and upper bound of each action, one row after the other in one buffer on the device.
template <class Backend>
class ActionBounds {
 public:
  ActionBounds(Backend& backend, const std::vector<float>& centre, const std::vector<float>& scale,
               const std::vector<float>& low, const std::vector<float>& high)
      : actions_(static_cast<Index>(centre.size())), data_(backend.template make_buffer<float>(4 * actions_)) {
    Index at = 0;
    for (const std::vector<float>* values : {&centre, &scale, &low, &high}) {
      backend.upload(data_, values->data(), actions_, at);
      at += actions_;
    }
  }
  ActionScaling scaling() {
    float* data = data_.data();
    return {data, data + actions_, data + 2 * actions_, data + 3 * actions_};
  }

 private:
  Index actions_;
  typename Backend::template Buffer<float> data_;
};

}  // namespace stampede
