#pragma once
/// \file VectorEnvironment on any backend: owns the arrays, takes the caller's actions, launches the environments'
/// steps. What policies do in it is added above (host/learn/policy_runner.hpp).

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/engine/checkpoint_tensors.hpp"
#include "host/engine/vector_environment.hpp"
#include "host/simulate/environments.hpp"
#include "kernels/control.hpp"
#include "kernels/math.hpp"

namespace stampede {

/// Limits actions to their ranges. One environment at a time, because the caller's array ends with the last of them: a
/// pack would read beyond it.
struct TakeActions {
  using Real = float;
  const float* given;       ///< [env][actions]
  const float *low, *high;  ///< [actions]
  int actions;
  float* action;  ///< [env][actions]; may be `given`

  template <class>
  STAMPEDE_FN void operator()(Index env) const {
    for (int a = 0; a < actions; ++a) {
      const Index at = env * actions + a;
      action[at] = clamp(given[at], low[a], high[a]);
    }
  }
};

/// Sets all that is counted of the environments back to 0.
struct ClearCounts {
  std::uint32_t* counts;

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    store(counts + first, UintOf<Real>(0u));
  }
};

template <class Backend>
class VectorEnvironmentOf : public VectorEnvironment {
 public:
  using Context = typename Backend::Context;

  /// The backend is the environments' own. Throws Error where the request cannot be met.
  VectorEnvironmentOf(std::unique_ptr<Backend> backend, const EnvironmentRequest& request)
      : backend_(std::move(backend)),
        task_(checked(request)),
        seed_(request.seed),
        random_phase_(request.random_initial_phase),
        environments_(make_environments(*backend_, {task_, request.num_envs, request.commands, nullptr})) {
    const Index envs = environments_->count(), stride = environments_->stride();
    const Index policy = task_->policy().size(), privileged = task_->privileged_size(), actions = task_->action.size();
    const auto rows_of_environments = [&](const std::string& name, Index columns) {
      return Held{name, backend_->template make_buffer<float>(stride * columns), envs, columns, columns};
    };
    held_[kAction] = rows_of_environments("action", actions);
    held_[kPolicy] = rows_of_environments("observation", policy);
    if (privileged > 0) {
      held_[kPrivileged] = rows_of_environments(task_->privileged()->name + "_observation", privileged);
    }
    held_[kFinal] = rows_of_environments("final_observation", privileged > 0 ? privileged : policy);
    held_[kReward] = rows_of_environments("reward", 1);
    held_[kEnded] = rows_of_environments("ended", 1);
    if (const auto columns = static_cast<Index>(task_->constraints.columns.size()); columns > 0) {
      const Index apart = odd_lines(stride);
      held_[kViolation] = {"violation", backend_->template make_buffer<float>(columns * apart), columns, envs, apart};
    }
    held_[kState] = {"state", backend_->template make_buffer<float>(task_->states * stride), task_->states, envs,
                     stride};
    bounds_ = backend_->template make_buffer<float>(2 * actions);
    backend_->upload(bounds_, task_->action.low.data(), actions);
    backend_->upload(bounds_, task_->action.high.data(), actions, actions);
    control_ = backend_->template make_buffer<Control>(1);
    const Control start{};
    backend_->upload(control_, &start, 1);
    reset();
  }

  const TaskSpec& task() const override { return *task_; }
  std::int64_t num_envs() const override { return environments_->count(); }

  void reset() override {
    environments_->reset(*backend_, seed_, random_phase_, {data_of(kPolicy), data_of(kPrivileged)});
    environments_->clear_statistics(*backend_);
    backend_->launch(kEnvironmentCounts * environments_->stride(), ClearCounts{environments_->view().counts});
    for (const Place place : {kFinal, kReward, kEnded, kViolation}) {
      auto& buffer = held_[place].buffer;
      const std::vector<float> none(static_cast<std::size_t>(buffer.size()), 0.0f);
      if (!none.empty()) backend_->upload(buffer, none.data(), buffer.size());
    }
    // Also for the environments that fill up the last pack: they are simulated as well, and these actions keep that
    // cheap.
    std::vector<float> centres;
    for (Index env = 0; env < environments_->stride(); ++env) {
      centres.insert(centres.end(), task_->action.centre.begin(), task_->action.centre.end());
    }
    backend_->upload(held_[kAction].buffer, centres.data(), static_cast<Index>(centres.size()));
    clock_ = 0;
  }

