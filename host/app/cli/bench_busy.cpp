/// \file `stampede bench busy`: how much longer a training takes beside other processes, and under a quota.
///
/// The training runs as a child process: alone, beside busy processes, in a control group with a quota. From a fair
/// scheduler each of T threads on P processors gets min(1, P / T) of a processor when alone, and min(1, P / (T + b P))
/// beside b busy processes for each processor; under a quota of q processors min(T, P) threads share them. What a
/// thread gets, divided by what it gets alone, is the case's `share`. A training that lost nothing beyond that would
/// take 1 / share times as long as alone.
#include "host/app/cli/bench_busy.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>

#include "host/app/cli/neighbours.hpp"
#include "host/base/interrupt.hpp"
#include "host/base/processors.hpp"

namespace stampede::cli {
namespace {

namespace fs = std::filesystem;

/// A temporary folder, which is removed with the object.
class TemporaryFolder {
 public:
  TemporaryFolder() : path_((fs::temp_directory_path() / "stampede-bench-XXXXXX").string()) {
    if (::mkdtemp(path_.data()) == nullptr) throw Error("cannot make a folder " + path_, Status::kFailed);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code code;
    fs::remove_all(path_, code);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct BusyFlags {
  SettingsFlags settings;
  int repetitions = 3;
  double quota = 1.5;
  std::string program;  ///< file of the program to measure; empty: this one
};

struct Case {
  std::string name;
  int busy_per_core = 0;
  double quota = 0;  ///< 0: none
  double share = 1;  ///< of the processor time that the training gets alone
  std::vector<ChildTimes> runs = {};
  std::vector<double> spinning = {};  ///< spinning_share() right before each run
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

template <class T, class Part>
double median_of(const std::vector<T>& all, const Part& part) {
  std::vector<double> values;
  for (const T& one : all) values.push_back(part(one));
  return median(values);
}

std::vector<std::string> training_arguments(const CommonFlags& common, const BusyFlags& flags, int threads,
                                            const std::string& folder) {
  const SettingsFlags& settings = flags.settings;
  std::vector<std::string> words = {"train", "--device", common.device, "--threads", std::to_string(threads),
                                    "--run", folder,     "--force"};
  const auto add = [&](const char* flag, const std::string& value) {
    if (!value.empty()) words.insert(words.end(), {flag, value});
  };
  add("--task", settings.task);
  add("--algo", settings.algo);
  add("--preset", settings.preset);
  add("--num-envs", settings.num_envs);
  add("--iterations", settings.iterations);
  add("--seed", settings.seed);
  add("--config", settings.config);
  for (const std::string& set : settings.set) add("--set", set);
  return words;
}

Outcome bench_busy(const CommonFlags& common, const BusyFlags& flags) {
  if (flags.repetitions < 1 || flags.repetitions > 1000) {
    throw Error(fmt::format("--repetitions {} is out of range; it must be 1 to 1000", flags.repetitions));
  }
  if (!(flags.quota > 0 && flags.quota <= 4096)) {
    throw Error(fmt::format("--quota {} is out of range; it must be above 0, up to 4096 processors", flags.quota));
  }
  const Settings settings = training_settings(flags.settings);
  Outcome outcome;
  name_device(common, outcome);
  const int threads = outcome.processor.threads, cores = usable_processors();
  const std::string program = flags.program.empty() ? fs::read_symlink("/proc/self/exe").string() : flags.program;
  if (::access(program.c_str(), X_OK) != 0) throw Error("--program " + program + ": is no program that can be run");

  const double alone = std::min(1.0, static_cast<double>(cores) / threads);
  const auto beside = [&](int busy) {
    return std::min(1.0, cores / static_cast<double>(threads + busy * cores)) / alone;
  };
  std::vector<Case> cases = {{"alone"}, {"1 busy a core", 1, 0, beside(1)}, {"2 busy a core", 2, 0, beside(2)}};
  const ProcessorQuota quota(flags.quota);
  if (!quota.members().empty()) {
    cases.push_back({fmt::format("quota of {} cores", flags.quota), 0, flags.quota,
                     std::min(1.0, flags.quota / std::min(threads, cores))});
  }

  // Ctrl-C ends the child process; the temporary folder and the control group are removed all the same.
  const std::atomic<bool>& interrupted = catch_interrupts();
  const TemporaryFolder folder;
  const auto arguments = training_arguments(common, flags, threads, folder.path() + "/run");
  constexpr double kProbe = 0.4;                             // [s]
  run_program(program, arguments, "");                       // not timed: from now on files come from the page cache
  for (int round = 0; round < flags.repetitions; ++round) {  // all cases in turn: the machine's load may drift
    for (Case& c : cases) {
      const std::string members = c.quota > 0 ? quota.members() : "";
      const BusyNeighbours neighbours(c.busy_per_core * cores);
      c.spinning.push_back(spinning_share(std::min(threads, cores), kProbe, members));
      if (interrupted) throw Error("interrupted", Status::kInterrupted);
      c.runs.push_back(run_program(program, arguments, members));
    }
  }

  const auto seconds = [](const ChildTimes& run) { return run.seconds; };
  const double seconds_alone = median_of(cases[0].runs, seconds), spinning_alone = median(cases[0].spinning);
  Json list = Json::array();
  double worst = 0, worst_spinning = 0;
  outcome.text = fmt::format("{}, {} threads on {} cores, medians of {}:\n  {:<20}{:>9}{:>13}{:>8}{:>8}{:>11}{:>8}\n",
                             settings.task, threads, cores, flags.repetitions, "", "seconds", "processor s", "share",
                             "ratio", "spinning", "ratio");
  for (const Case& c : cases) {
    const double wall = median_of(c.runs, seconds), slower = wall / seconds_alone;
    const double processor = median_of(c.runs, [](const ChildTimes& run) { return run.processor_seconds; });
    const double spinning = median(c.spinning) / spinning_alone;
    const double ratio = slower * c.share, ratio_spinning = slower * spinning;
    worst = std::max(worst, ratio);
    worst_spinning = std::max(worst_spinning, ratio_spinning);
    Json all = Json::array();
    for (const ChildTimes& run : c.runs) all.push_back(run.seconds);
    list.push_back({{"name", c.name},
                    {"busy_per_core", c.busy_per_core},
                    {"quota", c.quota > 0 ? Json(c.quota) : Json(nullptr)},
                    {"seconds", wall},
                    {"processor_seconds", processor},
                    {"share", c.share},
                    {"ratio", number_or_null(ratio)},
                    {"share_spinning", number_or_null(spinning)},
                    {"ratio_spinning", number_or_null(ratio_spinning)},
                    {"seconds_of_runs", all}});
    outcome.text += fmt::format("  {:<20}{:>9.3f}{:>13.3f}{:>8.3f}{:>8.2f}{:>11.3f}{:>8.2f}\n", c.name, wall, processor,
                                c.share, ratio, spinning, ratio_spinning);
  }
  outcome.json = {{"task", settings.task},
                  {"cores", cores},
                  {"repetitions", flags.repetitions},
                  {"cases", list},
                  {"ratio_max", number_or_null(worst)},
                  {"ratio_spinning_max", number_or_null(worst_spinning)},
                  {"no_quota", quota.reason().empty() ? Json(nullptr) : Json(quota.reason())}};
  outcome.text +=
      "share: what a fair scheduler leaves of it, of what it gets alone; spinning: what processes that only spin got\n"
      "there; ratio: how much longer than alone, times the share before it (1: nothing is lost beyond the share)\n";
  if (quota.members().empty()) outcome.text += "no quota: " + quota.reason() + "\n";
  return outcome;
}

}  // namespace

void add_bench_busy(CLI::App& bench, Chosen& chosen) {
  auto common = std::make_shared<CommonFlags>();
  auto flags = std::make_shared<BusyFlags>();
  CLI::App* command = add_command(bench, chosen, "busy", "Train beside busy processes, and under a quota",
                                  "stampede bench busy --task pendulum", common,
                                  [common, flags] { return bench_busy(*common, *flags); });
  add_task_flag(*command, flags->settings);
  add_settings_flags(*command, flags->settings);
  command->add_option("--algo", flags->settings.algo, "reinforce, reinforce-baseline, actor-critic or ppo (ppo)");
  command->add_option("--preset", flags->settings.preset, "size of the networks (default)");
  command->add_option("--num-envs", flags->settings.num_envs, "environments side by side");
  command->add_option("--iterations", flags->settings.iterations, "of each training (the task's)");
  command->add_option("--repetitions", flags->repetitions, "trainings of each case; the median counts")
      ->capture_default_str();
  command->add_option("--quota", flags->quota, "the last case's, in processors")->capture_default_str();
  command->add_option("--program", flags->program, "another build of the program to measure");
}

}  // namespace stampede::cli
