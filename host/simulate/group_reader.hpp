#pragma once
/// \file Reads a group of observations for a batch of environments: from what is measured to what is seen
/// (envs/readings.hpp).

#include <string>
#include <vector>

#include "envs/batch.hpp"
#include "envs/readings.hpp"
#include "host/engine/checkpoint_tensors.hpp"
#include "host/engine/task_spec.hpp"

namespace stampede {

/// Where first observations are written; `privileged` only where the task has such a group (TaskSpec::privileged).
struct FirstObservations {
  float* policy;
  float* privileged = nullptr;
};

template <class Backend>
class GroupReader {
 public:
  using Context = typename Backend::Context;

  /// `last`: whether final observations (StepOutput) are this group's.
  GroupReader(Backend& backend, const ObservationGroup& group, bool last, Index stride)
      : group_(group), last_(last), stride_(stride) {
    const auto floats = [&](Index count) { return backend.template make_buffer<float>(count * stride); };
    measured_ = floats(group.width());
    if (last) final_measured_ = floats(group.width());
    waiting_ = floats(group.delay * group.width());
    seen_ = floats(group.size());
    age_ = floats(1);
  }

  /// Replaces the group's pointer by that of what is measured, unless it is null: then nobody asks for the group.
  void redirect(FirstObservations& first) {
    float*& to = of_policy() ? first.policy : first.privileged;
    if (to != nullptr) to = measured_.data();
  }
  void redirect(StepOutput& out) {
    float*& to = of_policy() ? out.observation : out.privileged_observation;
    if (to == nullptr) return;
    to = measured_.data();
    if (!last_) return;
    out.final_observation = final_measured_.data();
    out.last_observation = nullptr;
  }

  /// All episodes start.
  void begin(Backend& backend, Index stride, const FirstObservations& first) {
    float* const out = of_policy() ? first.policy : first.privileged;
    if (out != nullptr) backend.launch(stride, kernel(out, nullptr, nullptr));
  }
  /// After a step.
  void read(const Context& context, Range range, const StepOutput& out) {
    float* const to = of_policy() ? out.observation : out.privileged_observation;
    if (to != nullptr)
      context.launch(range, kernel(to, out.ended, last_ ? out.final_observation : nullptr,
                                   last_ ? out.last_observation : nullptr));
  }

  void save(Backend& backend, std::vector<Tensor>& tensors) {
    for (const auto& [name, buffer, width] : parts()) {
      std::vector<float> values(static_cast<std::size_t>(buffer->size()));
      backend.download(*buffer, values.data(), buffer->size());
      tensors.push_back(make_tensor(name, {stride_, width}, values));
    }
  }
  void load(Backend& backend, const std::vector<Tensor>& tensors) {
    for (const auto& [name, buffer, width] : parts()) {
      const auto values = floats_of(tensors, name, static_cast<std::size_t>(buffer->size()));
      backend.upload(*buffer, values.data(), buffer->size());
    }
  }

 private:
  using Buffer = typename Backend::template Buffer<float>;
  struct Part {
    std::string name;
    Buffer* buffer;
    Index width;
  };
  /// What later steps depend on, for checkpoints.
  std::vector<Part> parts() {
    const std::string prefix = "observation_group/" + group_.name + "/";
    return {{prefix + "waiting", &waiting_, group_.delay * group_.width()},
            {prefix + "seen", &seen_, group_.size()},
            {prefix + "age", &age_, 1}};
  }

  bool of_policy() const { return group_.name == kPolicyGroup; }

  ReadGroup kernel(float* out, const float* ended, float* final_out, float* last_out = nullptr) {
    return {group_.width(),
            group_.every,
            group_.delay,
            group_.history,
            measured_.data(),
            ended,
            final_out != nullptr ? final_measured_.data() : nullptr,
            waiting_.data(),
            seen_.data(),
            age_.data(),
            out,
            final_out,
            last_out};
  }

  ObservationGroup group_;
  bool last_;
  Index stride_;
  Buffer measured_, final_measured_, waiting_, seen_, age_;
};

}  // namespace stampede
