/// \file Keeps the best policy of a run.
#include "host/app/session/validation.hpp"

#include <cmath>
#include <utility>

#include "host/app/session/run_contents.hpp"
#include "host/task/protocol.hpp"

namespace stampede {

double Validation::consider(Engine& engine, Policy policy, std::int64_t iteration) {
  EvaluationRequest request =
      evaluation_request(task_, task_.settings.run.validation_episodes, randomises(task_.settings));
  request.seed = evaluation_seed(kValidationSeed);
  const double return_mean = engine.evaluate(request, policy).return_mean;
  if (std::isfinite(return_mean) && (!best_ || return_mean > best_->return_mean)) {
    best_ = BestPolicy{std::move(policy), iteration, return_mean};
  }
  return return_mean;
}

}  // namespace stampede
