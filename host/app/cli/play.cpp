/// \file `stampede play`: draws an episode of a policy, or a robot that is let fall. Robots are drawn by MuJoCo.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "host/app/cli/policy_source.hpp"
#include "host/app/draw/film.hpp"
#include "host/app/session/motion.hpp"
#include "host/base/memory.hpp"
#include "host/model/robot/load.hpp"
#include "host/peers/scenes.hpp"

namespace stampede::cli {
namespace {

struct PlayFlags {
  PolicyFlags source;
  std::string robot, terrain;
  std::vector<float> command;
  FilmOptions film;
  std::string out;
  double seconds = 0;
  bool seconds_given = false;
  bool camera = false;
  bool force = false;
};

std::uint64_t seed_of(const PlayFlags& flags) {
  const std::string& text = flags.source.settings.seed;
  if (text.empty()) return 1;
  std::uint64_t seed = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), seed);
  if (code != std::errc() || end != text.data() + text.size()) {
    throw Error("--seed " + text + ": must be a whole number, 0 or more");
  }
  return seed;
}

/// `a,b` as `"a","b"`.
std::string quoted_list(const std::string& words) {
  std::string list = "\"";
  for (const char c : words) list += c == ',' ? std::string("\",\"") : std::string(1, c);
  return list + "\"";
}

/// Where a robot that is let fall starts [qpos]: 0.5 m above its home pose, turned at random (on a map at a random
/// place); with a fixed base, at random joint positions within their ranges and +-2.
std::vector<double> starting_pose(const RobotModel& robot, std::uint64_t seed) {
  Uniform uniform(seed);
  std::vector<double> qpos = robot.home_qpos;
  if (robot.options.floating) {
    if (robot.map != nullptr) place_on_map(robot, uniform, qpos.data());
    turn_anywhere(uniform, qpos.data() + 3);
    qpos[2] += 0.5;
    return qpos;
  }
  for (const RobotJoint& info : robot.joint_info) {
    const JointModel<double>& joint = robot.joint_of(info);
    qpos[static_cast<std::size_t>(info.position)] = uniform(std::max(joint.low, -2.0), std::min(joint.high, 2.0));
  }
  return qpos;
}

/// The motion of a robot that is let fall.
Motion let_fall(const CommonFlags& common, const PlayFlags& flags, Outcome& outcome) {
  LoadOptions options;
  if (!flags.terrain.empty()) {
    TerrainSettings settings;
    settings.levels = 1;
    settings.border = 2;
    settings.hardest = 0.5;
    settings.seed = seed_of(flags);
    options.terrain = with_kinds(settings, flags.terrain);
  }
  CompiledRobot compiled = load_robot(flags.robot, options);
  for (const std::string& note : compiled.notes) say(note);
  const RobotModel& robot = compiled.robot;
  const std::unique_ptr<Engine> engine = load_engine(common, outcome);
  SimulationRequest request;
  request.robot = &robot;
  const std::unique_ptr<Simulation> simulation = engine->make_simulation(request);
  const std::vector<double> start = starting_pose(robot, seed_of(flags)),
                            still(static_cast<std::size_t>(robot.nv), 0.0);
  simulation->set_state(0, start.data(), still.data());
  Motion motion;
  motion.name = robot.name;
  std::int64_t taken = 0;
  for (double time = 0; time <= flags.seconds + 1e-9;
       time = static_cast<double>(motion.frames.size()) / flags.film.fps) {
    const auto due = static_cast<std::int64_t>(std::floor(time / robot.options.timestep + 1e-9));
    simulation->step(0, static_cast<int>(due - taken));
    taken = due;
    simulation->get_state(0, motion.frames.emplace_back(static_cast<std::size_t>(robot.nq)).data(), nullptr);
  }
  const SimulationCounts counts = simulation->counts();
  motion.nonfinite = static_cast<std::int64_t>(counts.held);
  motion.over_slots = static_cast<std::int64_t>(counts.over_slots);
  motion.model = std::move(compiled.model);
  return motion;
}

