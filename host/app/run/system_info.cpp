/// \file What a run was made on.
#include "host/app/run/system_info.hpp"

#include <cairo/cairo.h>
#include <google/protobuf/stubs/common.h>
#include <spdlog/version.h>
#include <sys/utsname.h>
#include <toml++/impl/version.h>
#include <unistd.h>
#include <zlib.h>
#include <boost/version.hpp>

#include <ctime>
#include <nlohmann/json.hpp>
#include <sstream>

#include "host/base/build_info.hpp"
#include "host/base/error.hpp"
#include "host/base/files.hpp"
#include "host/engine/engine.hpp"
#include "host/engine/loader.hpp"

namespace stampede {
namespace {

/// The text of a file of /proc or /etc; empty where this system has no such file.
std::string read_if_there(const char* path) {
  try {
    return read_file(path);
  } catch (const Error&) {
    return "";
  }
}

/// What follows `key` and `separator` on the first line that starts with `key`.
std::string field(const std::string& text, const std::string& key, char separator) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(key, 0) != 0) continue;
    const std::size_t at = line.find(separator);
    if (at == std::string::npos) continue;
    std::string value = line.substr(at + 1);
    while (!value.empty() && (value.front() == ' ' || value.front() == '"' || value.front() == '\t')) value.erase(0, 1);
    while (!value.empty() && (value.back() == ' ' || value.back() == '"')) value.pop_back();
    return value;
  }
  return "";
}

std::string dotted(int major, int minor, int patch) {
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
}

nlohmann::ordered_json json_of(const std::vector<MatrixProduct>& products) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const MatrixProduct& product : products) {
    nlohmann::ordered_json one = {{"m", product.m},
                                  {"n", product.n},
                                  {"k", product.k},
                                  {"transpose_a", product.transpose_a},
                                  {"transpose_b", product.transpose_b},
                                  {"precision", product.precision},
                                  {"epilogue", product.epilogue}};
    for (const auto& [name, number] : product.algorithm) one[name] = number;
    all.push_back(std::move(one));
  }
  return all;
}

}  // namespace

Machine machine() {
  Machine found;
  found.cpu = field(read_if_there("/proc/cpuinfo"), "model name", ':');
  found.cores = available_cores();
  found.memory = static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE);
  utsname name{};
  if (::uname(&name) == 0) {
    found.kernel = std::string(name.sysname) + " " + name.release;
    found.host = name.nodename;
    if (found.cpu.empty()) found.cpu = name.machine;
  }
  found.distribution = field(read_if_there("/etc/os-release"), "PRETTY_NAME", '=');
  return found;
}

std::vector<Library> libraries() {
  return {
      {"boost", dotted(BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000, BOOST_VERSION % 100)},
      {"cairo", CAIRO_VERSION_STRING},
      {"nlohmann_json", dotted(NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR, NLOHMANN_JSON_VERSION_PATCH)},
      {"protobuf", dotted(GOOGLE_PROTOBUF_VERSION / 1000000, GOOGLE_PROTOBUF_VERSION / 1000 % 1000,
                          GOOGLE_PROTOBUF_VERSION % 1000)},
      {"spdlog", dotted(SPDLOG_VER_MAJOR, SPDLOG_VER_MINOR, SPDLOG_VER_PATCH)},
      {"tomlplusplus", dotted(TOML_LIB_MAJOR, TOML_LIB_MINOR, TOML_LIB_PATCH)},
      {"zlib", ::zlibVersion()},
  };
}

std::string command_line() {
  const std::string words = read_if_there("/proc/self/cmdline");
  std::string line;
  std::istringstream stream(words);
  for (std::string word; std::getline(stream, word, '\0');) {
    if (!line.empty()) line += ' ';
    line += word.find_first_of(" \t\n\"'") == std::string::npos ? word : nlohmann::json(word).dump();
  }
  return line;
}

std::string system_json(const Engine& engine, std::time_t time) {
  const Machine here = machine();
  char now[32] = "";
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  std::strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", &parts);
  nlohmann::ordered_json json = {
      {"time", now},
      {"command_line", command_line()},
      {"version", STAMPEDE_VERSION},
      {"commit", STAMPEDE_COMMIT},
      {"build", STAMPEDE_BUILD},
      {"compiler", STAMPEDE_COMPILER},
      {"device", engine.device()},
      {"instruction_set", engine.instruction_set()},
      {"device_description", engine.description()},
      {"threads", engine.threads()},
      {"machine",
       {{"cpu", here.cpu},
        {"cores", here.cores},
        {"memory_bytes", here.memory},
        {"kernel", here.kernel},
        {"distribution", here.distribution},
        {"host", here.host}}},
  };
  if (engine.device() == "cuda") {
    const GpuProbe& gpu = probe_gpu(engine.gpu());
    json["gpu"] = {{"index", engine.gpu()}, {"name", gpu.name}, {"architecture", gpu.architecture}};
    json["matrix_products"] = json_of(engine.matrix_products());
  }
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace stampede
