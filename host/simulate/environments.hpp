#pragma once
/// \file A batch of environments of a task that is chosen at run time, on any backend.

#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "envs/batch.hpp"
#include "host/engine/checkpoint_tensors.hpp"
#include "host/engine/engine.hpp"
#include "host/engine/phase.hpp"
#include "host/simulate/group_reader.hpp"
#include "kernels/control.hpp"
#include "kernels/normalise.hpp"

namespace stampede {

/// Sets elements to 0.
struct ClearElements {
  float* to;
  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    store(to + first, Real(0.0f));
  }
};

/// Single steps of an evaluation, on the host: each environment's first episode counts.
struct EpisodeSteps {
  const std::vector<float>& figures;   ///< [steps][Environments::figures()][stride]
  const std::vector<float>& finished;  ///< [steps][stride]: 1 where the episode was over before that step
  std::vector<float> length;           ///< [count] of the episodes [control steps]
  std::vector<float> metric;           ///< [count]: the task's own
  Index steps, count, stride;

  /// body(step, environment) for each step that counts.
  template <class Body>
  void for_each(const Body& body) const {
    for (Index t = 0; t < steps; ++t) {
      for (Index env = 0; env < count; ++env) {
        if (finished[static_cast<std::size_t>(t * stride + env)] == 0.0f) body(t, env);
      }
    }
  }
};

/// Stores the drawing of each environment's state as rods (kernels/pixels.hpp); where it has fewer than kMost, the rest
/// are rods that cover nothing.
template <class Task>
struct StoreRods {
  typename Task::Parameters parameters;
  const float* state;  ///< [states][stride]
  Index stride;
  float* rods;  ///< [environment][Sketch::kMost][kRodNumbers]

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    STAMPEDE_NO_UNROLL
    for (Index environment = first; environment < first + kLanes<Real>; ++environment) {
      Array<float, kStates<Task>> members;
      for (int i = 0; i < kStates<Task>; ++i) members[i] = state[i * stride + environment];
      typename Task::template State<float> now;
      memcpy(&now, &members, sizeof now);
      const Sketch drawn = Task::sketch(parameters, now);
      float* to = rods + environment * Sketch::kMost * kRodNumbers;
      for (int i = 0; i < Sketch::kMost; ++i, to += kRodNumbers) {
        const bool there = i < drawn.strokes;
        const Stroke stroke = there ? drawn.stroke[i] : Stroke{};
        to[0] = stroke.x1;
        to[1] = stroke.y1;
        to[2] = stroke.x2;
        to[3] = stroke.y2;
        to[4] = there ? 0.5f * stroke.width : -1e6f;
        to[5] = stroke.ground ? kGroundGrey : kMovingGrey;
      }
    }
  }
};

/// Which environments, and how many.
struct EnvironmentsRequest {
  std::shared_ptr<const TaskSpec> task;
  Index count = 1;
  std::vector<float> commands;          ///< walking: [count][3], instead of drawn ones; or nothing
  ExternalPhysics* external = nullptr;  ///< walking: the engine to use instead of ours; on a CPU
  Index first_environment = 0;          ///< number of the first one among the environments of all ranks (Rank)
};

template <class Backend>
class Environments {
 public:
  using Context = typename Backend::Context;
  virtual ~Environments() = default;

  const TaskSpec& task() const { return *task_; }
  /// Rows of `StepOutput::figures`.
  virtual int figures() const { return 0; }
  /// Adds what only the task's family evaluates to the result.
  virtual void sum_up(Backend&, const EvaluationRequest&, const EpisodeSteps&, Evaluation&) {}
  /// Control steps, added up over the environments, that one launch of `drive` should take at least, for benchmarks.
  virtual Index worth_a_launch() const { return Index{1} << 22; }

