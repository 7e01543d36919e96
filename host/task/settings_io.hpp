#pragma once
/// \file Reading, layering, checking and writing of settings.
///
/// The layers, each overriding the one before: built-in defaults; the task's (`TaskInfo::defaults`); the algorithm's,
/// then what the task says of that algorithm; the preset's, then what the task says of that preset; a file; `--set`;
/// flags. A task's TOML tunes an algorithm or a preset in tables under `for`:
///
///     [algorithm]
///     learning_rate = 2e-3
///     [for.reinforce.algorithm]   # only with --algo reinforce
///     learning_rate = 1e-2
///
/// Every mistake is an Error of one line that names the file or flag, the key, the value and what would be right.

#include <string>
#include <vector>

#include "host/task/settings.hpp"
#include "host/task/task_info.hpp"

namespace stampede {

/// The folder beside a run's config.toml with its own copy of the robot (host/app/run/trained_robot.hpp).
inline constexpr const char* kTrainedRobot = "trained_robot";

/// One setting from the command line.
struct Override {
  std::string key;    ///< dotted, as in "train.num_envs"
  std::string value;  ///< as TOML; a bare word is a string
  std::string flag;   ///< what an error names, as in "--num-envs"
};

/// Where settings come from besides the built-in layers.
struct SettingsSources {
  std::string config_file;       ///< empty: none
  std::vector<std::string> set;  ///< "key=value" each
  std::vector<Override> flags;
  std::string default_algo = "ppo";  ///< where no source names one
  std::string config_table{};        ///< of the file, the top-level table that holds the settings; empty: all of it
};

/// All layers on top of each other; no robot is looked at. A task must be named by one of the sources.
Settings resolve_settings(const SettingsSources& sources);

/// One setting, as a user meets it.
struct SettingInfo {
  std::string table, key;  ///< "terrain", "levels": the key `terrain.levels` of --set
  std::string value;       ///< as TOML
  std::string allowed;     ///< what it may be, in words: "whole number, 1 to 100"
  std::string meaning;
};

/// Every setting of a task with the value that it has here, table by table, in the order of `config.toml`.
std::vector<SettingInfo> list_settings(const Settings& settings);

/// The settings as the file `config.toml`; `resolve_settings` of that file gives the same settings, even where the
/// task's own files have changed or gone since.
std::string to_toml(const Settings& settings);

/// The task of that name. `origin` is what an error names, as in "--task".
TaskInfo find_task(const std::string& name, const std::string& origin = "");

/// The settings' task in the catalogue, under its own name; without its files.
TaskInfo task_of(const Settings& settings);

}  // namespace stampede
