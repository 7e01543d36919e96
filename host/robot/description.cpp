#include "host/robot/description.hpp"

#include <mujoco/mujoco.h>

#include <fmt/format.h>

#include <mutex>

#include "host/base/error.hpp"

namespace stampede {
namespace {

/// MuJoCo prints warnings and keeps a log file unless somebody takes them; what matters comes as an error.
void take_warnings() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (mju_user_warning == nullptr) mju_user_warning = [](const char*) {};
  });
}

}  // namespace

std::string one_line(const std::string& message) {
  std::string line;
  for (const char c : message) {
    const bool space = c == '\n' || c == '\r' || c == '\t' || c == ' ';
    if (space && (line.empty() || line.back() == ' ')) continue;
    line += space ? ' ' : c;
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

SpecHandle parse_description(const std::filesystem::path& file) {
  take_warnings();
  char message[1000] = "";
  SpecHandle spec(mj_parseXML(file.c_str(), nullptr, message, sizeof message));
  if (!spec) {
    throw Error(fmt::format("{}: cannot be read as a robot's description: {}; MJCF or URDF would be right",
                            file.string(), one_line(message)));
  }
  return spec;
}

ModelHandle compile_description(mjSpec* spec, const std::filesystem::path& file) {
  take_warnings();
  ModelHandle model(mj_compile(spec, nullptr));
  if (!model) throw Error(fmt::format("{}: MuJoCo refuses it: {}", file.string(), one_line(mjs_getError(spec))));
  return model;
}

}  // namespace stampede
