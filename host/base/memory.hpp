#pragma once
/// \file Errors for memory that runs out: the code that needed it says what for, and how to need less.

#include <cstddef>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "host/base/error.hpp"

namespace stampede {

/// Thrown where a device's memory runs out; `what()` says how much there was.
class __attribute__((visibility("default"))) OutOfMemory : public std::bad_alloc {
 public:
  explicit OutOfMemory(std::string message) : message_(std::move(message)) {}
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  std::string message_;
};

/// An amount of memory that is needed, as "3 MiB", below one MiB as "12 KiB": rounded up, so that it is never 0.
inline std::string text_of_needed(std::size_t bytes) {
  constexpr std::size_t kKibi = 1024, kMebi = kKibi * kKibi;
  const std::size_t unit = bytes < kMebi ? kKibi : kMebi;
  return std::to_string((bytes + unit - 1) / unit) + (bytes < kMebi ? " KiB" : " MiB");
}

/// The Error for memory that ran out: `what` the memory was for, and `advice` on how to need less.
inline Error out_of_memory(const std::exception& reason, const std::string& what, const std::string& advice) {
  const auto* device = dynamic_cast<const OutOfMemory*>(&reason);
  return Error("not enough memory for " + what + "; " + advice +
               (device != nullptr ? std::string(" (") + device->what() + ")" : ""));
}

/// Calls `work` and returns its result. Where memory runs out in it, throws the Error of out_of_memory().
template <class Work>
decltype(auto) within_memory(const std::string& what, const std::string& advice, Work&& work) {
  try {
    return std::forward<Work>(work)();
  } catch (const std::bad_alloc& reason) {
    throw out_of_memory(reason, what, advice);
  } catch (const std::length_error& reason) {  // more elements than any vector holds
    throw out_of_memory(reason, what, advice);
  }
}

}  // namespace stampede