  /// Starts all anew and writes the first observations, as their groups see them.
  void reset(Backend& backend, std::uint64_t seed, bool random_phase, const FirstObservations& first) {
    FirstObservations measured = first;
    for (auto& reader : readers_) reader->redirect(measured);
    reset_all(backend, seed, random_phase, measured);
    for (auto& reader : readers_) reader->begin(backend, stride(), first);
  }
  /// One control step of a range, with actions [env][actions] in the task's units. Marks its end: of the pictures'
  /// phase, where the policy sees any, as reading them is the last that is done.
  void step(const Context& context, Range range, std::uint64_t seed, const Control* control, int offset,
            const float* action, const StepOutput& out) {
    StepOutput measured = out;
    for (auto& reader : readers_) reader->redirect(measured);
    step_range(context, range, seed, control, offset, action, measured);
    for (auto& reader : readers_) reader->read(context, range, out);
    context.mark(task_->policy().pixels() > 0 ? Phase::kPictures : Phase::kPhysics);
  }
  /// `steps` steps of a range with random actions.
  virtual void drive(const Context& context, Range range, std::uint64_t seed, std::uint32_t clock, int steps,
                     const StepOutput& out) = 0;
  /// Copies the states of a range to [states][stride].
  virtual void copy_states(const Context& context, Range range, float* to) = 0;
  /// Other commands [count][3] than those of the request, from the next step on. The backend's work must be done.
  virtual void set_commands(Backend&, const std::vector<float>&) {
    throw Error("task '" + task_->name + "' has no commands: no robot walks in it");
  }
  /// Sets the horizontal velocity of an environment's base [m/s, world axes].
  virtual void push(Backend&, Index, float, float) {
    throw Error("task '" + task_->name + "' has no base that could be pushed: no robot walks in it");
  }
  /// What the task's own metrics are the means of, [TaskSpec::metric_rows][stride], summed since the statistics were
  /// cleared.
  virtual const float* metric_rows() { return nullptr; }
  /// Sets the statistics of finished episodes back to zero.
  virtual void clear_statistics(Backend& backend) { backend.launch(stride(), ClearStatistics{view()}); }

  /// Everything: states, episodes, counters. The backend's work must be done.
  virtual void save(Backend& backend, std::vector<Tensor>& tensors) {
    std::vector<float> values(static_cast<std::size_t>(buffer_.size()));
    backend.download(buffer_, values.data(), buffer_.size());
    tensors.push_back(make_tensor("environments", {buffer_.size() / stride(), stride()}, values));
    std::vector<std::uint32_t> counts(static_cast<std::size_t>(counts_.size()));
    backend.download(counts_, counts.data(), counts_.size());
    tensors.push_back(
        make_tensor("environment_counts", {kEnvironmentCounts, stride()}, counts.data(), Tensor::Type::kU32));
    for (auto& reader : readers_) reader->save(backend, tensors);
  }
  virtual void load(Backend& backend, const std::vector<Tensor>& tensors) {
    const auto size = static_cast<std::size_t>(kEnvironmentCounts * stride());
    std::vector<std::uint32_t> counts(size, 0u);
    std::vector<float> values;
    if (counts_among_floats(tensors)) {
      values = split_counts(tensors, counts);
    } else {
      values = floats_of(tensors, "environments", static_cast<std::size_t>(buffer_.size()));
      counts = tensor_values<std::uint32_t>(tensors, "environment_counts", Tensor::Type::kU32, size);
    }
    backend.upload(buffer_, values.data(), buffer_.size());
    backend.upload(counts_, counts.data(), counts_.size());
    for (auto& reader : readers_) reader->load(backend, tensors);
  }

  /// `environment` [n]: indices of environments whose state was not finite at some time; `state` [n, states]: the state
  /// of each before the last one that was not finite. Empty where there are none.
  std::vector<Tensor> last_finite(Backend& backend) {
    const auto rows = [&](typename Backend::template Buffer<float>& from, Index begin, Index size) {
      std::vector<float> values(static_cast<std::size_t>(size));
      backend.download(from, values.data(), size, begin);
      return values;
    };
    const std::vector<std::uint32_t> count = counts_of(backend, kNonfinite);
    const Index states = task_->states;
    const std::vector<float> kept = rows(buffer_of_last_finite(), begin_of_last_finite(), states * stride());
    std::vector<float> environment, state;
    for (Index env = 0; env < count_; ++env) {
      if (count[static_cast<std::size_t>(env)] == 0) continue;
      environment.push_back(static_cast<float>(env));
      for (Index i = 0; i < states; ++i) state.push_back(kept[static_cast<std::size_t>(i * stride() + env)]);
    }
    const auto found = static_cast<std::int64_t>(environment.size());
    if (found == 0) return {};
    return {make_tensor("environment", {found}, environment), make_tensor("state", {found, states}, state)};
  }

  Index count() const { return count_; }
  Index stride() const { return padded(count_); }
  /// Number of the first one among the environments of all ranks.
  Index first_environment() const { return first_environment_; }
  EnvironmentView view() {
    return EnvironmentView::over(buffer_.data(), counts_.data(), kept_states_, stride(), first_environment_);
  }
  /// Of all environments together. The backend's work must be done.
  std::int64_t total(Backend& backend, EnvironmentCount which) {
    std::int64_t sum = 0;
    for (const std::uint32_t count : counts_of(backend, which)) sum += count;
    return sum;
  }

