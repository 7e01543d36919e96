#pragma once
/// \file The tables of a walking task's file, declared once as settings.hpp declares the others.

#include <string>
#include <vector>

#include "envs/legged/plan.hpp"
#include "envs/legged/terrain/kinds.hpp"
#include "host/base/fields.hpp"
#include "host/model/robot/by_joint.hpp"
#include "host/task/formula_text.hpp"

namespace stampede {

/// [control]: what actions are.
struct ControlSettings {
  std::string robot;
  float timestep = 0.005f;
  int decimation = 4;
  ByJoint action_scale{0.5f, {}};
  ByJoint stiffness, damping, torque_limit;
  std::vector<float> pose;
  std::vector<std::string> feet;
  float episode = 10;

  template <class Visitor>
  static void describe(Visitor&& field) {
    using S = ControlSettings;
    field("robot", &S::robot, Names{}, "a robot's name, or its file (.xml, .urdf)");
    field("timestep", &S::timestep, Bounds{1e-4, 0.05}, "of the physics [s]");
    field("decimation", &S::decimation, Bounds{1, 100}, "physics steps of a control step");
    field("action_scale", &S::action_scale, Bounds{1e-3, 10},
          "target = default + scale x network's output [rad]; a number, or numbers by joint: { \"*_calf\" = 1, \"*\" = "
          "2 }");
    field("stiffness", &S::stiffness, Bounds{0, 1e4},
          "of the position servos [N m/rad], by joint where need be; 0: the robot file's");
    field("damping", &S::damping, Bounds{0, 1e3}, "of the position servos [N m s/rad], where stiffness is given");
    field("torque_limit", &S::torque_limit, Bounds{0, 1e4},
          "of the servos [N m], where stiffness is given; 0: the file's");
    field("pose", &S::pose, Bounds{-10, 10}, "default joint positions, in the robot's order [rad]; none: its home");
    field("feet", &S::feet, Names{}, "geoms that the limbs stand on; none: all of each limb's last link");
    field("episode", &S::episode, Bounds{0.1, 1e4}, "length [s]");
  }
};

/// [commands]: what the robot is told to do.
struct CommandSettings {
  Span x{-0.3f, 1.0f}, y{-0.7f, 0.7f}, yaw{-0.78f, 0.78f}, heading{0, 0};
  float heading_gain = 0;
  float dead_zone = 0.1f;
  float standing = 0.0f;
  float straight = 0.0f;
  float period = 10;

  template <class Visitor>
  static void describe(Visitor&& field) {
    using S = CommandSettings;
    field("x", &S::x, SpanBounds{-10, 10}, "forward velocity [m/s]");
    field("y", &S::y, SpanBounds{-10, 10}, "sideways velocity [m/s]");
    field("yaw", &S::yaw, SpanBounds{-10, 10}, "yaw rate [rad/s]");
    field("heading", &S::heading, SpanBounds{-3.1416, 3.1416},
          "to turn to, in the world, where heading_gain is above 0 [rad]");
    field("heading_gain", &S::heading_gain, Bounds{0, 10},
          "yaw rate = gain x sine of the angle to the heading, within `yaw` [1/s]; 0: a yaw rate is commanded");
    field("dead_zone", &S::dead_zone, Bounds{0, 10}, "commands below it are 0 [m/s, rad/s]");
    field("standing", &S::standing, Bounds{0, 1}, "share of commands that are all 0");
    field("straight", &S::straight, Bounds{0, 1}, "share of commands without turning");
    field("period", &S::period, Bounds{0.1, 1e4}, "time between changes [s]");
  }
};

/// [terrain]: ground of tiles (host/model/terrain/terrain.hpp); environments move between its levels.
struct GroundSettings {
  std::vector<std::string> kinds;
  int levels = 10, columns = 10;
  int start_levels = 3;
  float review = 0;
  float tile = 8, spacing = 0.1f, border = 5;
  float easiest = 0, hardest = 1;
  int seed = 1;

