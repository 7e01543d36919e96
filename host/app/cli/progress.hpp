#pragma once
/// \file The line that shows how far a training is.

#include <string>

#include "host/app/session/training.hpp"

namespace stampede::cli {

/// On a terminal one line that is overwritten; elsewhere a new line at each tenth of the iterations and after ten
/// seconds without one.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void show(const Progress& progress);

  /// Leaves the line as it stands; what is printed next starts a new one.
  void finish();

 private:
  bool terminal_;
  bool open_ = false;  ///< whether the line on the terminal still lacks its newline
  double last_ = 0;    ///< seconds_now() when it was shown last [s]
};

/// "iteration 12/300  1.2 M steps/s  return -431.0  rollout 40 % update 60 %  0:07 left".
std::string progress_text(const Progress& progress);

}  // namespace stampede::cli
