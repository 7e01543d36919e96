#pragma once
/// \file Where the time of a training's iterations goes.

#include <string>
#include <utility>
#include <vector>

#include "host/engine/metrics.hpp"

namespace stampede {

/// Adds up what iterations report of their time, the metrics `seconds_<part>`: of the rollout, of what is measured of
/// it (physics, pictures, teacher, inference, constraints), and of the update.
class TimeShares {
 public:
  void add(const Report& report);
  /// A part's share of rollouts and updates together, in [0, 1]. NaN where no iteration told of it.
  double of(const std::string& part) const;
  /// "physics 9 %, inference 27 %, update 64 %": all that is known but the rollout as a whole, which its parts make up.
  /// "rollout 36 %, update 64 %" where those are not measured. Empty where no iteration was added.
  std::string text() const;

 private:
  double seconds_of(const std::string& part) const;

  std::vector<std::pair<std::string, double>> seconds_;  ///< of each part, in the order in which they were reported
};

}  // namespace stampede
