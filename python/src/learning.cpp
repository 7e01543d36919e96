/// \file Policies, trainings, evaluations.
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "host/app/export/onnx.hpp"
#include "host/app/export/policy_file.hpp"
#include "host/app/export/policy_tensors.hpp"
#include "host/app/export/safetensors.hpp"
#include "host/app/session/chosen_policy.hpp"
#include "host/app/session/evaluate.hpp"
#include "host/app/session/evaluation_figures.hpp"
#include "host/app/session/initial_policy.hpp"
#include "host/app/session/run_contents.hpp"
#include "host/app/session/training.hpp"
#include "host/base/error.hpp"
#include "host/base/files.hpp"
#include "python/src/bindings.hpp"
#include "python/src/tasks.hpp"

namespace stampede::python {
namespace {

/// outputs, inputs, weight [outputs][inputs], bias [outputs]
using GivenLayer = std::tuple<int, int, std::vector<float>, std::vector<float>>;

/// Writes dense layers that were trained elsewhere as a policy of the task; the Python package has checked them.
/// `deviation`: what observations are divided by; the file has the variance that gives it (inverse_deviation).
void write_policy(const PlannedTask& planned, const std::string& file, const std::vector<GivenLayer>& given,
                  const std::string& activation, std::vector<float> mean, const std::vector<double>& deviation,
                  float clip) {
  const TaskSpec& task = *planned.spec;
  std::vector<DenseLayer> layers;
  for (const auto& [outputs, inputs, weight, bias] : given) layers.push_back({inputs, outputs, weight, bias});
  Policy policy;
  policy.task = task.name;
  policy.actor = {dense_module("actor", activation, layers)};
  policy.log_std.assign(task.action.names.size(), 0.0f);
  policy.observation_mean = std::move(mean);
  for (const double divisor : deviation) {
    policy.observation_variance.push_back(static_cast<float>(std::fmax(divisor * divisor - 1e-8, 0.0)));
  }
  policy.observation_clip = clip;
  policy.action_centre = task.action.centre;
  policy.action_scale = task.action.scale;
  policy.action_low = task.action.low;
  policy.action_high = task.action.high;
  const bool tensors = std::filesystem::path(file).extension() == ".safetensors";
  write_file(file, tensors ? to_policy_safetensors(policy, task) : to_onnx(policy, task));
}

/// A policy that acts on as many rows as it is given. Where the network carries a state, other numbers of rows begin
/// anew.
class LoadedPolicy {
 public:
  LoadedPolicy(SharedEngine engine, const std::string& path) : engine_(std::move(engine)) {
    std::error_code code;
    policy_ = std::filesystem::is_directory(path, code) ? load_run(path, {}, "load").policy : read_policy_file(path);
  }

  const Policy& policy() const { return policy_; }

  Array<float> act(const nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>& observations) {
    const std::size_t rows = observations.shape(0), actions = static_cast<std::size_t>(policy_.actions());
    auto out = std::make_unique<float[]>(rows * actions);
    {
      const nb::gil_scoped_release free;
      const Claim claim(busy_, "policy");
      if (rows > 0) runner(rows).act(observations.data(), out.get());
    }
    float* const data = out.get();
    const nb::capsule owner(out.release(), [](void* p) noexcept { delete[] static_cast<float*>(p); });
    return Array<float>(data, {rows, actions}, owner);
  }

  void reset(const std::vector<float>& which) {
    const Claim claim(busy_, "policy");
    if (runner_ == nullptr) return;
    if (which.empty()) return runner_->reset(nullptr);
    if (which.size() != rows_) {
      throw Error("reset: a mask of " + std::to_string(which.size()) + " is given; the policy last acted on " +
                  std::to_string(rows_) + " rows");
    }
    runner_->reset(which.data());
  }

