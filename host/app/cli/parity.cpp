/// \file `stampede parity`: compares the physics with MuJoCo's on a model.
#include <fmt/format.h>

#include "host/app/cli/command.hpp"
#include "host/model/robot/load.hpp"
#include "host/peers/mujoco_peer.hpp"
#include "host/peers/parity.hpp"

namespace stampede::cli {
namespace {

struct ParityFlags {
  std::string model;
  int states = 1000;
  std::uint64_t seed = 1;
};

Json to_json(const ParityErrors& e) {
  return {{"mass_matrix_rel_err", e.mass_matrix},          {"bias_rel_err", e.bias},
          {"qacc_free_rel_err_p50", e.free_median},        {"qacc_free_rel_err_max", e.free_largest},
          {"qacc_contact_rel_err_p50", e.contact_median},  {"qacc_contact_rel_err_p99", e.contact_p99},
          {"qacc_contact_rel_err_max", e.contact_largest}, {"drift_drop_1s", e.drift_drop},
          {"drift_drop_1s_max", e.drift_drop_largest},     {"drift_drive_1s", e.drift_drive},
          {"drift_drive_1s_max", e.drift_drive_largest},   {"iteration_cap_share", e.capped_share}};
}

std::string line(const char* name, const ParityErrors& e) {
  return fmt::format(
      "{:<7} mass matrix {:.1e}, bias {:.1e}; acceleration free {:.1e} at most, with contacts {:.1e} (median), "
      "{:.1e} (99 %); drift after 1 s dropped {:.1e}, driven {:.1e}\n",
      name, e.mass_matrix, e.bias, e.free_largest, e.contact_median, e.contact_p99, e.drift_drop, e.drift_drive);
}

Outcome parity(const CommonFlags& common, const ParityFlags& flags) {
  if (flags.states < 4 || flags.states > 1000000) {
    throw Error(fmt::format("--states {} is out of range; it must be 4 to 1000000", flags.states));
  }
  const CompiledRobot compiled = load_robot(flags.model);
  for (const std::string& note : compiled.notes) say(note);
  Outcome outcome;
  CommonFlags on_cpu = common;
  if (on_cpu.device == "auto") on_cpu.device = "cpu";  // only the CPU also computes in doubles
  const std::unique_ptr<Engine> engine = load_engine(on_cpu, outcome);
  const Parity p = compare_with_mujoco(*engine, compiled.robot, compiled.model.get(), flags.states, flags.seed);
  outcome.json = {{"model", flags.model},
                  {"mujoco_version", mujoco_version()},
                  {"states", p.states},
                  {"contacts_mean", p.contacts_mean},
                  {"float", to_json(p.in_float)},
                  {"double", to_json(p.in_double)},
                  {"mujoco_default", Json{{"drift_drop_1s", p.peer.drift_drop},
                                          {"drift_drop_1s_max", p.peer.drift_drop_largest},
                                          {"drift_drive_1s", p.peer.drift_drive},
                                          {"drift_drive_1s_max", p.peer.drift_drive_largest}}},
                  {"sensitivity_p99", p.sensitivity_p99},
                  {"nonfinite", static_cast<std::int64_t>(p.nonfinite)},
                  {"contacts_over_slots", static_cast<std::int64_t>(p.over_slots)}};
  outcome.text = fmt::format("{} beside MuJoCo {}: {} states, {:.2f} contacts in the mean\n", compiled.robot.name,
                             mujoco_version(), p.states, p.contacts_mean) +
                 line("double", p.in_double) + line("float", p.in_float);
  outcome.text += fmt::format(
      "MuJoCo's own acceleration moves by {:.1e} (99 %) when a state is rounded to float; at its "
      "default tolerance it drifts by {:.1e} dropped, {:.1e} driven\n",
      p.sensitivity_p99, p.peer.drift_drop, p.peer.drift_drive);
  return outcome;
}

}  // namespace

void add_parity(CLI::App& app, Chosen& chosen) {
  auto common = std::make_shared<CommonFlags>();
  auto flags = std::make_shared<ParityFlags>();
  CLI::App* command =
      add_command(app, chosen, "parity", "Compare the physics with MuJoCo's on a model, number by number",
                  "stampede parity --model go2", common, [common, flags] { return parity(*common, *flags); });
  command->add_option("--model", flags->model, "a robot's name, or its file (.xml, .urdf)")->required();
  command->add_option("--states", flags->states, "states to compare")->capture_default_str();
  command->add_option("--seed", flags->seed, "of starts and controls")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

}  // namespace stampede::cli
