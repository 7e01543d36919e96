/// \file `stampede play --robot R`: a robot let fall, simulated here, drawn by MuJoCo.
#include <fmt/format.h>

#include <cmath>

#include "host/cli/command.hpp"
#include "host/draw/film.hpp"
#include "host/physics/scenes.hpp"
#include "host/robot/load.hpp"

namespace stampede::cli {
namespace {

struct PlayFlags {
  std::string robot, terrain;
  FilmOptions film;
  std::string out;
  double seconds = 3;
  std::uint64_t seed = 1;
  bool force = false;
};

/// Above its home, turned anywhere; a robot with a fixed base is let go from a pose somewhere in its joints' ranges.
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
    const JointModel<double>& joint = robot.joint[static_cast<std::size_t>(info.limb * robot.size.joints + info.place)];
    qpos[static_cast<std::size_t>(info.position)] = uniform(std::max(joint.low, -2.0), std::min(joint.high, 2.0));
  }
  return qpos;
}

Outcome play(const CommonFlags& common, PlayFlags flags) {
  if (!(flags.seconds > 0 && flags.seconds <= 600)) {
    throw Error(fmt::format("--seconds {} is out of range; it must be above 0, up to 600", flags.seconds));
  }
  LoadOptions options;
  if (!flags.terrain.empty()) {
    TerrainSettings settings;
    settings.levels = 1;
    settings.border = 2;
    settings.hardest = 0.5;
    settings.seed = flags.seed;
    options.terrain = with_kinds(settings, flags.terrain);
  }
  const CompiledRobot compiled = load_robot(flags.robot, options);
  for (const std::string& note : compiled.notes) say(note);
  const RobotModel& robot = compiled.robot;
  flags.film.out = flags.out.empty() ? robot.name + ".gif" : flags.out;
  const bool strip = flags.film.out.extension() == ".png";  // six frames wide
  if (flags.film.width == 0) flags.film.width = strip ? 320 : 640;
  if (flags.film.height == 0) flags.film.height = strip ? 320 : 480;
  check_film(flags.film);
  refuse_to_overwrite("--out", flags.film.out.string(), flags.force);

  Outcome outcome;
  const std::unique_ptr<Engine> engine = load_engine(common, outcome);
  SimulationRequest request;
  request.robot = &robot;
  const std::unique_ptr<Simulation> simulation = engine->make_simulation(request);
  const std::vector<double> start = starting_pose(robot, flags.seed), still(static_cast<std::size_t>(robot.nv), 0.0);
  simulation->set_state(0, start.data(), still.data());
  std::vector<std::vector<double>> frames;
  std::int64_t taken = 0;
  for (double time = 0; time <= flags.seconds + 1e-9; time = static_cast<double>(frames.size()) / flags.film.fps) {
    const auto due = static_cast<std::int64_t>(std::floor(time / robot.options.timestep + 1e-9));
    simulation->step(0, static_cast<int>(due - taken));
    taken = due;
    simulation->get_state(0, frames.emplace_back(static_cast<std::size_t>(robot.nq)).data(), nullptr);
  }
  const int drawn = draw_film(compiled.model.get(), frames, flags.film);
  const SimulationCounts counts = simulation->counts();
  outcome.json = {{"robot", robot.name},
                  {"out", flags.film.out.string()},
                  {"frames", drawn},
                  {"nonfinite", static_cast<std::int64_t>(counts.held)},
                  {"contacts_over_slots", static_cast<std::int64_t>(counts.over_slots)}};
  outcome.text = fmt::format("{}: {} frames of {}\n", flags.film.out.string(), drawn, robot.name);
  return outcome;
}

}  // namespace

void add_play(CLI::App& app, Chosen& chosen) {
  auto common = std::make_shared<CommonFlags>();
  auto flags = std::make_shared<PlayFlags>();
  flags->film.width = flags->film.height = 0;  // not given
  CLI::App* command = add_command(app, chosen, "play", "Draw a robot that is let fall: a strip of moments, or a film",
                                  "stampede play --robot go2 --out fall.gif", common,
                                  [common, flags] { return play(*common, *flags); });
  command->add_option("--robot", flags->robot, "a robot's name, or its file (.xml, .urdf)")->required();
  command->add_option("--out", flags->out, "FILE.png (a strip), .gif or .mp4 (<robot>.gif)");
  command->add_option("--terrain", flags->terrain,
                      "a kind of ground (`stampede list`), several, or all (the robot's own)");
  command->add_option("--seconds", flags->seconds, "how long [s]")->capture_default_str();
  command->add_option("--seed", flags->seed, "of the pose it falls from")->capture_default_str();
  command->add_option("--width", flags->film.width, "of a frame [pixels] (640; 320 in a .png)");
  command->add_option("--height", flags->film.height, "of a frame [pixels] (480; 320 in a .png)");
  command->add_option("--fps", flags->film.fps, "frames a second")->capture_default_str();
  command->add_flag("--force", flags->force, "overwrite");
}

}  // namespace stampede::cli
