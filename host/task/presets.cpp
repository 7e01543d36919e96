/// \file The algorithms and the networks' sizes as data.
#include "host/task/presets.hpp"

namespace stampede {

const std::vector<Fragment>& algorithms() {
  static const std::vector<Fragment> all = {
      {"reinforce", "policy gradient with the return (Williams 1992)", R"(
[algorithm]
advantage = "return"
surrogate = "log_prob"
epochs = 1
schedule = "fixed"
)"},
      {"reinforce-baseline", "policy gradient with the return less a learnt baseline", R"(
[algorithm]
advantage = "return_baseline"
surrogate = "log_prob"
epochs = 1
schedule = "fixed"
clip_value = false
)"},
      {"actor-critic", "policy gradient with the one-step temporal difference", R"(
[algorithm]
advantage = "td"
surrogate = "log_prob"
epochs = 1
schedule = "fixed"
clip_value = false
)"},
      {"ppo", "clipped ratio and generalised advantages (Schulman 2017)", R"(
[algorithm]
advantage = "gae"
surrogate = "clipped_ratio"
)"},
      {"online", "distillation: the student acts, and learns from the labels of its last rollout", R"(
[train]
iterations = 300
[run]
validate_every = 30
[distill]
beta = 0
rollouts_kept = 1
)",
       true},
      {"dagger", "distillation: the teacher acts first, then the student; all labels are kept (Ross 2011)", R"(
[train]
iterations = 30
[run]
validate_every = 3
[distill]
beta = 1
beta_schedule = "first"
rollouts_kept = 0
epochs = 10
)",
       true},
      {"bc", "distillation: behaviour cloning of what the teacher does", R"(
[train]
iterations = 30
[run]
validate_every = 3
[distill]
beta = 1
rollouts_kept = 0
epochs = 10
)",
       true},
  };
  return all;
}

const std::vector<Fragment>& presets() {
  static const std::vector<Fragment> all = {
      {"default", "the task's own networks", ""},
      {"fast", "walks after a third of the time, a little less exactly (other tasks: as default)", ""},
      {"small", "two layers of 32", R"(
[network]
actor = [32, 32]
critic = [32, 32]
)"},
      {"medium", "128-64-32", R"(
[network]
actor = [128, 64, 32]
critic = [128, 64, 32]
)"},
      {"large", "512-256-128", R"(
[network]
actor = [512, 256, 128]
critic = [512, 256, 128]
)"},
      {"reference", "a published setup, where the task has one (else as large)", R"(
[network]
actor = [512, 256, 128]
critic = [512, 256, 128]
)"},
  };
  return all;
}

const std::vector<Fragment>& objectives() {
  static const std::vector<Fragment> all = {
      {"cat", "constraints as soft terminations (Chane-Sane et al. 2024)", ""},
      {"shaped", "weighted reward terms instead of constraints", ""},
      {"early-termination", "any violation ends the episode", ""},
  };
  return all;
}

std::vector<std::string> names_of(const std::vector<Fragment>& fragments) {
  std::vector<std::string> names;
  for (const Fragment& fragment : fragments) names.emplace_back(fragment.name);
  return names;
}

}  // namespace stampede