  void step(const DeviceArray& actions) override {
    const Held& own = held_[kAction];
    if (actions.rows != own.rows || actions.columns != own.columns) {
      refuse("[" + std::to_string(actions.rows) + "][" + std::to_string(actions.columns) + "]");
    }
    if (actions.data == nullptr) throw Error("actions: the array has no data");
    if (actions.stride != 0 && actions.stride != own.columns) {
      throw Error("actions: rows are " + std::to_string(actions.stride) + " floats apart; " +
                  std::to_string(own.columns) + ", without gaps, would be right");
    }
    if (actions.on_device && !kOnDevice) {
      throw Error("actions: the array lies on a GPU, the environments on the CPU; copy it to the host first");
    }
    if (actions.on_device == kOnDevice) {
      advance(actions.data);
    } else {
      advance_from_host(actions.data);
    }
  }

  void step(const std::vector<float>& actions) override {
    const Held& own = held_[kAction];
    if (static_cast<Index>(actions.size()) != own.rows * own.columns)
      refuse(std::to_string(actions.size()) + " values");
    if (kOnDevice) return advance_from_host(actions.data());
    advance(actions.data());
  }

  DeviceArray actions() override { return array_of(kAction); }
  DeviceArray observations(const std::string& group) override {
    if (group == task_->policy().name) return array_of(kPolicy);
    if (task_->privileged() != nullptr && group == task_->privileged()->name) return array_of(kPrivileged);
    std::string known;
    for (const ObservationGroup& each : task_->observations) known += (known.empty() ? "" : ", ") + each.name;
    throw Error("task '" + task_->name + "' has no group of observations '" + group + "'; it has: " + known);
  }
  DeviceArray rewards() override { return array_of(kReward); }
  DeviceArray ended() override { return array_of(kEnded); }
  DeviceArray final_observations() override { return array_of(kFinal); }
  DeviceArray violations() override { return array_of(kViolation); }

  DeviceArray states() override {
    backend_->for_tiles(environments_->stride(), [&](const Context& context, Range range) {
      environments_->copy_states(context, range, data_of(kState));
    });
    return array_of(kState);
  }

  void set_commands(const std::vector<float>& commands) override {
    check_commands(commands, num_envs());
    wait();
    environments_->set_commands(*backend_, commands);
  }

  void push(std::int64_t env, float x, float y) override {
    if (env < 0 || env >= num_envs()) {
      throw Error("environment " + std::to_string(env) + " is out of range; it must be from 0 to " +
                  std::to_string(num_envs() - 1));
    }
    environments_->push(*backend_, env, x, y);
  }

  VectorCounts counts() override {
    wait();
    VectorCounts counts;
    counts.steps = num_envs() * static_cast<std::int64_t>(clock_);
    counts.episodes = environments_->total(*backend_, kFinished);
    counts.nonfinite = environments_->total(*backend_, kNonfinite);
    counts.contacts_over_slots = environments_->total(*backend_, kOverSlots);
    return counts;
  }

  std::vector<Tensor> state() override {
    wait();
    std::vector<Tensor> tensors;
    environments_->save(*backend_, tensors);
    for (Held& each : held_) {
      if (is_saved(each)) tensors.push_back(make_tensor(each.name, {each.rows, each.columns}, packed(each)));
    }
    const std::int64_t progress[2] = {static_cast<std::int64_t>(seed_), static_cast<std::int64_t>(clock_)};
    tensors.push_back(make_tensor(kProgress, {2}, progress, Tensor::Type::kI64));
    return tensors;
  }

  void restore(const std::vector<Tensor>& tensors) override {
    wait();
    const auto progress = tensor_values<std::int64_t>(tensors, kProgress, Tensor::Type::kI64, 2);
    std::vector<std::vector<float>> values;
    for (const Held& each : held_) {
      const auto size = static_cast<std::size_t>(each.rows * each.columns);
      values.push_back(is_saved(each) ? floats_of(tensors, each.name, size) : std::vector<float>());
    }
    environments_->load(*backend_, tensors);
    for (std::size_t i = 0; i < held_.size(); ++i) {
      Held& each = held_[i];
      if (!is_saved(each)) continue;
      for (Index row = 0; row < each.rows; ++row) {
        backend_->upload(each.buffer, values[i].data() + row * each.columns, each.columns, row * each.stride);
      }
    }
    seed_ = static_cast<std::uint64_t>(progress[0]);
    clock_ = static_cast<std::uint32_t>(progress[1]);
  }

  void wait() override { backend_->synchronise(); }
  void* stream() override {
    if constexpr (kOnDevice) {
      return static_cast<void*>(backend_->stream());
    } else {
      return nullptr;
    }
  }

  std::vector<float> read(const DeviceArray& array) override {
    for (Held& each : held_) {
      if (each.rows > 0 && each.buffer.data() == array.data) return packed(each);
    }
    if (array.rows == 0) return {};
    throw Error("to_host: the array is none of these environments'");
  }

 protected:
  enum Place : std::size_t { kAction, kPolicy, kPrivileged, kFinal, kReward, kEnded, kViolation, kState, kPlaces };

