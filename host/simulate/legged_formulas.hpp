#pragma once
/// \file A walking task's formulas on a backend: their operations, and what they keep from step to step.

#include <type_traits>
#include <vector>

#include "envs/legged/formulas.hpp"
#include "host/engine/checkpoint_tensors.hpp"
#include "host/engine/task_spec.hpp"

namespace stampede {

template <class Backend, class Shape, class Real>
class Formulas {
 public:
  using Context = typename Backend::Context;
  template <class T>
  using Buffer = typename Backend::template Buffer<T>;

  /// `totals`: the task's metric rows [rows][stride]; rows of lanes are `lane_stride` apart.
  Formulas(Backend& backend, const FormulaSpec& spec, Index stride, Index lane_stride, float* totals)
      : spec_(spec), stride_(stride), lane_stride_(lane_stride), totals_{totals, spec.nonfinite, stride} {
    const auto upload = [&](auto& buffer, const auto& values) {
      if (values.empty()) return;
      const auto size = static_cast<Index>(values.size());
      buffer = backend.template make_buffer<typename std::decay_t<decltype(values)>::value_type>(size);
      backend.upload(buffer, values.data(), size);
    };
    upload(step_, spec.step);
    upload(observe_, spec.observe);
    upload(masks_, spec.masks);
    upload(places_, spec.places);
    upload(feet_, spec.feet);
    kept_ = backend.template make_buffer<float>(spec.kept * lane_stride);
    reward_ = backend.template make_buffer<float>(stride);
    end_ = backend.template make_buffer<float>(stride);
  }

  /// What FinishStep adds to the reward, and where it ends episodes, [stride] each.
  const float* reward() const { return reward_.data(); }
  const float* end() const { return end_.data(); }

  /// Behind a start of all environments.
  void start(const Context& context, Range lanes, const LeggedTask& task, float* policy, float* privileged) {
    context.launch(
        lanes, ObserveFormulas<Shape, Real>{task, list(observe_), tables(), nullptr, 0, totals_, policy, privileged});
  }
  /// Behind the physics, before FinishStep.
  void run(const Context& context, Range lanes, const LeggedTask& task, const StepOutput& out) {
    context.launch(lanes,
                   RunFormulas<Shape, Real>{task, list(step_), tables(), out, totals_, reward_.data(), end_.data()});
  }
  /// Behind FinishStep.
  void observe(const Context& context, Range lanes, const LeggedTask& task, const std::uint32_t* clock,
               std::uint32_t offset, const StepOutput& out) {
    if (spec_.observe.empty()) return;
    context.launch(lanes, ObserveFormulas<Shape, Real>{task, list(observe_), tables(), clock, offset, totals_,
                                                       out.observation, out.privileged_observation});
  }

  void save(Backend& backend, std::vector<Tensor>& tensors) {
    std::vector<float> values(static_cast<std::size_t>(kept_.size()));
    backend.download(kept_, values.data(), kept_.size());
    tensors.push_back(make_tensor("legged_formulas", {kept_.size() / lane_stride_, lane_stride_}, values));
  }
  void load(Backend& backend, const std::vector<Tensor>& tensors) {
    const auto values = floats_of(tensors, "legged_formulas", static_cast<std::size_t>(kept_.size()));
    backend.upload(kept_, values.data(), kept_.size());
  }

 private:
  static FormulaList list(const Buffer<FormulaStep>& steps) {
    return {steps.size() > 0 ? steps.data() : nullptr, static_cast<int>(steps.size())};
  }
  LeggedFormulaTables tables() {
    return {{masks_.size() > 0 ? masks_.data() : nullptr, places_.size() > 0 ? places_.data() : nullptr, kept_.data(),
             lane_stride_},
            feet_.size() > 0 ? feet_.data() : nullptr};
  }

  const FormulaSpec& spec_;
  Index stride_, lane_stride_;
  FormulaTotals totals_;
  Buffer<FormulaStep> step_, observe_;
  Buffer<LimbTable<float>> masks_;
  Buffer<LimbPlaces> places_;
  Buffer<LeggedFeet> feet_;
  Buffer<float> kept_, reward_, end_;
};

}  // namespace stampede