 private:
  StandalonePolicy& runner(std::size_t rows) {
    if (runner_ == nullptr || rows != rows_) {
      runner_ = engine_->make_policy(policy_, static_cast<int>(rows));
      rows_ = rows;
    }
    return *runner_;
  }

  SharedEngine engine_;
  Policy policy_;
  std::unique_ptr<StandalonePolicy> runner_;
  std::atomic<bool> busy_{false};
  std::size_t rows_ = 0;
};

nb::dict dict_of(const Report& report) {
  nb::dict told;
  told["iteration"] = report.iteration;
  told["steps"] = report.steps;
  for (std::size_t i = 0; i < report.table->size(); ++i) {
    const MetricInfo& metric = (*report.table)[i];
    const nb::str name(metric.name.c_str());
    if (metric.integer) {
      told[name] = report.count(metric.name);
    } else {
      told[name] = report.values[i];
    }
  }
  return told;
}

/// Calls Python after each iteration. What Python throws, Ctrl-C included, stops the training, which saves itself, and
/// is thrown again behind it.
class Reporter {
 public:
  explicit Reporter(nb::object on_report) : on_report_(std::move(on_report)) {}

  void take(const Progress& progress) {
    const nb::gil_scoped_acquire held;
    if (thrown_) return;
    try {
      if (PyErr_CheckSignals() != 0) throw nb::python_error();
      if (!on_report_.is_none() && nb::cast<bool>(nb::bool_(on_report_(dict_of(progress.report))))) stop_ = true;
    } catch (nb::python_error& error) {
      thrown_.emplace(std::move(error));
      stop_ = true;
    }
  }
  const std::atomic<bool>* stop() const { return &stop_; }
  void throw_again() {
    if (thrown_) throw std::move(*thrown_);
  }

