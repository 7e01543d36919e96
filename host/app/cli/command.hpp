#pragma once
/// \file What the commands share: flags, output, and how a command is added and run.

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/app/session/evaluation_figures.hpp"
#include "host/app/session/time_shares.hpp"
#include "host/base/error.hpp"
#include "host/engine/loader.hpp"
#include "host/task/planned_task.hpp"

namespace stampede::cli {

using Json = nlohmann::ordered_json;

/// What a command ends with.
struct Outcome {
  Json json = Json::object();  ///< the command's own keys
  std::string text;            ///< the same for people to read
  Processor processor;
  Status status = Status::kDone;
  bool silent = false;  ///< another process speaks to the user
};

/// Flags that every command has.
struct CommonFlags {
  bool json = false;
  std::string device = "auto";
  int threads = 0;  ///< 0: not given, all cores
};

/// Flags of the commands that take settings. Their values are kept as text; resolve_settings reads and checks them
/// (host/task/settings_io.hpp).
struct SettingsFlags {
  std::string task, algo, preset, seed, num_envs, iterations, config, objective, robot, finetune;
  std::vector<std::string> set;

  /// All that were given, as sources.
  SettingsSources sources() const;
};

/// The command that was chosen on the command line.
struct Chosen {
  std::string name;
  const CommonFlags* common = nullptr;
  std::function<Outcome()> run;
};

/// Adds a command with the common flags; `run` is called when it is chosen.
CLI::App* add_command(CLI::App& parent, Chosen& chosen, const std::string& name, const std::string& description,
                      const std::string& example, std::shared_ptr<CommonFlags> common, std::function<Outcome()> run);

/// The task's flag.
void add_task_flag(CLI::App& command, SettingsFlags& flags);
/// --seed, --config, --set.
void add_settings_flags(CLI::App& command, SettingsFlags& flags);
/// Lets every command below `app` take --seed, --config, --set and --force, without effect where it has none of its
/// own: one set of flags fits all commands.
void accept_shared_flags(CLI::App& app);

/// Chooses the device without loading it; fills in the outcome's processor.
DeviceChoice name_device(const CommonFlags& common, Outcome& outcome);

/// Loads the engine and says on stderr why it is not the GPU. Fills in the outcome's processor.
std::unique_ptr<Engine> load_engine(const CommonFlags& common, Outcome& outcome);

/// Throws Error where a launcher has started several processes: this command trains in one.
void refuse_ranks(const std::string& command);

/// A line on stderr, "stampede: ...".
void say(const std::string& line);

/// Throws Error where `path` exists and `force` is not given.
void refuse_to_overwrite(const std::string& flag, const std::string& path, bool force);

/// The settings of a training. Throws Error where their algorithm teaches a student, which needs a teacher.
Settings training_settings(const SettingsFlags& flags);

/// `share_physics`, ..., `share_update`: where the iterations' time went; null: nothing told of it.
Json shares_json(const TimeShares& shares);

/// The results of a walking task's evaluation for people to read: what legged_json has.
std::string text_of_legged(const TaskSpec& task, const Evaluation& evaluation);

/// "12.3 M".
std::string short_number(double value);

/// With `digits` digits behind the point; "-" where the value is not finite, as a mean over nothing.
std::string fixed(double value, int digits);

// One for each command, each in a file of its own; main.cpp calls them.
void add_list(CLI::App& app, Chosen& chosen);
void add_info(CLI::App& app, Chosen& chosen);
void add_train(CLI::App& app, Chosen& chosen);
void add_distill(CLI::App& app, Chosen& chosen);
void add_pipeline(CLI::App& app, Chosen& chosen);
void add_eval(CLI::App& app, Chosen& chosen);
void add_export(CLI::App& app, Chosen& chosen);
void add_record(CLI::App& app, Chosen& chosen);
void add_import(CLI::App& app, Chosen& chosen);
void add_bench(CLI::App& app, Chosen& chosen);
void add_parity(CLI::App& app, Chosen& chosen);
void add_play(CLI::App& app, Chosen& chosen);

}  // namespace stampede::cli
