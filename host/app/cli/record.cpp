/// \file `stampede record`: episodes of a policy as a data set.
#include <fmt/format.h>

#include <filesystem>
#include <optional>

#include "host/app/cli/policy_source.hpp"
#include "host/app/export/safetensors.hpp"
#include "host/app/session/record.hpp"
#include "host/app/session/run_contents.hpp"
#include "host/base/files.hpp"
#include "host/base/memory.hpp"
#include "host/task/protocol.hpp"

namespace stampede::cli {
namespace {

struct RecordFlags {
  PolicyFlags source;
  std::string out;
  std::optional<std::int64_t> episodes;
  bool force = false;
};

Outcome run(const CommonFlags& common, const RecordFlags& flags) {
  if (std::filesystem::path(flags.out).extension() != ".safetensors") {
    throw Error("--out " + flags.out + ": a data set's file must end in .safetensors");
  }
  const auto [policy, planned, notes] = choose_policy(flags.source, "record");
  const std::int64_t episodes = flags.episodes.value_or(planned.settings.run.eval_episodes);
  if (episodes < 1 || episodes > (1 << 20)) {
    throw Error("--episodes " + std::to_string(episodes) + " is out of range; it must be from 1 to 1048576");
  }
  refuse_to_overwrite("--out", flags.out, flags.force);
  const std::uint64_t seed = flags.source.settings.seed.empty() ? kProtocolSeed : planned.settings.seed;

  Outcome outcome;
  const std::unique_ptr<Engine> engine = load_engine(common, outcome);
  DataSet set = within_memory(fmt::format("a data set of {} episodes", episodes), "choose fewer --episodes", [&] {
    return record_episodes(*engine, planned, policy, static_cast<int>(episodes), evaluation_seed(seed));
  });
  set.metadata["seed"] = std::to_string(seed);
  write_file(flags.out, to_safetensors(set.tensors, set.metadata, true));
  outcome.json = {{"task", planned.spec->name},
                  {"out", flags.out},
                  {"seed", seed},
                  {"sequences", set.sequences},
                  {"steps", set.steps},
                  {"return_mean", number_or_null(set.return_mean)},
                  {"nonfinite", set.counts.nonfinite},
                  {"contacts_over_slots", set.counts.contacts_over_slots},
                  {"notes", notes}};
  outcome.text = fmt::format("recorded {} sequences, {} steps, return {} on average\ndata set {}\n", set.sequences,
                             set.steps, fixed(set.return_mean, 1), flags.out);
  return outcome;
}

}  // namespace

void add_record(CLI::App& app, Chosen& chosen) {
  auto common = std::make_shared<CommonFlags>();
  auto flags = std::make_shared<RecordFlags>();
  CLI::App* command = add_command(app, chosen, "record", "Record a policy's episodes as a data set",
                                  "stampede record --run runs/pendulum-1 --episodes 100 --out pendulum.safetensors",
                                  common, [common, flags] { return run(*common, *flags); });
  add_policy_flags(*command, flags->source);
  command->add_option("--out", flags->out, "file to write: .safetensors")->required();
  command->add_option("--episodes", flags->episodes, "episodes (run.eval_episodes of the settings)");
  command->add_flag("--force", flags->force, "overwrite the file");
}

}  // namespace stampede::cli
