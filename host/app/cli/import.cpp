/// \file `stampede import`: turns any robot description into an MJCF file that can be simulated.
#include "host/model/robot/import.hpp"

#include <fmt/format.h>

#include "host/app/cli/command.hpp"

namespace stampede::cli {
namespace {

struct ImportFlags {
  std::string file, out, base;
  bool force = false, servos = false;
};

Outcome run(const CommonFlags& common, const ImportFlags& flags) {
  LoadOptions options;
  if (flags.base == "free") {
    options.base = BaseChoice::kFree;
  } else if (flags.base == "fixed") {
    options.base = BaseChoice::kFixed;
  } else if (!flags.base.empty()) {
    throw Error("--base " + flags.base + " is unknown; it must be free or fixed");
  }
  options.servos_for_motors = flags.servos;
  Outcome outcome;
  name_device(common, outcome);
  refuse_to_overwrite("--out", flags.out, flags.force);
  const std::vector<std::string> changes = import_robot(flags.file, flags.out, options);
  outcome.json = {{"out", flags.out}, {"changes", changes}};
  for (const std::string& change : changes) outcome.text += fmt::format("changed  {}\n", change);
  outcome.text += fmt::format("robot    {}\n", flags.out);
  return outcome;
}

}  // namespace

void add_import(CLI::App& app, Chosen& chosen) {
  auto common = std::make_shared<CommonFlags>();
  auto flags = std::make_shared<ImportFlags>();
  CLI::App* command = add_command(app, chosen, "import", "Turn any URDF or MJCF file into the MJCF that is simulated",
                                  "stampede import robot.urdf --out robot.xml", common,
                                  [common, flags] { return run(*common, *flags); });
  command->add_option("FILE", flags->file, "description: .urdf or .xml")->required();
  command->add_option("--out", flags->out, "file to write: MJCF")->required();
  command->add_option("--base", flags->base, "free or fixed (as the file says; a URDF of two limbs or more is free)");
  command->add_flag("--servos", flags->servos, "turn torque motors into position servos, clipped at their range");
  command->add_flag("--force", flags->force, "overwrite the file");
}

}  // namespace stampede::cli