/// Reports the commands that a task trains; prints a note where `command` is outside of them.
void compare_with_trained(const CommandSettings& trained, const std::vector<float>& command, const std::string& task,
                          Outcome& outcome) {
  const bool turns = trained.heading_gain == 0;
  const Span* const spans[3] = {&trained.x, &trained.y, turns ? &trained.yaw : &trained.heading};
  const char* const names[3] = {"forward", "sideways", turns ? "turning" : "heading"};
  const char* const units[3] = {"m/s", "m/s", turns ? "rad/s" : "rad"};
  std::string ranges, outside;
  Json list = Json::array();
  for (std::size_t i = 0; i < 3; ++i) {
    const Span& span = *spans[i];
    list.push_back({span.low, span.high});
    ranges += fmt::format("{}{} {} to {} {}", i > 0 ? ", " : "", names[i], span.low, span.high, units[i]);
    // 0 is always trained: a drawn command below the dead zone is set to 0.
    const float low = std::min(span.low, 0.0f), high = std::max(span.high, 0.0f);
    if (!(command[i] >= low && command[i] <= high)) outside += (outside.empty() ? "" : ", ") + std::string(names[i]);
  }
  outcome.json["velocity_command"] = command;
  outcome.json["trained_commands"] = std::move(list);
  outcome.json["command_trained"] = outside.empty();
  if (outside.empty()) return;
  say(fmt::format("--command {} {} {} is outside ({}) of what {} is trained for: {}; the robot may fall", command[0],
                  command[1], command[2], outside, task, ranges));
}

/// The motion of a policy's episode, up to its end or to --seconds.
Motion let_act(const CommonFlags& common, const PlayFlags& flags, const ChosenPolicy& chosen, Outcome& outcome) {
  const PlannedTask& task = chosen.task;
  const std::unique_ptr<Engine> engine = load_engine(common, outcome);
  EvaluationRequest request = film_request(task, flags.seconds, flags.command);
  request.seed = seed_of(flags);
  if (task.settings.legged) {
    compare_with_trained(task.settings.legged->commands, request.commands, task.settings.task, outcome);
  }
  const Evaluation evaluation =
      within_memory(fmt::format("an episode of {} s with its trace", flags.seconds), "choose a smaller --seconds",
                    [&] { return engine->evaluate(request, chosen.policy); });
  return motion_of(task, request, evaluation, flags.seconds, flags.film.fps);
}

