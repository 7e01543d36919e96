#pragma once
/// \file A task, ready to be simulated: plain data, made once from a task's file (host/task/planned_task.hpp). It is
/// passed to the modules; code that simulates, learns, evaluates, draws or exports knows nothing else of a task.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "envs/legged/formula_plan.hpp"
#include "envs/legged/plan.hpp"
#include "envs/legged/terrain/kinds.hpp"
#include "host/engine/metrics.hpp"
#include "host/engine/robot_model.hpp"
#include "kernels/constraints.hpp"
#include "kernels/pixels.hpp"
#include "kernels/sense/camera.hpp"

namespace stampede {

/// The name of the group that the policy sees.
inline constexpr const char* kPolicyGroup = "policy";

/// A group of observations: what one network sees, the policy's, the critic's or a teacher's. Readings are taken every
/// so many control steps, seen some control steps later, and the last few lie side by side (envs/readings.hpp).
struct ObservationGroup {
  std::string name;                ///< "policy", "critic", "teacher"
  std::vector<std::string> names;  ///< of its numbers, in order; of several readings the oldest first
  std::string type = "f32";        ///< of a number
  int every = 1;                   ///< control steps between readings
  int delay = 0;                   ///< control steps from a reading to when it is seen
  int history = 1;                 ///< readings side by side
  std::vector<int> picture;        ///< of a camera, whose pixels come first: height and width [pixels]; else empty

  /// How many numbers are seen, and how many one reading has.
  int size() const { return static_cast<int>(names.size()); }
  int width() const { return size() / history; }
  /// Of a camera: [readings][height][width]; else empty.
  std::vector<int> image() const {
    return picture.empty() ? std::vector<int>{} : std::vector<int>{history, picture[0], picture[1]};
  }
  /// How many numbers are pixels; they come first.
  int pixels() const { return picture.empty() ? 0 : history * picture[0] * picture[1]; }
  /// [numbers], or [readings][numbers of one]; where all of them are pixels, as `image`.
  std::vector<int> shape() const {
    if (pixels() == size() && size() > 0) return image();
    return history == 1 ? std::vector<int>{size()} : std::vector<int>{history, width()};
  }
  /// Whether what is measured is seen unchanged, in the step in which it is measured.
  bool direct() const { return every == 1 && delay == 0 && history == 1; }
  bool operator==(const ObservationGroup&) const = default;
};

/// Actions [actions]: what is simulated is clip(centre + scale x network's output, low, high), in the task's units.
struct ActionSpec {
  std::vector<std::string> names;
  std::vector<float> centre, scale, low, high;

  int size() const { return static_cast<int>(centre.size()); }
  bool operator==(const ActionSpec&) const = default;
};

/// A constraint's name, limit and columns; the kernels' side of it is a PlacedConstraint.
struct ConstraintSpec {
  std::string name, kind;      ///< kind: hard, soft, style
  float limit = 0;             ///< in its quantity's unit
  int begin = 0, columns = 0;  ///< its columns among all constraints'

  bool operator==(const ConstraintSpec&) const = default;
};

/// All constraints of a task, and how their violations end episodes (kernels/constraints.hpp).
struct ConstraintsSpec {
  std::vector<ConstraintSpec> list;
  std::vector<ConstraintColumn> columns;
  bool soft = true;                                 ///< violations are soft terminations
  float tau = 0.95f, min_p = 0, rise_share = 0.5f;  ///< decay of the maxima; least probability; share of the iterations
};

/// What a checkpoint calls a constraint's running maxima [columns]: by name, so that no order matters.
inline std::string constraint_tensor(const ConstraintSpec& constraint) {
  return "constraint_maxima/" + constraint.name;
}

/// Numbers of a row in a mirror: number i of the image is sign[i] x number place[i].
struct MirrorMap {
  std::vector<int> place;
  std::vector<float> sign;

  bool operator==(const MirrorMap&) const = default;
};

/// How mirroring left and right changes rows of numbers, where a training learns from mirror images; else empty.
struct MirrorSpec {
  MirrorMap policy, critic, action;

