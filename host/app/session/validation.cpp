/// \file Keeps the best policy of a run.
#include "host/app/session/validation.hpp"

#include <utility>

#include "host/app/session/run_contents.hpp"
#include "host/task/protocol.hpp"

namespace stampede {

double Validation::consider(Engine& engine, Policy policy, std::int64_t iteration) {
  EvaluationRequest request =
      evaluation_request(task_, task_.settings.run.validation_episodes, randomises(task_.settings));
  request.seed = evaluation_seed(kValidationSeed);
  const double return_mean = engine.evaluate(request, policy).return_mean;
  // A return that is not finite is none: it is never the best.
  if (return_mean == return_mean && (!best_ || return_mean > best_->return_mean)) {
    best_ = BestPolicy{std::move(policy), iteration, return_mean};
  }
  return return_mean;
}

}  // namespace stampede