 protected:
  /// `reset` and `step` with observations as they are measured, before groups read them.
  virtual void reset_all(Backend& backend, std::uint64_t seed, bool random_phase, const FirstObservations& first) = 0;
  virtual void step_range(const Context& context, Range range, std::uint64_t seed, const Control* control, int offset,
                          const float* action, const StepOutput& out) = 0;

  /// The buffer with the last finite states [states][stride], and where they begin in it.
  virtual typename Backend::template Buffer<float>& buffer_of_last_finite() { return buffer_; }
  virtual Index begin_of_last_finite() { return view().last_finite - buffer_.data(); }

  Environments(Backend& backend, const EnvironmentsRequest& request, int kept_states)
      : task_(request.task),
        count_(request.count),
        first_environment_(request.first_environment),
        kept_states_(kept_states),
        buffer_(backend.template make_buffer<float>(EnvironmentView::arrays(kept_states) * padded(count_))),
        counts_(backend.template make_buffer<std::uint32_t>(kEnvironmentCounts * padded(count_))) {
    for (const ObservationGroup& group : task_->observations) {
      if (group.direct()) continue;
      readers_.push_back(std::make_unique<GroupReader<Backend>>(backend, group, &group == &task_->last(), stride()));
    }
  }

 private:
  std::vector<std::uint32_t> counts_of(Backend& backend, EnvironmentCount which) {
    std::vector<std::uint32_t> values(static_cast<std::size_t>(count_));
    backend.download(counts_, values.data(), count_, which * stride());
    return values;
  }

  // Checkpoints of earlier builds have the counts as three more rows of floats.
  static constexpr int kOldRows = 3;

  bool counts_among_floats(const std::vector<Tensor>& tensors) const {
    const auto old = static_cast<std::size_t>(buffer_.size() + kOldRows * stride()) * sizeof(float);
    bool among = false;
    for (const Tensor& tensor : tensors) {
      if (tensor.name == "environment_counts") return false;
      among = among || (tensor.name == "environments" && tensor.bytes.size() == old);
    }
    return among;
  }
  /// Returns the rows without those of the counts, which become `counts`. Contacts over slots are not taken from there:
  /// the physics' rows have them, and the next step adds them.
  std::vector<float> split_counts(const std::vector<Tensor>& tensors, std::vector<std::uint32_t>& counts) const {
    const auto row = static_cast<std::size_t>(stride());
    auto values = floats_of(tensors, "environments", static_cast<std::size_t>(buffer_.size() + kOldRows * stride()));
    const std::size_t finished = static_cast<std::size_t>(kept_states_ + 3) * row, nonfinite = finished + 4 * row;
    for (std::size_t i = 0; i < row; ++i) {
      counts[kFinished * row + i] = static_cast<std::uint32_t>(values[finished + i]);
      counts[kNonfinite * row + i] = static_cast<std::uint32_t>(values[nonfinite + i]);
    }
    const auto at = [&](std::size_t place) { return values.begin() + static_cast<std::ptrdiff_t>(place); };
    values.erase(at(nonfinite), at(nonfinite + 2 * row));
    values.erase(at(finished), at(finished + row));
    return values;
  }

  std::shared_ptr<const TaskSpec> task_;
  Index count_, first_environment_;
  int kept_states_;
  typename Backend::template Buffer<float> buffer_;
  typename Backend::template Buffer<std::uint32_t> counts_;
  std::vector<std::unique_ptr<GroupReader<Backend>>>
      readers_;  ///< one for each group with a rate, a delay or a history
};

template <class Backend, class Task>
class EnvironmentsOf final : public Environments<Backend> {
 public:
  using Context = typename Backend::Context;
  using Parameters = typename Task::Parameters;

  EnvironmentsOf(Backend& backend, const EnvironmentsRequest& request)
      : Environments<Backend>(backend, request, kStates<Task>) {
    set_parameters(parameters_, this->task().parameters);
    if (kMeasures > 0) measures_ = backend.template make_buffer<float>(kMeasures * this->stride());
    if (this->task().pixels.height > 0) {
      measured_ = backend.template make_buffer<float>(Task::kObservations * this->stride());
      rods_ = backend.template make_buffer<float>(Sketch::kMost * kRodNumbers * this->stride());
    }
  }

  const float* metric_rows() override { return measures_.data(); }

  void reset_all(Backend& backend, std::uint64_t seed, bool random_phase, const FirstObservations& first) override {
    float* const measured = measured_.size() > 0 ? measured_.data() : first.policy;
    backend.launch(this->stride(), ResetEnvironments<Task>{parameters_, this->view(), seed, random_phase, measured});
    backend.for_tiles(this->stride(), [&](const Context& context, Range range) {
      pass_on(context, range, measured, first.privileged, first.policy);
    });
  }

