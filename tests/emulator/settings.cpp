/// \file Settings from the environment, and messages.
#include <execinfo.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <utility>

#include "internal.hpp"

namespace cuda_emulator {
namespace {

[[noreturn]] void unknown_value(const char* name, const std::string& value, const char* known) {
  std::fprintf(stderr, "cuda-emulator: error: %s: unknown value '%s'; known are %s\n", name, value.c_str(), known);
  std::_Exit(2);
}

Settings from_environment() {
  Settings s;
  const auto get = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  const auto number = [&](const char* name, std::uint64_t otherwise) {
    const std::string text = get(name);
    if (text.empty()) return otherwise;
    char* end = nullptr;
    const std::uint64_t value = std::strtoull(text.c_str(), &end, 10);
    if (*end != '\0') unknown_value(name, text, "whole numbers");
    return static_cast<decltype(otherwise)>(value);
  };
  if (const std::string order = get("CUDA_EMULATOR_ORDER"); order == "reverse") {
    s.order = Order::kReverse;
  } else if (order == "random") {
    s.order = Order::kRandom;
  } else if (!order.empty() && order != "forward") {
    unknown_value("CUDA_EMULATOR_ORDER", order, "forward, reverse, random");
  }
  if (const std::string when = get("CUDA_EMULATOR_WHEN"); when == "eager") {
    s.when = When::kEager;
  } else if (when == "random") {
    s.when = When::kRandom;
  } else if (!when.empty() && when != "lazy") {
    unknown_value("CUDA_EMULATOR_WHEN", when, "lazy, eager, random");
  }
  s.seed = number("CUDA_EMULATOR_SEED", s.seed);
  s.epilogues = number("CUDA_EMULATOR_EPILOGUES", 1) != 0;
  s.memory = number("CUDA_EMULATOR_MEMORY", s.memory >> 20) << 20;
  s.capability = static_cast<int>(number("CUDA_EMULATOR_CAPABILITY", 90));
  s.nccl = static_cast<int>(number("CUDA_EMULATOR_NCCL", 22800));
  s.driver = get("CUDA_EMULATOR_DRIVER");
  if (!s.driver.empty() && s.driver != "old" && s.driver != "none" && s.driver != "broken") {
    unknown_value("CUDA_EMULATOR_DRIVER", s.driver, "old, none, broken");
  }
  // CALL[@N][=ERROR]
  std::string fail = get("CUDA_EMULATOR_FAIL");
  if (const auto at = fail.find('='); at != std::string::npos) {
    s.fail_with = fail.substr(at + 1);
    fail.resize(at);
  }
  if (const auto at = fail.find('@'); at != std::string::npos) {
    char* end = nullptr;
    s.fail_at = std::strtol(fail.c_str() + at + 1, &end, 10);
    if (*end != '\0' || s.fail_at < 1) unknown_value("CUDA_EMULATOR_FAIL", fail, "WHAT@N=ERROR, N from 1 on");
    fail.resize(at);
  }
  s.fail_call = fail;
  return s;
}

std::string formatted(const char* format, std::va_list arguments) {
  char text[2048];
  std::vsnprintf(text, sizeof text, format, arguments);
  return text;
}

void print(const char* kind, const std::string& text) {
  const std::string where = what_runs();
  std::fprintf(stderr, "cuda-emulator: %s: %s%s%s\n", kind, text.c_str(), where.empty() ? "" : "\n  in ",
               where.c_str());
}

Settings& changeable_settings() {
  static Settings all = from_environment();
  return all;
}

}  // namespace

const Settings& settings() { return changeable_settings(); }
int set_capability(int capability) { return std::exchange(changeable_settings().capability, capability); }

/// SplitMix64.
std::uint64_t next_random() {
  static thread_local std::uint64_t state = settings().seed * 0x9E3779B97F4A7C15u;
  std::uint64_t z = (state += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

void say(const char* format, ...) {
  std::va_list arguments;
  va_start(arguments, format);
  print("refused", formatted(format, arguments));
  va_end(arguments);
}

void fail(const char* format, ...) {
  std::va_list arguments;
  va_start(arguments, format);
  print("error", formatted(format, arguments));
  va_end(arguments);
  void* calls[64];
  std::fprintf(stderr, "  called from:\n");
  backtrace_symbols_fd(calls, backtrace(calls, 64), STDERR_FILENO);
  std::abort();
}

void note(const char* format, ...) {
  std::va_list arguments;
  va_start(arguments, format);
  const std::string text = formatted(format, arguments);
  va_end(arguments);
  const std::scoped_lock lock(mutex());
  static auto* said = new std::set<std::string>;
  if (said->insert(text).second) print("note", text);
}

bool fails_now(const std::string& what) {
  static long seen = 0;
  return settings().fail_call == what && ++seen == settings().fail_at;
}

Counts& counters() {
  static Counts all;
  return all;
}
Counts counts() {
  const std::scoped_lock lock(mutex());
  return counters();
}

}  // namespace cuda_emulator