  bool present() const { return !action.place.empty(); }
  bool operator==(const MirrorSpec&) const = default;
};

/// A metric of the task's own: the mean over environments and control steps of a row that its kernels add to.
struct TaskMetric {
  MetricInfo info;
  int row = 0;
  double divisor = 1;  ///< of the mean
};

/// What the metrics begin with that count formulas that are not finite.
inline constexpr const char* kNotFinite = "not_finite/";

/// A walking task's formulas, as its kernels interpret them (envs/legged/formulas.hpp).
struct FormulaSpec {
  std::vector<FormulaStep> step, observe;  ///< operations of RunFormulas and ObserveFormulas
  std::vector<LimbTable<float>> masks;     ///< that they choose lanes by
  std::vector<LimbPlaces> places;          ///< of their results in rows
  std::vector<LeggedFeet> feet;            ///< one where formulas name where the limbs are; else none
  int kept = 0;                            ///< rows of what is kept from step to step; 0: there are no formulas
  int nonfinite = 0;                       ///< first of the metric rows that count, for each of `names`, what was
                                           ///< not finite
  std::vector<std::string> names;          ///< "rewards.clearance"; FormulaStep::item

  bool present() const { return kept > 0; }
};

/// What only walking tasks have.
struct LeggedSpec {
  RobotModel robot;
  LeggedConstants constants{};
  std::vector<float> spawn;             ///< [levels][columns][3], on ground of tiles [m]
  std::vector<double> difficulties;     ///< of the levels
  std::vector<TerrainKind> tile_kinds;  ///< of the columns
  std::vector<float> sensed;  ///< of the policy's observations: 1 where a sensor measures it, 0 where none is needed
  FormulaSpec formulas;
  DepthCamera camera;  ///< whose picture the policy's observations begin with; without pixels where there is none

  /// On which tile, level x columns + column, an evaluation's episode takes place.
  Index tile_of(Index episode) const { return episode % (Index{constants.levels} * constants.columns_of_tiles); }
};

/// A task, for all code but its own kernels.
struct TaskSpec {
  std::string name;                            ///< "go2-flat"
  std::string kernel;                          ///< whose kernels step it: "pendulum", "legged"
  std::vector<ObservationGroup> observations;  ///< the policy's, then the privileged one where there is one
  ActionSpec action;
  int states = 0;                 ///< numbers of a state as traces hold it
  int max_steps = 0;              ///< the time limit [control steps]
  double control_dt = 0;          ///< [s]
  std::string metric;             ///< JSON key of the task's own metric in evaluations; empty where it has none
  std::vector<float> parameters;  ///< of a compiled-in task, as declared; one that is missing has its default
  PixelView pixels;               ///< of a compiled-in task: the picture that the policy sees; the privileged group
                                  ///< has the numbers that were measured
  ConstraintsSpec constraints;
  MirrorSpec mirror;
  std::vector<TaskMetric> metrics;
  int metric_rows = 0;                       ///< that its kernels add to
  std::map<std::string, std::string> facts;  ///< for policy files, as JSON values
  std::vector<std::string> notes;            ///< what is simulated otherwise than its files say
  std::shared_ptr<const LeggedSpec> legged;  ///< of walking tasks; else null

  const ObservationGroup& policy() const { return observations.front(); }
  /// The group of that name; null where there is none.
  const ObservationGroup* find_group(const std::string& group) const {
    for (const ObservationGroup& each : observations) {
      if (each.name == group) return &each;
    }
    return nullptr;
  }
  /// What only the simulator knows, and a policy on a robot does not get: the observations of the critic in a training
  /// ("critic"), of the teacher in a distillation ("teacher"). Null where these see what the policy sees.
  const ObservationGroup* privileged() const { return observations.size() > 1 ? &observations[1] : nullptr; }
  int privileged_size() const { return privileged() == nullptr ? 0 : privileged()->size(); }
  /// The group of final observations, those before a reset.
  const ObservationGroup& last() const { return observations.back(); }
};

}  // namespace stampede