  template <class Visitor>
  static void describe(Visitor&& field) {
    using S = GroundSettings;
    std::vector<std::string> kinds;
    for (const TerrainKindInfo& info : kTerrainKinds) kinds.emplace_back(info.name);
    field("kinds", &S::kinds, kinds,
          "of ground (`stampede list`), a share of the columns for each time it is named; none: a level plane");
    field("levels", &S::levels, Bounds{1, 1000}, "tiles from the easiest to the hardest");
    field("columns", &S::columns, Bounds{1, 1000}, "tiles of a level");
    field("start_levels", &S::start_levels, Bounds{1, 1000}, "the first episodes are on so many of the lowest levels");
    field("review", &S::review, Bounds{0, 1},
          "share of episodes that start on any level up to the environment's, and go on from there");
    field("tile", &S::tile, Bounds{0.5, 1000}, "side of a tile [m]");
    field("spacing", &S::spacing, Bounds{0.01, 10}, "of the heights [m]");
    field("border", &S::border, Bounds{0, 1000}, "of level ground around all [m]");
    field("easiest", &S::easiest, Bounds{0, 1}, "difficulty of the first level");
    field("hardest", &S::hardest, Bounds{0, 1}, "difficulty of the last level");
    field("seed", &S::seed, Bounds{0, 1e9}, "of what is random about it");
  }
};

/// [scan]: where the height scan looks, in the frame of the base's heading.
struct ScanSettings {
  Span x{-0.6f, 0.9f}, y{-0.3f, 0.3f};
  float spacing = 0.15f;

  template <class Visitor>
  static void describe(Visitor&& field) {
    using S = ScanSettings;
    field("x", &S::x, SpanBounds{-10, 10}, "of the points, forward of the base [m]");
    field("y", &S::y, SpanBounds{-10, 10}, "to its left [m]");
    field("spacing", &S::spacing, Bounds{0.01, 10}, "between points [m]");
  }
};

/// [camera]: the depth camera on the base, whose picture the observation `depth` is (kernels/sense/depth_camera.hpp).
struct CameraSettings {
  int width = 32, height = 24;
  float field_of_view = 1.5f;
  std::vector<float> position{0.3f, 0, 0};
  float pitch = 0.4f, yaw = 0;
  float near = 0.05f, far = 2;
  float rate = 10;
  int latency = 1;
  float noise = 0, dropped = 0, edges = 0;
  float latency_error = 0, position_error = 0, angle_error = 0;

  template <class Visitor>
  static void describe(Visitor&& field) {
    using S = CameraSettings;
    field("width", &S::width, Bounds{1, 512}, "of the picture; width x height is a multiple of 16 [pixels]");
    field("height", &S::height, Bounds{1, 512}, "likewise [pixels]");
    field("field_of_view", &S::field_of_view, Bounds{0.05, 3}, "sideways; pixels are square [rad]");
    field("position", &S::position, Bounds{-10, 10}, "x, y, z in the base's axes [m]");
    field("pitch", &S::pitch, Bounds{-3.2, 3.2}, "downwards from the base's x [rad]");
    field("yaw", &S::yaw, Bounds{-3.2, 3.2}, "to the left of it [rad]");
    field("near", &S::near, Bounds{0, 100}, "nothing is seen nearer [m]");
    field("far", &S::far, Bounds{1e-3, 100}, "nor farther [m]");
    field("rate", &S::rate, Bounds{1e-3, 1e4}, "of pictures, which divides that of control steps [1/s]");
    field("latency", &S::latency, Bounds{0, 100}, "pictures from one's taking to when it is seen");
    field("noise", &S::noise, Bounds{0, 10}, "standard deviation of a pixel's depth [m]");
    field("dropped", &S::dropped, Bounds{0, 1}, "share of pixels that show `far` instead of what is there");
    field("edges", &S::edges, Bounds{0, 1}, "share of pixels at an edge that mix the depths on both sides of it");
    field("latency_error", &S::latency_error, Bounds{0, 2}, "of an episode's pictures: seen up to this later [s]");
    field("position_error", &S::position_error, Bounds{0, 1}, "of each environment's mounting, along each axis [m]");
    field("angle_error", &S::angle_error, Bounds{0, 1}, "of each environment's mounting, about each axis [rad]");
  }
};

/// [start]: where episodes begin.
struct StartSettings {
  Span joint_factor{0.95f, 1.05f}, joint_velocity{-0.05f, 0.05f}, position{-0.05f, 0.05f}, yaw{-1.57f, 1.57f};
  float height = 0;

  template <class Visitor>
  static void describe(Visitor&& field) {
    using S = StartSettings;
    field("joint_factor", &S::joint_factor, SpanBounds{-10, 10}, "on the default joint positions");
    field("joint_velocity", &S::joint_velocity, SpanBounds{-100, 100}, "[rad/s]");
    field("position", &S::position, SpanBounds{-100, 100}, "of the base along x and y [m]");
    field("yaw", &S::yaw, SpanBounds{-10, 10}, "of the base [rad]");
    field("height", &S::height, Bounds{-10, 10}, "of the base [m]; 0: such that the lowest point is on the ground");
  }
};

/// [symmetry] of left and right.
struct SymmetrySettings {
  bool mirror = false;