  Backend& backend() { return *backend_; }
  /// Rows of the arrays, the environments behind the last one included: a multiple of kMaxLanes.
  Index stride() const { return environments_->stride(); }
  /// An array on the device; null where the task has none of its kind.
  float* data_of(Place place) { return held_[place].rows > 0 ? held_[place].buffer.data() : nullptr; }

 private:
  /// Whether arrays lie on a GPU.
  static constexpr bool kOnDevice = requires(Backend & backend) { backend.stream(); };
  static constexpr const char* kProgress = "vector_environment";  ///< seed and steps taken

  struct Held {
    std::string name;
    typename Backend::template Buffer<float> buffer;
    Index rows = 0, columns = 0, stride = 0;  ///< without the environments that fill up the last pack
  };

  static std::shared_ptr<const TaskSpec> checked(const EnvironmentRequest& request) {
    if (request.task == nullptr) throw Error("environments need a task: plan_task(settings).spec is one");
    if (request.num_envs < 1) {
      throw Error("num_envs " + std::to_string(request.num_envs) + " is out of range; it must be at least 1");
    }
    const TaskSpec& task = *request.task;
    // Kernels index rows of observations with 31 bits.
    const Index widest = padded(std::max({task.policy().size(), task.privileged_size(), task.action.size()}));
    const Index most = (std::numeric_limits<std::int32_t>::max() / widest - kMaxLanes) / kMaxLanes * kMaxLanes;
    if (request.num_envs > most) {
      throw Error("num_envs " + std::to_string(request.num_envs) + " is out of range; of task '" + task.name +
                  "' it must be at most " + std::to_string(most));
    }
    if (!request.commands.empty()) {
      if (task.legged == nullptr) throw Error("task '" + task.name + "' has no commands: no robot walks in it");
      check_commands(request.commands, request.num_envs);
    }
    return request.task;
  }

  static void check_commands(const std::vector<float>& commands, std::int64_t num_envs) {
    if (static_cast<std::int64_t>(commands.size()) == 3 * num_envs) return;
    throw Error("commands: " + std::to_string(commands.size()) + " values are given; [" + std::to_string(num_envs) +
                "][3], forward, sideways and turning, would be right");
  }

  [[noreturn]] void refuse(const std::string& given) const {
    const Held& own = held_[kAction];
    throw Error("actions: " + given + " are given; [" + std::to_string(own.rows) + "][" + std::to_string(own.columns) +
                "], environments and actions, would be right");
  }

  DeviceArray array_of(Place place) {
    const Held& held = held_[place];
    return {data_of(place), held.rows, held.columns, kOnDevice, held.stride, this};
  }
  static bool is_saved(const Held& held) { return held.rows > 0 && held.name != "action" && held.name != "state"; }

  /// A copy [rows][columns] on the host.
  std::vector<float> packed(const Held& held) {
    const Index size = held.rows * held.stride;
    std::vector<float> all(static_cast<std::size_t>(size));
    backend_->download(held.buffer, all.data(), size);
    if (held.stride == held.columns) return all;
    std::vector<float> values;
    values.reserve(static_cast<std::size_t>(held.rows * held.columns));
    for (Index row = 0; row < held.rows; ++row) {
      const float* from = all.data() + row * held.stride;
      values.insert(values.end(), from, from + held.columns);
    }
    return values;
  }

  void advance_from_host(const float* actions) {
    Held& own = held_[kAction];
    backend_->upload(own.buffer, actions, own.rows * own.columns);
    advance(own.buffer.data());
  }

  void advance(const float* given) {
    StepOutput out{data_of(kReward), data_of(kEnded), data_of(kPolicy), data_of(kFinal)};
    out.privileged_observation = data_of(kPrivileged);
    out.violation = data_of(kViolation);
    out.violation_stride = held_[kViolation].stride;
    const auto actions = static_cast<int>(held_[kAction].columns);
    const TakeActions take{given, bounds_.data(), bounds_.data() + actions, actions, data_of(kAction)};
    backend_->for_tiles(environments_->stride(), [&](const Context& context, Range range) {
      context.launch({range.begin, std::min(range.end, environments_->count())}, take);
      environments_->step(context, range, seed_, control_.data(), static_cast<int>(clock_), take.action, out);
    });
    ++clock_;
  }

  std::unique_ptr<Backend> backend_;
  std::shared_ptr<const TaskSpec> task_;
  std::uint64_t seed_;
  bool random_phase_;
  std::unique_ptr<Environments<Backend>> environments_;
  std::array<Held, kPlaces> held_;
  typename Backend::template Buffer<float> bounds_;
  typename Backend::template Buffer<Control> control_;  ///< all zeros: steps get `clock_` as their offset
  std::uint32_t clock_ = 0;                             ///< steps taken
};

}  // namespace stampede
