#pragma once
/// \file Everything that can be configured, declared once: name, default, bounds and meaning.
///
/// Each struct is one table of the TOML file. Its `describe` lists the fields; reading, writing, checking,
/// `--set` and the suggestions for misspelt keys all follow from that list (see settings_io.hpp).
/// The layers, each overriding the one before: these defaults, the task's, the algorithm's, the preset's,
/// the file's, the command line's.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host/engine/training_request.hpp"
#include "host/task/legged_settings.hpp"

namespace stampede {

/// [policy_observation], [critic_observation]: how a group of observations is read.
struct GroupSettings {
  int every = 1, delay = 0, history = 1;

  template <class Visitor>
  static void describe(Visitor&& field) {
    using S = GroupSettings;
    field("every", &S::every, Bounds{1, 1000}, "control steps between readings");
    field("delay", &S::delay, Bounds{0, 1000}, "control steps from a reading to when it is seen");
    field("history", &S::history, Bounds{1, 1000}, "readings side by side, the oldest first");
  }
};

/// [pixels]: what a task that is compiled in shows its policy instead of its numbers: a small grey picture.
struct PixelSettings {
  int height = 0, width = 0;
  float half_width = 1.2f;

  template <class Visitor>
  static void describe(Visitor&& field) {
    using S = PixelSettings;
    field("height", &S::height, Bounds{0, 256}, "of the picture that the policy sees; 0: it sees numbers");
    field("width", &S::width, Bounds{0, 256}, "likewise; height x width is a multiple of 16");
    field("half_width", &S::half_width, Bounds{1e-3, 1e6}, "what the picture shows to the left and right [m]");
  }
};

struct RunSettings {
  int checkpoint_every = 0;
  float checkpoint_seconds = 60;
  int checkpoints_kept = 3;
  int eval_episodes = 100;
  int validate_every = 0;
  int validation_episodes = 100;
  float nonfinite_share = 0.01f;

  template <class Visitor>
  static void describe(Visitor&& field) {
    using S = RunSettings;
    field("checkpoint_every", &S::checkpoint_every, Bounds{0, 1e9}, "iterations; 0: a tenth of the schedule");
    field("checkpoint_seconds", &S::checkpoint_seconds, Bounds{0, 1e9},
          "besides, once so much time has passed since the last [s]; 0: never");
    field("checkpoints_kept", &S::checkpoints_kept, Bounds{1, 1e6}, "the newest so many stay");
    field("eval_episodes", &S::eval_episodes, Bounds{1, 1 << 20}, "of the evaluation after training");
    field("validate_every", &S::validate_every, Bounds{0, 1e9},
          "iterations from one validation to the next, of which the best policy is kept; 0: the last policy is");
    field("validation_episodes", &S::validation_episodes, Bounds{1, 1 << 20}, "of a validation");
    field("nonfinite_share", &S::nonfinite_share, Bounds{0, 1},
          "of states, above which (and above ten) a training is given up");
  }
};

/// The settings that all layers on top of each other give. What follows from them is in the TaskSpec
/// (planned_task.hpp).
struct Settings {
  std::string task = "pendulum";
  std::string kernel =
      "pendulum";  ///< the compiled-in task that `task` is or extends; "legged": walks. Set by resolve_settings
  std::string algo = "ppo";
  std::string preset = "default";
  std::uint64_t seed = 1;
  TrainSettings train;
  AlgorithmSettings algorithm;
  NetworkSettings network;
  RunSettings run;
  GroupSettings policy_observation, critic_observation;
  PixelSettings pixels;                    ///< of tasks that are compiled in
  std::optional<DistillSettings> distill;  ///< where `algo` teaches a student
  /// Parameters of a task that is compiled in, in the order in which its `Parameters` declares them.
  std::vector<float> environment;
  /// The tables of walking tasks.
  std::optional<LeggedSettings> legged;
};

}  // namespace stampede