  template <class Visitor>
  static void describe(Visitor&& field) {
    field("mirror", &SymmetrySettings::mirror, "learn from what is collected and from its mirror images");
  }
};

/// [noise] of the policy's observations: half-widths of uniform noise.
struct NoiseSettings {
  float base_linear_velocity = 0, base_angular_velocity = 0, projected_gravity = 0, joint_position = 0,
        joint_velocity = 0, height_scan = 0;

  template <class Visitor>
  static void describe(Visitor&& field) {
    using S = NoiseSettings;
    const Bounds any{0, 100};
    field("base_linear_velocity", &S::base_linear_velocity, any, "[m/s]");
    field("base_angular_velocity", &S::base_angular_velocity, any, "[rad/s]");
    field("projected_gravity", &S::projected_gravity, any, "");
    field("joint_position", &S::joint_position, any, "[rad]");
    field("joint_velocity", &S::joint_velocity, any, "[rad/s]");
    field("height_scan", &S::height_scan, any, "[m]");
  }
};

/// [randomise]: what differs from one episode to the next.
struct RandomiseSettings {
  Span friction{1, 1}, base_mass{1, 1}, mass{1, 1}, strength{1, 1}, stiffness{1, 1}, damping{1, 1}, armature{1, 1},
      friction_loss{1, 1}, base_centre{0, 0}, delay{0, 0}, observation_delay{0, 0};
  float push_velocity = 0;
  float push_period = 8;

  template <class Visitor>
  static void describe(Visitor&& field) {
    using S = RandomiseSettings;
    const SpanBounds factor{0, 100};
    field("friction", &S::friction, factor, "factor on the robot file's friction with the ground");
    field("base_mass", &S::base_mass, factor, "factor on the base's mass and inertia");
    field("mass", &S::mass, factor, "factor on each link's");
    field("strength", &S::strength, factor, "factor on each motor's torque");
    field("stiffness", &S::stiffness, factor, "factor on each servo's");
    field("damping", &S::damping, factor, "factor on each servo's");
    field("armature", &S::armature, factor, "factor on each joint's");
    field("friction_loss", &S::friction_loss, factor, "factor on each joint's dry friction");
    field("base_centre", &S::base_centre, SpanBounds{-1, 1}, "added to the base's centre of mass, each axis [m]");
    field("delay", &S::delay, SpanBounds{0, 1}, "of actions, up to a control step [s]");
    field("observation_delay", &S::observation_delay, SpanBounds{0, 1},
          "of what the policy reads of its sensors, up to a control step [s]");
    field("push_velocity", &S::push_velocity, Bounds{0, 100},
          "the base's velocity is set to up to this along x and y [m/s]");
    field("push_period", &S::push_period, Bounds{0.02, 1e6}, "time between pushes, on average [s]");
  }
};

/// [terminations]: what ends an episode before its time.
struct TerminationSettings {
  float base_force = 1;
  float body_force = 1;
  float gravity_z = 0.1f;
  float drop = 0;

  template <class Visitor>
  static void describe(Visitor&& field) {
    using S = TerminationSettings;
    field("base_force", &S::base_force, Bounds{0, 1e9}, "contact force on the base above which it ends [N]");
    field("body_force", &S::body_force, Bounds{0, 1e9}, "contact force on base or upper links above which it ends [N]");
    field("gravity_z", &S::gravity_z, Bounds{-1, 2}, "gravity's z in base axes above which it ends; 2: never");
    field(
        "drop", &S::drop, Bounds{0, 1000},
        "on tiles: how far the base may sink below its height at the start, or below that on a tile's rim where it is "
        "lower, before it ends [m]; 0: any");
  }
};

/// [observations]: what actor and critic see.
struct ObservationSettings {
  std::vector<std::string> policy, critic;

  template <class Visitor>
  static void describe(Visitor&& field) {
    using S = ObservationSettings;
    std::vector<std::string> terms;
    for (const ObservationTermInfo& info : kObservationTerms) terms.emplace_back(info.name);
    field("policy", &S::policy, terms, "terms of the policy's observation, in this order");
    field("critic", &S::critic, terms, "of the critic's; none: the policy's");
  }
};

/// [cat]: constraints as terminations (kernels/constraints.hpp).
struct CatSettings {
  float tau = 0.95f;
  float min_p = 0;
  float rise_share = 0.5f;

