#pragma once
/// \file Policies that act in a caller's environments.

#include <memory>
#include <string>

#include "host/learn/acting_policy.hpp"
#include "host/simulate/vector_environment.hpp"

namespace stampede {

/// Environments for callers' own actions, in which policies may act as well.
template <class Backend>
class ActingEnvironment final : public VectorEnvironmentOf<Backend> {
  using Base = VectorEnvironmentOf<Backend>;

 public:
  using Context = typename Backend::Context;
  using Base::Base;

  std::unique_ptr<PolicyRunner> make_policy_runner(const Policy& policy) override {
    check_fit(policy, this->task());
    this->backend().use_device();
    return std::make_unique<Runner>(*this, policy);
  }

 private:
  class Runner final : public PolicyRunner {
   public:
    Runner(ActingEnvironment& environment, const Policy& policy)
        : environment_(environment), policy_(environment.backend(), policy, environment.stride()) {}

    DeviceArray act() override {
      ActingEnvironment& e = environment_;
      const float *ended = e.data_of(Base::kEnded), *observation = e.data_of(Base::kPolicy);
      float* action = e.data_of(Base::kAction);
      e.backend().for_tiles(e.stride(), [&](const Context& context, Range range) {
        policy_.forget(context, range, ended);
        policy_.act(context, range, observation, action);
      });
      return e.actions();
    }
    void reset() override { policy_.reset(environment_.backend()); }

   private:
    ActingEnvironment& environment_;
    ActingPolicy<Backend> policy_;
  };
};

}  // namespace stampede
