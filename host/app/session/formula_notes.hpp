#pragma once
/// \file Tells of formulas of a task's file that are not finite in some step, where they count as 0.

#include <fmt/format.h>

#include <cstddef>
#include <cstring>
#include <functional>
#include <set>
#include <string>

#include "host/engine/metrics.hpp"
#include "host/engine/task_spec.hpp"

namespace stampede {

/// Names each such formula once, in the first iteration in which it was not finite.
class FormulaNotes {
 public:
  void add(const Report& report, const std::function<void(const std::string&)>& message) {
    for (std::size_t i = 0; message && i < report.values.size(); ++i) {
      const std::string& name = (*report.table)[i].name;
      if (name.rfind(kNotFinite, 0) != 0 || !(report.values[i] > 0) || !told_.insert(name).second) continue;
      message(
          fmt::format("the formula of {} is not finite in {:.3g} % of the steps of iteration {}: there it counts as 0; "
                      "metrics.jsonl counts them as {}",
                      name.substr(std::strlen(kNotFinite)), 100 * report.values[i], report.iteration, name));
    }
  }

 private:
  std::set<std::string> told_;
};

}  // namespace stampede
