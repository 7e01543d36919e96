#pragma once
/// \file Tasks and their settings, as Python passes them.

#include <string>
#include <tuple>
#include <vector>

#include "host/task/planned_task.hpp"

namespace stampede::python {

/// A keyword argument that is a setting: key, value as TOML, and what an error calls it.
using Keyword = std::tuple<std::string, std::string, std::string>;

/// The sources of settings that the arguments are: keywords override `set`, "key=value" each, which overrides the file.
SettingsSources sources_of(const std::vector<Keyword>& keywords, const std::vector<std::string>& set,
                           const std::string& config);

}  // namespace stampede::python