 private:
  nb::object on_report_;
  std::optional<nb::python_error> thrown_;
  std::atomic<bool> stop_{false};
};

struct TrainArguments {
  std::vector<Keyword> keywords;
  std::vector<std::string> set;
  std::string config, run, resume, init, device;
  int threads;
  bool force;
  std::int64_t stop_after;
};

TrainResult begin_or_go_on(const TrainArguments& given, const TrainOptions& options) {
  if (!given.resume.empty()) return resume_training(given.resume, options);
  const PlannedTask task = plan_task(training_settings(sources_of(given.keywords, given.set, given.config)));
  return train(task, given.init.empty() ? options : beginning_with(given.init, task, "init", options));
}

nb::dict train_run(TrainArguments given, nb::object on_report, nb::object on_message) {
  Reporter reporter(std::move(on_report));
  TrainOptions options;
  options.device = given.device;
  options.threads = given.threads;
  options.run = given.run;
  options.force = given.force;
  options.stop_after = given.stop_after;
  options.stop = reporter.stop();
  options.progress = [&](const Progress& progress) { reporter.take(progress); };
  options.message = [&](const std::string& line) {
    const nb::gil_scoped_acquire held;
    try {
      on_message(line);
    } catch (nb::python_error& error) {
      error.discard_as_unraisable("stampede.train");
    }
  };
  TrainResult result;
  {
    const nb::gil_scoped_release free;
    result = begin_or_go_on(given, options);
  }
  reporter.throw_again();
  nb::dict told;
  told["run"] = result.run.string();
  told["finished"] = result.finished;
  told["interrupted"] = result.interrupted;
  told["iterations"] = result.iterations;
  told["steps"] = result.steps;
  told["seconds_train"] = result.seconds_train;
  told["steps_per_second"] = result.steps_per_second;
  told["policy_iteration"] = result.policy_iteration;
  const bool evaluated = result.evaluation.episodes > 0;
  told["evaluation"] = evaluated ? evaluation_json(*result.task.spec, result.evaluation).dump() : std::string("{}");
  return told;
}

/// evaluation_json, with what was chosen, as JSON. `trace`: the file for every step; empty: none.
std::string evaluate_policy(const std::string& device, int threads, const PolicySource& source, EvaluateOptions options,
                            const std::string& trace) {
  options.trace = !trace.empty();
  const ChosenPolicy chosen = choose_policy(source, "evaluate");
  const EvaluationPlan plan = plan_evaluation(chosen.task, options);
  const std::unique_ptr<Engine> engine = make_engine(choose_device(device), threads);
  const Evaluation evaluation = evaluate(*engine, chosen.task, chosen.policy, plan);
  if (options.trace) {
    write_file(trace, to_safetensors(evaluation.trace, policy_facts(chosen.policy, *chosen.task.spec)));
  }
  nlohmann::ordered_json told = {{"task", chosen.task.spec->name},
                                 {"simulator", plan.mujoco ? "mujoco" : "stampede"},
                                 {"randomise", plan.randomise},
                                 {"seed", plan.seed}};
  told.update(evaluation_json(*chosen.task.spec, evaluation));
  told["notes"] = chosen.notes;
  return told.dump();
}

}  // namespace

void add_learning(nb::module_& module) {
  nb::class_<LoadedPolicy>(module, "LoadedPolicy", "A policy by itself.")
      .def(nb::init<SharedEngine, const std::string&>(), nb::arg("engine"), nb::arg("path"))
      .def("act", &LoadedPolicy::act, nb::arg("observations"))
      .def("reset", &LoadedPolicy::reset, nb::arg("which"))
      .def_prop_ro("observations", [](const LoadedPolicy& self) { return self.policy().observations(); })
      .def_prop_ro("actions", [](const LoadedPolicy& self) { return self.policy().actions(); })
      .def_prop_ro("task", [](const LoadedPolicy& self) { return self.policy().task; })
      .def_prop_ro("robot", [](const LoadedPolicy& self) { return self.policy().robot; })
      .def_prop_ro("facts", [](const LoadedPolicy& self) { return self.policy().facts; });

  module.def("write_policy", &write_policy, nb::arg("task"), nb::arg("file"), nb::arg("layers"), nb::arg("activation"),
             nb::arg("mean"), nb::arg("deviation"), nb::arg("clip"), nb::call_guard<nb::gil_scoped_release>(),
             "Dense layers (outputs, inputs, weight, bias) as a policy of the task: .safetensors, else ONNX.");

  module.def(
      "train",
      [](const std::vector<Keyword>& keywords, const std::vector<std::string>& set, const std::string& config,
         const std::string& run, const std::string& resume, const std::string& init, const std::string& device,
         int threads, bool force, std::int64_t stop_after, nb::object on_report, nb::object on_message) {
        return train_run({keywords, set, config, run, resume, init, device, threads, force, stop_after},
                         std::move(on_report), std::move(on_message));
      },
      nb::arg("keywords"), nb::arg("set"), nb::arg("config"), nb::arg("run"), nb::arg("resume"), nb::arg("init"),
      nb::arg("device"), nb::arg("threads"), nb::arg("force"), nb::arg("stop_after"), nb::arg("on_report").none(),
      nb::arg("on_message"));

  module.def(
      "evaluate",
      [](const std::string& run, const std::string& policy, const std::string& task,
         const std::vector<Keyword>& keywords, const std::vector<std::string>& set,
         std::optional<std::int64_t> episodes, std::optional<std::uint64_t> seed, const std::string& randomise,
         const std::string& simulator, const std::string& trace, const std::string& device, int threads) {
        const PolicySource source{run, policy, task, sources_of(keywords, set, "")};
        return evaluate_policy(device, threads, source, {episodes, seed, randomise, simulator}, trace);
      },
      nb::arg("run"), nb::arg("policy"), nb::arg("task"), nb::arg("keywords"), nb::arg("set"),
      nb::arg("episodes").none(), nb::arg("seed").none(), nb::arg("randomise"), nb::arg("simulator"), nb::arg("trace"),
      nb::arg("device"), nb::arg("threads"), nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace stampede::python
