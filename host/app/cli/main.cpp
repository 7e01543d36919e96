/// \file The program: finds the command, runs it, prints its result.
#include <signal.h>

#include <cstdio>
#include <cstring>
#include <new>

#include "host/app/cli/command.hpp"
#include "host/base/build_info.hpp"
#include "host/base/clock.hpp"
#include "host/base/memory.hpp"
#include "host/base/suggest.hpp"

namespace {

using namespace stampede;
using cli::Json;

int fail(const std::string& message, Status status) {
  std::string line = message;
  for (char& c : line) c = c == '\n' ? ' ' : c;
  while (!line.empty() && line.back() == ' ') line.pop_back();
  std::fprintf(stderr, "stampede: error: %s\n", line.c_str());
  return static_cast<int>(status);
}

/// The deepest command that was named, for suggestions and for the hint at its help.
const CLI::App* named_command(const CLI::App* app) {
  for (;;) {
    const auto chosen = app->get_subcommands();
    if (chosen.empty()) return app;
    app = chosen.front();
  }
}

std::vector<std::string> flag_names(const CLI::App* command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command->get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::vector<std::string> command_names(const CLI::App* app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app->get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

/// Reports an error in the command line's form as one line on stderr.
int fail_usage(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  const CLI::App* command = named_command(&app);
  std::string path = "stampede";
  for (const CLI::App* part = &app; !part->get_subcommands().empty();) {
    part = part->get_subcommands().front();
    path += " " + part->get_name();
  }
  const std::vector<std::string> commands = command_names(command);
  const std::vector<std::string> left = app.remaining(true);
  // CLI11 looks for a missing command before it looks at a misspelt one.
  std::string unknown = left.empty() ? "" : left.front();
  if (unknown.empty() && !commands.empty()) {
    const int at = command == &app ? 1 : 2;
    if (argc > at && argv[at][0] != '-') unknown = argv[at];
  }
  if (!commands.empty() && (unknown.empty() || unknown.front() != '-')) {
    if (unknown.empty())
      return fail("a command is missing behind `" + path + "`; known are " + join(commands), Status::kBadInput);
    return fail("unknown command '" + unknown + "' behind `" + path + "`; " + suggestion(unknown, commands),
                Status::kBadInput);
  }
  if (!unknown.empty()) {
    const std::string near = nearest(unknown.substr(0, unknown.find('=')), flag_names(command));
    return fail("unknown argument '" + unknown + "' of `" + path + "`; " +
                    (near.empty() ? "see " + path + " --help" : "did you mean '" + near + "'?"),
                Status::kBadInput);
  }
  return fail(std::string(error.what()) + "; see " + path + " --help", Status::kBadInput);
}

/// Prints the outcome; with --json as one JSON object, the only output on stdout.
int finish(const cli::Chosen& chosen, const cli::Outcome& outcome) {
  if (outcome.silent) return static_cast<int>(outcome.status);
  if (chosen.common->json) {
    Json json = {{"command", chosen.name},
                 {"version", STAMPEDE_VERSION},
                 {"device", outcome.processor.device},
                 {"instruction_set", outcome.processor.instruction_set},
                 {"threads", outcome.processor.threads}};
    json.update(outcome.json);
    json["seconds_total"] = seconds_since_start();
    std::printf("%s\n", json.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
  } else {
    std::fputs(outcome.text.c_str(), stdout);
  }
  // An interrupted training has saved its state; its exit status stays the same where stdout can no longer be written.
  if (std::fflush(stdout) != 0 && outcome.status != Status::kInterrupted)
    return fail(std::string("cannot write to stdout: ") + std::strerror(errno), Status::kFailed);
  return static_cast<int>(outcome.status);
}

}  // namespace

int main(int argc, char** argv) {
  seconds_since_start();       // the first call reads when the process started
  ::signal(SIGXFSZ, SIG_IGN);  // then write() fails where a file grows too large; the signal would end the process
  CLI::App app{"stampede: thousands of environments side by side, and reinforcement learning beside them", "stampede"};
  app.set_version_flag("--version", std::string("stampede ") + STAMPEDE_VERSION + " (" + STAMPEDE_COMMIT + ")");
  app.require_subcommand(1);
  app.footer("Each command has --help and --json.\nExample:\n  stampede train --task pendulum");
  cli::Chosen chosen;
  cli::add_train(app, chosen);
  cli::add_distill(app, chosen);
  cli::add_pipeline(app, chosen);
  cli::add_eval(app, chosen);
  cli::add_export(app, chosen);
  cli::add_record(app, chosen);
  cli::add_import(app, chosen);
  cli::add_bench(app, chosen);
  cli::add_parity(app, chosen);
  cli::add_play(app, chosen);
  cli::add_list(app, chosen);
  cli::add_info(app, chosen);
  cli::accept_shared_flags(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return fail_usage(app, error, argc, argv);
  }
  try {
    return finish(chosen, chosen.run());
  } catch (const Error& error) {
    return fail(error.what(), error.status());
  } catch (const std::bad_alloc& reason) {
    // Where memory is likely to run out, within_memory has made a more exact message of it.
    const auto* device = dynamic_cast<const OutOfMemory*>(&reason);
    return fail("not enough memory" + (device != nullptr ? std::string(": ") + device->what() : "") +
                    "; ask for less at once, or end what else needs memory",
                Status::kBadInput);
  } catch (const std::exception& error) {
    return fail(error.what(), Status::kFailed);
  }
}
