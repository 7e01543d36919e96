/// \file `stampede info`: machine, libraries, devices, why there is no GPU.
#include <fmt/format.h>
#include <CLI/Version.hpp>

#include "host/app/cli/command.hpp"
#include "host/app/run/system_info.hpp"
#include "host/base/build_info.hpp"

namespace stampede::cli {
namespace {

Outcome run_info(const CommonFlags& common) {
  Outcome outcome;
  name_device(common, outcome);

  const Machine here = machine();
  const std::vector<std::string> usable = usable_instruction_sets();
  const std::string no_gpu = why_no_gpu();
  const GpuProbe& gpu = probe_gpu(0);

  Json versions = Json::object();
  versions["CLI11"] = CLI11_VERSION;
  versions["fmt"] = fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100);
  for (const Library& library : libraries()) versions[library.name] = library.version;
  Json devices = Json::array();
  devices.push_back({{"device", "cpu"}, {"name", here.cpu}, {"usable", !usable.empty()}, {"instruction_sets", usable}});
  devices.push_back({{"device", "cuda"},
                     {"name", gpu.name.empty() ? Json(nullptr) : Json(gpu.name)},
                     {"usable", no_gpu.empty()},
                     {"count", gpu.count},
                     {"architecture", gpu.architecture.empty() ? Json(nullptr) : Json(gpu.architecture)},
                     {"reason", no_gpu.empty() ? Json(nullptr) : Json(no_gpu)}});
  outcome.json = {{"commit", STAMPEDE_COMMIT},
                  {"build", STAMPEDE_BUILD},
                  {"compiler", STAMPEDE_COMPILER},
                  {"machine",
                   {{"cpu", here.cpu},
                    {"cores", here.cores},
                    {"memory_bytes", here.memory},
                    {"kernel", here.kernel},
                    {"distribution", here.distribution}}},
                  {"libraries", versions},
                  {"devices", devices}};

  std::string sets;
  for (const std::string& word : usable) sets += (sets.empty() ? "" : " ") + word;
  std::string libraries_text;
  for (const auto& [name, version] : versions.items()) {
    libraries_text += fmt::format("{}{} {}", libraries_text.empty() ? "" : ", ", name, version.get<std::string>());
  }
  outcome.text = fmt::format(
      "stampede   {} ({}, {} build, {})\n"
      "machine    {}, {} cores, {:.1f} GiB\n"
      "system     {}, {}\n"
      "cpu        {}\n"
      "gpu        {}\n"
      "libraries  {}\n",
      STAMPEDE_VERSION, STAMPEDE_COMMIT, STAMPEDE_BUILD, STAMPEDE_COMPILER, here.cpu, here.cores,
      static_cast<double>(here.memory) / (1 << 30), here.distribution, here.kernel, sets,
      no_gpu.empty() ? fmt::format("{} ({}){}", gpu.name, gpu.architecture,
                                   gpu.count > 1 ? fmt::format(", the first of {}", gpu.count) : "")
                     : "none: " + no_gpu,
      libraries_text);
  return outcome;
}

}  // namespace

void add_info(CLI::App& app, Chosen& chosen) {
  auto common = std::make_shared<CommonFlags>();
  add_command(app, chosen, "info", "Describe the machine, the libraries and the devices", "stampede info", common,
              [common] { return run_info(*common); });
}

}  // namespace stampede::cli
