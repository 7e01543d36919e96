#pragma once
/// \file The optimiser: Adam (kernels/adam.hpp) on a network's flat parameters.

#include <string>
#include <vector>

#include "host/learn/options.hpp"
#include "host/nets/actor_critic.hpp"
#include "kernels/adam.hpp"

namespace stampede {

template <class Backend>
class Adam {
 public:
  Adam(Backend& backend, ActorCritic<Backend>& networks, const AlgorithmSettings& settings)
      : backend_(backend),
        networks_(networks),
        max_gradient_norm_(settings.max_gradient_norm),
        target_kl_(settings.target_kl),
        schedule_(schedule_of(settings.schedule)),
        first_moment_(backend.template make_buffer<float>(networks.size())),
        second_moment_(backend.template make_buffer<float>(networks.size())),
        squared_norm_(backend.template make_buffer<float>(1)) {}

  /// Clips the gradient's norm and takes a step. `loss_sums` [kLossColumns]: sums of the loss's columns over the
  /// minibatch (kernels/ppo.hpp), for the report and for the adaptive learning rate.
  void step(const float* gradient, const float* loss_sums, Control* control) {
    const StepPreparation first = preparation(loss_sums, control);
    backend_.sum_then(networks_.size(), Squares{gradient}, first.squared_norm, first.prepare);
    take(gradient, control);
  }

  /// What step() does before take(), for a launch that makes a gradient and prepares the step at once.
  StepPreparation preparation(const float* loss_sums, Control* control) {
    float* const norm = squared_norm_.data();
    return {norm, {control, loss_sums, norm, max_gradient_norm_, schedule_, target_kl_}};
  }
  /// Takes a step that is prepared.
  void take(const float* gradient, const Control* control) {
    backend_.launch(networks_.size(),
                    AdamStep{networks_.parameters(), first_moment_.data(), second_moment_.data(), gradient, control});
    networks_.parameters_changed();
  }

  void save(std::vector<Tensor>& tensors) {
    networks_.to_tensors(first_moment_, "adam_first.", tensors);
    networks_.to_tensors(second_moment_, "adam_second.", tensors);
  }
  void load(const std::vector<Tensor>& tensors) {
    networks_.from_tensors(tensors, "adam_first.", first_moment_);
    networks_.from_tensors(tensors, "adam_second.", second_moment_);
  }

 private:
  Backend& backend_;
  ActorCritic<Backend>& networks_;
  float max_gradient_norm_, target_kl_;
  Schedule schedule_;
  typename Backend::template Buffer<float> first_moment_, second_moment_, squared_norm_;
};

}  // namespace stampede
