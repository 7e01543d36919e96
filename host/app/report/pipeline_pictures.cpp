/// \file The films and pictures of a pipeline's report.
#include "host/app/report/pipeline_pictures.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "host/app/session/motion.hpp"
#include "host/base/error.hpp"
#include "host/base/memory.hpp"

namespace stampede {
namespace {

constexpr std::size_t kSights = 8;      ///< pictures of what the student sees
constexpr std::uint64_t kFilmSeed = 1;  ///< as `play` has it

/// What a film shows.
struct Scene {
  std::string file, caption;
  PlannedTask task;
};

/// The task on one tile of that kind, of middle difficulty.
PlannedTask on_ground_of(const PlannedTask& task, const std::string& kind) {
  Settings settings = task.settings;
  GroundSettings& ground = settings.legged->terrain;
  ground.kinds = {kind};
  ground.easiest = ground.hardest = 0.5f * (ground.easiest + ground.hardest);
  ground.levels = ground.columns = ground.start_levels = 1;
  return plan_task(settings);
}

std::vector<Scene> scenes_of(const PlannedTask& task, const std::string& ending) {
  std::vector<Scene> scenes;
  if (task.settings.legged) {
    for (const std::string& kind : task.settings.legged->terrain.kinds) {
      const std::string file = "film-" + kind + ending;
      if (std::any_of(scenes.begin(), scenes.end(), [&](const Scene& there) { return there.file == file; })) continue;
      scenes.push_back({file, kind + " of middle difficulty", on_ground_of(task, kind)});
    }
  }
  if (scenes.empty()) scenes.push_back({"film" + ending, "the student in its task", task});
  return scenes;
}

/// Some of what the policy saw, evenly spread over the film.
std::vector<ReportSight> some_of(const SeenPictures& seen, double fps) {
  std::vector<ReportSight> some;
  const std::size_t count = std::min(kSights, seen.frames.size());
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t frame = count == 1 ? 0 : i * (seen.frames.size() - 1) / (count - 1);
    some.push_back({static_cast<double>(frame) / fps, seen.draw(static_cast<int>(frame), seen.height)});
  }
  return some;
}

}  // namespace

PipelinePictures draw_pictures(Engine& engine, const PlannedTask& student, const Policy& policy,
                               const PipelineReport& options, const std::filesystem::path& folder,
                               const std::function<bool()>& stop) {
  PipelinePictures pictures;
  FilmOptions film;
  film.width = options.width;
  film.height = options.height;
  film.fps = options.fps;
  for (const Scene& scene : scenes_of(student, "." + options.film)) {
    if (stop()) break;
    EvaluationRequest request = film_request(scene.task, options.seconds);
    request.seed = kFilmSeed;
    const Evaluation evaluation =
        within_memory(fmt::format("an episode of {} s with its trace", options.seconds),
                      "choose a smaller report.seconds", [&] { return engine.evaluate(request, policy); });
    const Motion motion = motion_of(scene.task, request, evaluation, options.seconds, film.fps);
    if (pictures.films.empty()) pictures.sights = some_of(motion.seen, film.fps);
    if (options.film == "none") break;
    film.out = folder / scene.file;
    try {
      draw_motion(motion, film, motion.seen.present());
    } catch (const Error& error) {
      pictures.note = std::string("no film: ") + error.what();
      return pictures;
    }
    const int beside = motion.seen.present() ? motion.seen.drawn_width(film.height) : 0;
    pictures.films.push_back({scene.file, scene.caption, film.width + beside});
  }
  return pictures;
}

}  // namespace stampede
