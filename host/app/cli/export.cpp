/// \file `stampede export`: a run's policy as a file.
#include <fmt/format.h>

#include <filesystem>

#include "host/app/cli/command.hpp"
#include "host/app/export/onnx.hpp"
#include "host/app/export/policy_tensors.hpp"
#include "host/app/session/run_contents.hpp"
#include "host/base/files.hpp"
#include "host/model/robot/mjb.hpp"
#include "host/model/robot/mjcf.hpp"

namespace stampede::cli {
namespace {

struct ExportFlags {
  std::string run, out;
  std::vector<std::string> sets;
  bool force = false;
};

bool is_scene(const std::string& ending) { return ending == ".mjb" || ending == ".xml"; }

/// The robot and its ground, for MuJoCo.
Outcome write_scene(const ExportFlags& flags, const RunContents& contents, Outcome outcome) {
  const TaskSpec& task = *contents.task.spec;
  if (contents.task.robot == nullptr) {
    throw Error("--out " + flags.out + ": the task '" + task.name + "' has no robot that MuJoCo could simulate");
  }
  const CompiledRobot& robot = *contents.task.robot;
  const bool text = std::filesystem::path(flags.out).extension() == ".xml";
  write_file(flags.out, text ? to_mjcf(robot.spec.get(), robot.file, flags.out) : to_mjb(robot.model.get()));
  for (const std::string& note : contents.notes) say(note);
  outcome.json = {{"task", task.name}, {"out", flags.out}, {"notes", contents.notes}};
  outcome.text = fmt::format("scene    {}: robot and ground of {}\n", flags.out, task.name);
  return outcome;
}

Outcome run(const CommonFlags& common, const ExportFlags& flags) {
  const std::string ending = std::filesystem::path(flags.out).extension().string();
  if (ending != ".onnx" && ending != ".safetensors" && !is_scene(ending)) {
    throw Error("--out " + flags.out + ": its ending says nothing; it must be .onnx, .safetensors, .xml or .mjb");
  }
  Outcome outcome;
  name_device(common, outcome);
  const RunContents contents =
      load_run(flags.run, SettingsSources{"", is_scene(ending) ? flags.sets : std::vector<std::string>(), {}});
  refuse_to_overwrite("--out", flags.out, flags.force);
  const TaskSpec& task = *contents.task.spec;
  if (is_scene(ending)) return write_scene(flags, contents, std::move(outcome));
  write_file(flags.out,
             ending == ".onnx" ? to_onnx(contents.policy, task) : to_policy_safetensors(contents.policy, task));
  std::vector<std::string> notes = contents.notes;
  notes.insert(notes.end(), contents.notes_of_fit.begin(), contents.notes_of_fit.end());
  for (const std::string& note : notes) say(note);
  outcome.json = {{"task", task.name}, {"iterations", contents.iteration}, {"out", flags.out}, {"notes", notes}};
  outcome.text = fmt::format("policy   {} (iteration {})\n", flags.out, contents.iteration);
  return outcome;
}

}  // namespace

void add_export(CLI::App& app, Chosen& chosen) {
  auto common = std::make_shared<CommonFlags>();
  auto flags = std::make_shared<ExportFlags>();
  CLI::App* command = add_command(app, chosen, "export", "Write a run's policy, or the scene of its task, to a file",
                                  "stampede export --run runs/pendulum-1 --out pendulum.onnx", common,
                                  [common, flags] { return run(*common, *flags); });
  command->add_option("--run", flags->run, "folder of the run")->required();
  command
      ->add_option("--out", flags->out,
                   "file to write: .onnx or .safetensors, the policy; .xml or .mjb, robot and ground for MuJoCo")
      ->required();
  command->add_option("--set", flags->sets,
                      "key=value, of a scene (.xml, .mjb) alone: another ground, as in terrain.levels=1");
  command->add_flag("--force", flags->force, "overwrite the file");
}

}  // namespace stampede::cli
