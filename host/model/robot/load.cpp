#include "host/model/robot/load.hpp"

#include <mujoco/mujoco.h>

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>

#include "host/base/error.hpp"
#include "host/base/suggest.hpp"
#include "host/model/robot/candidates.hpp"
#include "host/model/robot/constants.hpp"
#include "host/model/robot/description.hpp"
#include "host/model/robot/find_robot.hpp"
#include "host/model/robot/import.hpp"
#include "host/model/robot/refusals.hpp"
#include "host/model/robot/servos.hpp"
#include "host/model/robot/shapes.hpp"
#include "host/model/robot/solids.hpp"

namespace stampede {
namespace {

std::atomic<int> compiled_robots = 0;

/// Throws where a foot is no geom of the robot.
void check_feet(const mjModel* m, const std::vector<std::string>& feet, const std::string& file) {
  std::vector<std::string> names;
  for (int g = 0; g < m->ngeom; ++g) {
    const char* name = mj_id2name(m, mjOBJ_GEOM, g);
    if (name != nullptr && m->geom_bodyid[g] != 0) names.emplace_back(name);
  }
  for (const std::string& foot : feet) {
    if (std::find(names.begin(), names.end(), foot) != names.end()) continue;
    throw Error(fmt::format("{}: the robot has no geom '{}' to be a foot; {}", file, foot,
                            names.empty() ? "none of its geoms has a name" : suggestion(foot, names)));
  }
}

}  // namespace

CompiledRobot compile_robot(mjSpec* spec, const std::filesystem::path& file, const LoadOptions& options,
                            std::vector<std::string> notes) {
  if (options.timestep) spec->option.timestep = *options.timestep;
  const double timestep = spec->option.timestep;
  const std::string where = file.string();
  if (!(timestep > 0) || !std::isfinite(timestep)) {
    throw Error(fmt::format("{}: timestep {} is not above 0; 0.002 would be right", where, timestep));
  }
  CompiledRobot compiled;
  compiled.file = file;
  compiled.notes = std::move(notes);
  refuse_negative_masses(spec, where);
  compiled.model = compile_description(spec, file);
  // Before find_limbs: of a description with equality constraints or tendons, this is what the message should be about,
  // and not where its joints branch.
  refuse_what_is_not_simulated(compiled.model.get(), where, compiled.notes);
  const Limbs limbs = find_limbs(compiled.model.get(), where);
  check_feet(compiled.model.get(), options.feet, where);
  const ModelSource source{compiled.model.get(), limbs, where, compiled.notes, options.feet};
  compiled.robot.name = file.stem().string();
  read_constants(source, compiled.robot);
  read_shapes(source, compiled.robot);
  read_solids(source, compiled.robot);
  arrange_candidates(compiled.robot);
  return compiled;
}

int robots_compiled() { return compiled_robots; }

CompiledRobot load_robot(const std::string& name_or_file, const LoadOptions& options) {
  ++compiled_robots;
  const std::filesystem::path file = find_robot(name_or_file);
  const auto compile = [&](SpecHandle owned, std::vector<std::string> notes) {
    mjSpec* const spec = owned.get();
    std::optional<Terrain> terrain;
    if (options.terrain) put_into(spec, terrain.emplace(make_terrain(*options.terrain)));
    if (options.servo) set_servos(spec, *options.servo, file, notes);
    CompiledRobot compiled = compile_robot(spec, file, options, std::move(notes));
    compiled.terrain = std::move(terrain);
    compiled.spec = std::move(owned);
    return compiled;
  };
  Description description = parse_description(file);
  std::vector<std::string> notes;
  if (description.urdf) {
    Imported imported = import_description(std::move(description), options);
    return compile(std::move(imported.spec), std::move(imported.changes));
  }
  settle_assets(description, false, notes);
  if (options.base != BaseChoice::kAuto && set_base(description.spec.get(), options.base == BaseChoice::kFree)) {
    notes.push_back(options.base == BaseChoice::kFree ? "the base moves freely" : "the base is fixed in the world");
  }
  return compile(std::move(description.spec), std::move(notes));
}

}  // namespace stampede
