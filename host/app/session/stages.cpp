#include "host/app/session/stages.hpp"

#include "host/app/session/distillation.hpp"
#include "host/base/error.hpp"

namespace stampede {

Settings training_settings(const SettingsSources& sources) {
  Settings settings = resolve_settings(sources);
  if (!settings.distill) return settings;
  throw Error("algo = \"" + settings.algo + "\" teaches a student; `stampede distill --teacher RUN` would be right");
}

std::vector<StageSpec> stages_of(const PlannedTask& task) {
  if (task.settings.distill) return distillation_stages(task);
  return {{"training", task.settings.train.iterations,
           [request = training_request(task)](Engine& engine, const Policy* before) {
             TrainingRequest own = request;
             if (before != nullptr) own.initial = std::make_shared<const Policy>(*before);
             return engine.make_trainer(own);
           }}};
}

}  // namespace stampede