  void step_range(const Context& context, Range range, std::uint64_t seed, const Control* control, int offset,
                  const float* action, const StepOutput& out) override {
    StepOutput to = out;
    to.measures = measures_.data();
    if (measured_.size() > 0) to.observation = measured_.data();
    context.launch(range, StepEnvironments<Task>{parameters_, this->view(), seed, &control->clock,
                                                 static_cast<std::uint32_t>(offset), action, to});
    pass_on(context, range, to.observation, out.privileged_observation, out.observation);
  }

  void drive(const Context& context, Range range, std::uint64_t seed, std::uint32_t clock, int steps,
             const StepOutput& out) override {
    DriveRandomly<Task> kernel{parameters_, this->view(), seed, clock, steps, {}, {}, out};
    Task::action_bounds(parameters_, kernel.low, kernel.high);
    if (measured_.size() == 0) return context.launch(range, kernel);
    // A picture is drawn after every step.
    kernel.steps = 1;
    kernel.out.observation = measured_.data();
    for (int t = 0; t < steps; ++t) {
      kernel.clock = clock + static_cast<std::uint32_t>(t);
      context.launch(range, kernel);
      pass_on(context, range, measured_.data(), nullptr, out.observation);
    }
  }

  void copy_states(const Context& context, Range range, float* to) override {
    for (Index s = 0; s < kStates<Task>; ++s) {
      context.launch(range, CopyElements{this->view().state + s * this->stride(), to + s * this->stride()});
    }
  }

  void clear_statistics(Backend& backend) override {
    Environments<Backend>::clear_statistics(backend);
    if (kMeasures > 0) backend.launch(kMeasures * this->stride(), ClearElements{measures_.data()});
  }

 private:
  static constexpr Index kMeasures = kMeasureCount<Task>;

  /// These tasks measure one row: `measured`, which the privileged group reads, where there is one, as the policy's
  /// does unless that sees a picture.
  void pass_on(const Context& context, Range range, const float* measured, float* privileged, float* policy) {
    if (privileged != nullptr) {
      context.launch({range.begin * Task::kObservations, range.end * Task::kObservations},
                     CopyElements{measured, privileged});
    }
    if (measured_.size() == 0 || policy == nullptr) return;
    context.mark(Phase::kPhysics);
    if constexpr (requires { &Task::sketch; }) {
      const PixelView& view = this->task().pixels;
      const Index pixels = static_cast<Index>(view.height) * view.width;
      context.launch(range, StoreRods<Task>{parameters_, this->view().state, this->stride(), rods_.data()});
      context.launch({range.begin * pixels, range.end * pixels}, DrawPixels{view, rods_.data(), Sketch::kMost, policy});
    }
  }

  Parameters parameters_;
  typename Backend::template Buffer<float>
      measures_;  ///< [kMeasures][stride], summed since the statistics were cleared
  typename Backend::template Buffer<float> measured_, rods_;  ///< where the policy sees a picture (StoreRods)
};

/// How a backend's environments of each kernel are made.
template <class Backend>
using MakeEnvironments = std::unique_ptr<Environments<Backend>> (*)(Backend&, const EnvironmentsRequest&);

/// What the module has kernels for, by TaskSpec::kernel. Each family of tasks registers itself when the module is
/// loaded.
template <class Backend>
std::map<std::string, MakeEnvironments<Backend>>& environment_registry() {
  static std::map<std::string, MakeEnvironments<Backend>> all;
  return all;
}

/// Registers tasks that are structs (envs/task.hpp). Returns true, for the initialiser of a variable.
template <class Backend, class... Task>
bool register_environments(TaskList<Task...>) {
  const auto add = []<class T>(T) {
    environment_registry<Backend>()[T::kName] = [](Backend& backend, const EnvironmentsRequest& request) {
      return std::unique_ptr<Environments<Backend>>(std::make_unique<EnvironmentsOf<Backend, T>>(backend, request));
    };
  };
  (add(Task{}), ...);
  return true;
}

/// Throws Error where the module has no kernels for the task.
template <class Backend>
std::unique_ptr<Environments<Backend>> make_environments(Backend& backend, const EnvironmentsRequest& request) {
  const auto found = environment_registry<Backend>().find(request.task->kernel);
  if (found == environment_registry<Backend>().end()) {
    throw Error("task '" + request.task->name + "': this engine has no kernels for '" + request.task->kernel + "'");
  }
  return found->second(backend, request);
}

}  // namespace stampede