Outcome play(const CommonFlags& common, PlayFlags flags) {
  const bool falls = !flags.robot.empty();
  if (falls && !(flags.source.run.empty() && flags.source.policy.empty())) {
    throw Error("--robot with a policy: a policy knows its robot; leave --robot out");
  }
  if (!flags.command.empty() && (falls || flags.command.size() != 3)) {
    throw Error(falls ? "--command with --robot: a robot that is let fall follows none"
                      : "--command: needs forward, sideways and turning velocity, as in --command 0.6 0 0");
  }
  for (const float value : flags.command) {
    if (!std::isfinite(value)) {
      throw Error(fmt::format(
          "--command: {} is no velocity; three finite numbers would be right, as in --command 0.6 0 0", value));
    }
  }
  if (falls && flags.camera) throw Error("--camera with --robot: a robot that is let fall sees nothing; leave it out");
  if (!falls && !flags.terrain.empty()) {
    throw Error(
        fmt::format("--terrain {} with a policy: its task says where it walks; --set 'terrain.kinds=[{}]' puts it "
                    "on other ground",
                    flags.terrain, quoted_list(flags.terrain)));
  }
  if (!flags.seconds_given) flags.seconds = falls ? 3 : 6;
  if (!(flags.seconds > 0 && flags.seconds <= 600)) {
    throw Error(fmt::format("--seconds {} is out of range; it must be above 0, up to 600", flags.seconds));
  }
  seed_of(flags);  // refuses a bad --seed before anything is loaded
  ChosenPolicy chosen;
  std::string name = std::filesystem::path(flags.robot).stem().string();
  if (!falls) {
    chosen = choose_policy(flags.source, "play");
    name = chosen.task.settings.task;
    check_drawable(chosen.task);
    if (flags.camera && chosen.task.spec->policy().picture.empty()) {
      throw Error("--camera: the policy of the task " + name + " sees no picture; leave it out");
    }
    if (!chosen.task.settings.legged && !flags.command.empty()) {
      throw Error("--command: the task " + name + " follows none; only robots that walk do");
    }
  }
  flags.film.out = flags.out.empty() ? name + ".gif" : flags.out;
  const bool strip = flags.film.out.extension() == ".png";  // six frames wide
  if (flags.film.width == 0) flags.film.width = strip ? 320 : 640;
  if (flags.film.height == 0) flags.film.height = strip ? 320 : 480;
  check_film(flags.film);
  refuse_to_overwrite("--out", flags.film.out.string(), flags.force);

  Outcome outcome;
  const Motion motion = falls ? let_fall(common, flags, outcome) : let_act(common, flags, chosen, outcome);
  const int drawn = within_memory(fmt::format("frames of {} x {} pixels", flags.film.width, flags.film.height),
                                  "choose a smaller --width and --height",
                                  [&] { return draw_motion(motion, flags.film, flags.camera); });
  outcome.json[falls ? "robot" : "task"] = motion.name;
  outcome.json["out"] = flags.film.out.string();
  outcome.json["frames"] = drawn;
  outcome.json["nonfinite"] = motion.nonfinite;
  outcome.json["contacts_over_slots"] = motion.over_slots;
  if (!falls) outcome.json["notes"] = chosen.notes;
  outcome.text = fmt::format("{}: {} frames of {}\n", flags.film.out.string(), drawn, motion.name);
  return outcome;
}

}  // namespace

void add_play(CLI::App& app, Chosen& chosen) {
  auto common = std::make_shared<CommonFlags>();
  auto flags = std::make_shared<PlayFlags>();
  flags->film.width = flags->film.height = 0;  // not given
  CLI::App* command =
      add_command(app, chosen, "play", "Draw a policy, or a robot that is let fall: a strip of moments, or a film",
                  "stampede play --run runs/go2-flat-1 --out walk.gif\n  stampede play --robot go2 --out fall.gif",
                  common, [common, flags] { return play(*common, *flags); });
  add_policy_flags(*command, flags->source);
  command->add_option("--robot", flags->robot, "let this one fall: a robot's name, or its file (.xml, .urdf)");
  command
      ->add_option("--command", flags->command,
                   "forward, sideways [m/s] and turning velocity [rad/s] to walk at; of tasks that command one the "
                   "heading [rad]")
      ->expected(3);
  command->add_option("--out", flags->out, "FILE.png (a strip), .gif or .mp4 (<robot or task>.gif)");
  command->add_option("--terrain", flags->terrain,
                      "a kind of ground to fall on (`stampede list`), several, or all (the robot's own)");
  command->add_option_function<double>(
      "--seconds",
      [flags](const double& seconds) {
        flags->seconds = seconds;
        flags->seconds_given = true;
      },
      "how long [s] (6; 3 of a fall)");
  command->add_flag("--camera", flags->camera, "with what the policy's camera sees beside it");
  command->add_option("--width", flags->film.width, "of a frame [pixels] (640; 320 in a .png)");
  command->add_option("--height", flags->film.height, "of a frame [pixels] (480; 320 in a .png)");
  command->add_option("--fps", flags->film.fps, "frames a second")->capture_default_str();
  command->add_flag("--force", flags->force, "overwrite");
}

}  // namespace stampede::cli
