#pragma once
/// \file A batch of environments of a task that is chosen at run time, on any backend.

#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "envs/batch.hpp"
#include "envs/tasks.hpp"
#include "kernels/control.hpp"

namespace stampede {

template <class Backend>
class Environments {
 public:
  using Context = typename Backend::Context;
  virtual ~Environments() = default;

  virtual int observations() const = 0;
  virtual int actions() const = 0;
  virtual int states() const = 0;
  virtual int max_steps() const = 0;
  virtual void action_bounds(std::vector<float>& low, std::vector<float>& high) const = 0;

  /// Starts all anew and writes the first observations.
  virtual void reset(Backend& backend, std::uint64_t seed, bool random_phase, float* observation) = 0;
  /// One control step of a range, with actions [env][actions] in the task's units.
  virtual void step(const Context& context, Range range, std::uint64_t seed, const Control* control, int offset,
                    const float* action, const StepOutput& out) = 0;
  /// `steps` steps of a range with random actions.
  virtual void drive(const Context& context, Range range, std::uint64_t seed, std::uint32_t clock, int steps,
                     const StepOutput& out) = 0;

  Index count() const { return count_; }
  Index stride() const { return padded(count_); }
  EnvironmentView view() { return EnvironmentView::over(buffer_.data(), states(), stride()); }
  /// Everything: states, episodes, counters. [EnvironmentView::arrays(states)][stride].
  typename Backend::template Buffer<float>& buffer() { return buffer_; }

 protected:
  Index count_ = 0;
  typename Backend::template Buffer<float> buffer_;
};

template <class Backend, class Task>
class EnvironmentsOf final : public Environments<Backend> {
 public:
  using Context = typename Backend::Context;
  using Parameters = typename Task::Parameters;

  /// `values`: the parameters in the order of their declaration, or nothing for the defaults.
  EnvironmentsOf(Backend& backend, Index count, const std::vector<float>& values) {
    this->count_ = count;
    this->buffer_ = backend.template make_buffer<float>(EnvironmentView::arrays(kStates<Task>) * this->stride());
    std::size_t next = 0;
    Parameters::describe([&](const char*, float Parameters::*member, double, double, const char*) {
      if (next < values.size()) parameters_.*member = values[next];
      ++next;
    });
  }

  int observations() const override { return Task::kObservations; }
  int actions() const override { return Task::kActions; }
  int states() const override { return kStates<Task>; }
  int max_steps() const override { return Task::kMaxSteps; }

  void action_bounds(std::vector<float>& low, std::vector<float>& high) const override {
    Array<float, Task::kActions> a, b;
    Task::action_bounds(parameters_, a, b);
    low.assign(a.values, a.values + Task::kActions);
    high.assign(b.values, b.values + Task::kActions);
  }

  void reset(Backend& backend, std::uint64_t seed, bool random_phase, float* observation) override {
    backend.launch(this->stride(), ResetEnvironments<Task>{parameters_, this->view(), seed, random_phase, observation});
  }

  void step(const Context& context, Range range, std::uint64_t seed, const Control* control, int offset,
            const float* action, const StepOutput& out) override {
    context.launch(range, StepEnvironments<Task>{parameters_, this->view(), seed, &control->clock,
                                                 static_cast<std::uint32_t>(offset), action, out});
  }

  void drive(const Context& context, Range range, std::uint64_t seed, std::uint32_t clock, int steps,
             const StepOutput& out) override {
    DriveRandomly<Task> kernel{parameters_, this->view(), seed, clock, steps, {}, {}, out};
    Task::action_bounds(parameters_, kernel.low, kernel.high);
    context.launch(range, kernel);
  }

 private:
  Parameters parameters_;
};

/// The task of that name; null where there is none.
template <class Backend>
std::unique_ptr<Environments<Backend>> make_environments(Backend& backend, const std::string& task, Index count,
                                                         const std::vector<float>& parameters) {
  std::unique_ptr<Environments<Backend>> made;
  Tasks::for_each([&]<class Task>(Task) {
    if (task == Task::kName) made = std::make_unique<EnvironmentsOf<Backend, Task>>(backend, count, parameters);
  });
  return made;
}

}  // namespace stampede
