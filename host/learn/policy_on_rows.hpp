#pragma once
/// \file StandalonePolicy on any backend.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/engine/standalone_policy.hpp"
#include "host/learn/acting_policy.hpp"
#include "kernels/lanes.hpp"

namespace stampede {

template <class Backend>
class PolicyOnRows final : public StandalonePolicy {
 public:
  using Context = typename Backend::Context;

  /// The backend is the policy's own. Throws Error where `rows` is below 1, or where the engine does not know a module
  /// of the network.
  PolicyOnRows(std::unique_ptr<Backend> backend, const Policy& policy, int rows)
      : backend_(std::move(backend)),
        rows_(checked(policy, rows)),
        observations_(policy.observations()),
        actions_(policy.actions()),
        policy_(*backend_, policy, padded(rows_)),
        observation_(backend_->template make_buffer<float>(padded(rows_) * observations_)),
        action_(backend_->template make_buffer<float>(padded(rows_) * actions_)),
        begins_(backend_->template make_buffer<float>(padded(rows_))) {
    const std::vector<float> none(static_cast<std::size_t>(observation_.size()), 0.0f);
    backend_->upload(observation_, none.data(), observation_.size());
  }

  void act(const float* observations, float* actions) override {
    backend_->upload(observation_, observations, rows_ * observations_);
    backend_->for_tiles(padded(rows_), [&](const Context& context, Range range) {
      policy_.act(context, range, observation_.data(), action_.data());
    });
    backend_->download(action_, actions, rows_ * actions_);
  }

  void reset(const float* which) override {
    if (which == nullptr) return policy_.reset(*backend_);
    std::vector<float> begins(static_cast<std::size_t>(padded(rows_)), 0.0f);
    std::copy(which, which + rows_, begins.begin());
    backend_->upload(begins_, begins.data(), begins_.size());
    backend_->for_tiles(padded(rows_),
                        [&](const Context& context, Range range) { policy_.forget(context, range, begins_.data()); });
    backend_->synchronise();
  }

  bool has_state() const override { return policy_.states() > 0; }

 private:
  static Index checked(const Policy& policy, int rows) {
    if (policy.actor.empty()) throw Error("policy: it has no network");
    if (rows < 1) throw Error("policy: " + std::to_string(rows) + " rows are out of range; 1 or more would be right");
    return rows;
  }

  std::unique_ptr<Backend> backend_;
  Index rows_, observations_, actions_;
  ActingPolicy<Backend> policy_;
  typename Backend::template Buffer<float> observation_, action_, begins_;
};

}  // namespace stampede
