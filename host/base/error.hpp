#pragma once
/// \file The program's error: one line that says what is wrong, where, and what would be right.

#include <stdexcept>
#include <string>

namespace stampede {

/// Exit statuses of the program.
enum class Status : int { kDone = 0, kFailed = 1, kBadInput = 2, kInterrupted = 130 };

/// Thrown for everything that a user can put right. `what()` is one line without a trailing newline:
/// what is wrong, where (file, key, value), and what would be right.
class __attribute__((visibility("default"))) Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, Status status = Status::kBadInput)
      : std::runtime_error(message), status_(status) {}

  /// The exit status that the program ends with.
  Status status() const noexcept { return status_; }

 private:
  Status status_;
};

}  // namespace stampede