  template <class Visitor>
  static void describe(Visitor&& field) {
    using S = CatSettings;
    field("tau", &S::tau, Bounds{0, 1}, "decay of the running maxima that violations are scaled by");
    field("min_p", &S::min_p, Bounds{0, 1}, "probability of the smallest violation");
    field("rise_share", &S::rise_share, Bounds{1e-6, 1}, "share of the iterations over which soft probabilities rise");
  }
};

/// [constraints.NAME].
struct ConstraintSettings {
  std::string name;
  std::string quantity;
  FormulaText formula;
  std::vector<std::string> joints;
  FormulaText when{"always", ""};
  std::string kind = "soft";
  float limit = 0;
  float margin = 0;
  float p_max = 0.25f;
  bool rises = true;

  template <class Visitor>
  static void describe(Visitor&& field) {
    using S = ConstraintSettings;
    std::vector<std::string> quantities, whens;
    for (const QuantityInfo& info : kQuantities) quantities.emplace_back(info.name);
    for (const char* when : kWhenNames) whens.emplace_back(when);
    field("quantity", &S::quantity, quantities, "what is judged");
    field("formula", &S::formula, "what is judged instead of a quantity: violated where it is above the limit");
    field("joints", &S::joints, Names{}, "joints that are judged, * for any letters; none: all");
    field("when", &S::when, whens, "while it holds; of a formula a formula, too");
    field("kind", &S::kind, std::vector<std::string>{"hard", "soft", "style"}, "for reports");
    field("limit", &S::limit, Bounds{-1e9, 1e9}, "in the quantity's unit");
    field("margin", &S::margin, Bounds{0, 0.9},
          "share of the limit by which training judges stricter; evaluations know none");
    field("p_max", &S::p_max, Bounds{0, 1}, "probability of the largest violation");
    field("rises", &S::rises, "the probability rises in the course of training");
  }
};

/// Bounds of a reward's weight.
inline constexpr Bounds kWeightBounds{-1e6, 1e6};

/// [rewards.NAME]: a reward term that is a formula.
struct RewardFormula {
  std::string name;
  float weight = 1;
  FormulaText formula;

  template <class Visitor>
  static void describe(Visitor&& field) {
    using S = RewardFormula;
    field("weight", &S::weight, kWeightBounds, "of the term, a second");
    field("formula", &S::formula, "one number");
  }
};

/// [terminations.NAME]: an end of episodes that is a formula.
struct TerminationFormula {
  std::string name;
  FormulaText formula;

  template <class Visitor>
  static void describe(Visitor&& field) {
    field("formula", &TerminationFormula::formula, "the episode ends where it holds");
  }
};

/// [state.NAME]: a number of the environment's own, kept from step to step.
struct StateSettings {
  std::string name;
  FormulaText start, next;

  template <class Visitor>
  static void describe(Visitor&& field) {
    using S = StateSettings;
    field("start", &S::start, "where an episode starts");
    field("next", &S::next, "after each control step; the number's own name is what it was in the step");
  }
};

/// [observations.terms.NAME]: a term of observations that is made of formulas.
struct ObservationFormula {
  std::string name;
  std::vector<FormulaText> formula;
  std::vector<float> mirror;
  bool turns = true;

  template <class Visitor>
  static void describe(Visitor&& field) {
    using S = ObservationFormula;
    field("formula", &S::formula, "one, or a list: each gives a number, or one for each foot or joint");
    field("mirror", &S::mirror, Bounds{-1, 1},
          "with symmetry.mirror: 1 or -1 for each formula, the factor on its mirror image");
    field("turns", &S::turns,
          "of joints, with symmetry.mirror: the numbers change their signs with the joints' angles; false for squares, "
          "strengths and the like");
  }
};

/// All tables of a walking task's file.
struct LeggedSettings {
  std::string objective = "cat";
  ControlSettings control;
  CommandSettings commands;
  StartSettings start;
  GroundSettings terrain;
  ScanSettings scan;
  CameraSettings camera;
  SymmetrySettings symmetry;
  NoiseSettings noise;
  RandomiseSettings randomise;
  TerminationSettings terminations;
  ObservationSettings observations;
  CatSettings cat;
  std::vector<float> rewards = std::vector<float>(kRewardTermCount, 0.0f);  ///< weights, by RewardTerm
  // In the order of the files.
  std::vector<ConstraintSettings> constraints;
  std::vector<RewardFormula> reward_formulas;
  std::vector<TerminationFormula> termination_formulas;
  std::vector<StateSettings> states;
  std::vector<ObservationFormula> observation_formulas;
};

}  // namespace stampede
