/// \file Recording of data sets.
#include "host/app/session/record.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "host/app/export/policy_tensors.hpp"
#include "kernels/constraints.hpp"

namespace stampede {
namespace {

/// One quantity of every step, as it is collected.
struct Column {
  std::string name;
  std::int64_t width;
  std::function<std::vector<float>()> read;  ///< [num_envs][width], of the current step
  bool before;                               ///< whether it is read before the step is taken
  std::vector<std::vector<float>> steps{};   ///< [step] of what was read
};

/// [columns][num_envs] as [num_envs][columns].
std::vector<float> transposed(const std::vector<float>& values, std::size_t columns) {
  std::vector<float> turned;
  turned.reserve(values.size());
  const std::size_t rows = values.size() / columns;
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t column = 0; column < columns; ++column) turned.push_back(values[column * rows + row]);
  }
  return turned;
}

class Recorder {
 public:
  Recorder(Engine& engine, std::shared_ptr<const TaskSpec> task, const Policy& policy, int episodes, std::uint64_t seed)
      : task_(std::move(task)),
        episodes_(static_cast<std::size_t>(episodes)),
        environment_(engine.make_environment({task_, episodes, seed})),
        runner_(environment_->make_policy_runner(policy)) {
    for (const ObservationGroup& group : task_->observations) {
      add("observation." + group.name, group.size(), true,
          [this, &group] { return environment_->observations(group.name).to_host(); });
    }
    add("action", task_->action.size(), true, [this] { return environment_->actions().to_host(); });
    add("reward", 1, false, [this] { return environment_->rewards().to_host(); });
    ended_ = columns_.size();
    add("ended", 1, false, [this] { return environment_->ended().to_host(); });
    if (const std::size_t columns = task_->constraints.columns.size(); columns > 0) {
      add("violation", static_cast<std::int64_t>(columns), false,
          [this, columns] { return transposed(environment_->violations().to_host(), columns); });
    }
  }

  DataSet record() {
    std::vector<std::int64_t> length(episodes_, 0);
    const ObservationGroup& last = task_->last();
    const auto width = static_cast<std::size_t>(last.size());
    std::vector<float> final_observation(episodes_ * width);
    std::size_t running = episodes_;
    for (std::int64_t step = 1; running > 0; ++step) {
      const std::vector<float> ended = take_step();
      std::vector<float> seen;
      for (std::size_t e = 0; e < episodes_; ++e) {
        if (ended[e] == 0.0f || length[e] > 0) continue;
        if (seen.empty()) seen = environment_->final_observations().to_host();
        length[e] = step;
        --running;
        std::copy_n(seen.begin() + static_cast<std::ptrdiff_t>(e * width), width,
                    final_observation.begin() + static_cast<std::ptrdiff_t>(e * width));
      }
    }
    DataSet set = laid_out(length);
    set.tensors.push_back(make_tensor("final_observation." + last.name,
                                      {set.sequences, static_cast<std::int64_t>(width)}, final_observation));
    set.counts = environment_->counts();
    return set;
  }

 private:
  void add(std::string name, std::int64_t width, bool before, std::function<std::vector<float>()> read) {
    columns_.push_back({std::move(name), width, std::move(read), before});
  }

  /// How each environment's episode went on.
  std::vector<float> take_step() {
    const DeviceArray actions = runner_->act();
    for (Column& column : columns_) {
      if (column.before) column.steps.push_back(column.read());
    }
    environment_->step(actions);
    for (Column& column : columns_) {
      if (!column.before) column.steps.push_back(column.read());
    }
    return columns_[ended_].steps.back();
  }

  /// Sequence after sequence, each as long as its episode.
  DataSet laid_out(const std::vector<std::int64_t>& length) {
    DataSet set;
    std::vector<std::int64_t> begin = {0};
    for (const std::int64_t steps : length) begin.push_back(begin.back() + steps);
    set.sequences = static_cast<std::int64_t>(length.size());
    set.steps = begin.back();
    set.tensors.push_back(make_tensor("sequence_begin", {set.sequences + 1}, begin.data(), Tensor::Type::kI64));
    for (Column& column : columns_) {
      std::vector<float> values;
      values.reserve(static_cast<std::size_t>(set.steps * column.width));
      for (std::size_t e = 0; e < episodes_; ++e) {
        for (std::int64_t step = 0; step < length[e]; ++step) {
          const auto row =
              column.steps[static_cast<std::size_t>(step)].begin() + static_cast<std::ptrdiff_t>(e) * column.width;
          values.insert(values.end(), row, row + column.width);
        }
      }
      column.steps.clear();
      if (column.name == "reward") {
        for (const float reward : values)
          set.return_mean += static_cast<double>(reward) / static_cast<double>(episodes_);
      }
      set.tensors.push_back(tensor_of(column, set.steps, values));
    }
    return set;
  }

  static Tensor tensor_of(const Column& column, std::int64_t steps, const std::vector<float>& values) {
    if (column.name == "ended") {
      const std::vector<std::uint32_t> kinds(values.begin(), values.end());
      return make_tensor(column.name, {steps}, kinds.data(), Tensor::Type::kU32);
    }
    if (column.name == "reward") return make_tensor(column.name, {steps}, values);
    return make_tensor(column.name, {steps, column.width}, values);
  }

  std::shared_ptr<const TaskSpec> task_;
  std::size_t episodes_;
  std::unique_ptr<VectorEnvironment> environment_;
  std::unique_ptr<PolicyRunner> runner_;
  std::vector<Column> columns_;
  std::size_t ended_ = 0;  ///< which of the columns says how the episodes went on
};

}  // namespace

DataSet record_episodes(Engine& engine, const PlannedTask& task, const Policy& policy, int episodes,
                        std::uint64_t seed) {
  DataSet set = Recorder(engine, task.spec, policy, episodes, seed).record();
  set.metadata = policy_facts(policy, *task.spec);
  set.metadata["format"] = kDataSetFormat;
  set.metadata["sequences"] = std::to_string(set.sequences);
  set.metadata["steps"] = std::to_string(set.steps);
  for (const ObservationGroup& group : task.spec->observations) {
    set.metadata["observation_names." + group.name] = nlohmann::json(group.names).dump();
  }
  nlohmann::json constraints = nlohmann::json::array();
  for (const ConstraintSpec& constraint : task.spec->constraints.list) {
    constraints.push_back({{"name", constraint.name},
                           {"kind", constraint.kind},
                           {"limit", constraint.limit},
                           {"begin", constraint.begin},
                           {"columns", constraint.columns}});
  }
  set.metadata["constraints"] = constraints.dump();
  set.metadata["not_applied"] = nlohmann::json(kNotApplied).dump();
  return set;
}

}  // namespace stampede
