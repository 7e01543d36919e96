/// \file Turns the names of a task's file into indices of rows and columns, and its settings into the kernels' numbers.
#include "host/task/legged_spec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "host/base/error.hpp"
#include "host/base/suggest.hpp"
#include "host/model/robot/shapes.hpp"
#include "host/task/camera_spec.hpp"
#include "host/task/legged_checks.hpp"
#include "host/task/legged_constraints.hpp"
#include "host/task/legged_facts.hpp"
#include "host/task/legged_formulas.hpp"
#include "host/task/mirror.hpp"

namespace stampede {
namespace {

constexpr double kFar = 1e29;  ///< beyond it a joint has no limit
constexpr float kBeyondLimit =
    0.5f;  ///< how far targets may lie beyond a joint's limits, so that a servo can press against them [rad]

/// The ground to be made; none for a level plane.
std::optional<TerrainSettings> terrain_of(const LeggedSettings& settings) {
  const GroundSettings& from = settings.terrain;
  if (from.kinds.empty()) return std::nullopt;
  TerrainSettings to;
  // Rounded to decimals, so that a tile of 8 m is a whole number of spacings of 0.1 m: 0.1f is not 0.1.
  const auto decimal = [](float x) { return std::round(static_cast<double>(x) * 1e5) / 1e5; };
  to.kinds = from.kinds;
  to.levels = from.levels;
  to.columns = from.columns;
  to.tile = decimal(from.tile);
  to.spacing = decimal(from.spacing);
  to.border = decimal(from.border);
  to.easiest = decimal(from.easiest);
  to.hardest = decimal(from.hardest);
  to.seed = static_cast<std::uint64_t>(from.seed);
  return to;
}

class Planner {
 public:
  Planner(const TaskInfo& task, const LeggedSettings& settings, const CompiledRobot& compiled)
      : task_(task),
        settings_(settings),
        compiled_(compiled),
        legged_(std::make_shared<LeggedSpec>()),
        c_(legged_->constants) {}

  TaskSpec make() {
    check_walker(task_.name, robot(), settings_);
    place_joints();
    place_numbers();
    place_start();
    place_ground();
    place_scan();
    place_camera();
    formulas_.emplace(task_.name, settings_, robot(), c_, spec_);
    spec_.observations = {place_observations(settings_.observations.policy, "policy", c_.policy, c_.policy_terms)};
    c_.policy_size = spec_.policy().size();
    if (settings_.observations.critic.empty()) {
      std::copy(c_.policy, c_.policy + kMostTerms, c_.privileged);
      c_.privileged_terms = c_.policy_terms;
      c_.privileged_size = 0;
    } else {
      spec_.observations.push_back(
          place_observations(settings_.observations.critic, "critic", c_.privileged, c_.privileged_terms));
      c_.privileged_size = spec_.privileged_size();
      for (PlacedTerm& placed : c_.privileged) placed.noise = 0;
    }
    place_diagonals();
    place_constraints(task_.name, settings_, robot(), has_diagonals_, c_, spec_);
    legged_->formulas = formulas_->place();
    if (settings_.symmetry.mirror) place_mirror();
    legged_->robot = compiled_.robot;
    name_task();
    return std::move(spec_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw Error("task '" + task_.name + "': " + what); }

  const RobotModel& robot() const { return compiled_.robot; }
  /// Calls body(table index, limb) for all lanes of the widest pack.
  template <class Body>
  void for_lanes(const Body& body) const {
    for (int lane = 0; lane < kMaxLanes; ++lane) body(lane, lane % lanes_of(robot()));
  }
  void place_joints() {
    c_.joints = static_cast<int>(robot().joint_info.size());
    for (int i = 0; i < kMostJointsALimb; ++i) {
      for (int lane = 0; lane < kMaxLanes; ++lane) {
        c_.action_place[i].value[lane] = c_.joint_place[i].value[lane] = -1;
        c_.position_low[i].value[lane] = -1e30f;
        c_.position_high[i].value[lane] = 1e30f;
      }
    }
    for_lanes([&](int lane, int limb) {
      const bool there = limb < robot().limbs;
      c_.limb_place.value[lane] = there ? limb : -1;
      c_.first_limb.value[lane] = limb == 0 ? 0 : -1;
      c_.limb_bit.value[lane] = there ? static_cast<float>(1 << limb) : 0.0f;
    });
    for (const RobotJoint& info : robot().joint_info) {
      if (info.actuator >= 0) spec_.action.names.push_back(info.name);
    }
    try {
      spec_.action.scale = settings_.control.action_scale.of(spec_.action.names, "control.action_scale");
    } catch (const Error& error) {
      fail(error.what());
    }
    int ordinal = 0;
    const std::vector<double> positions = pose();
    for (const RobotJoint& info : robot().joint_info) {
      const JointModel<double>& joint = robot().joint_of(info);
      const double home = positions[static_cast<std::size_t>(ordinal)];
      const int action = info.actuator >= 0 ? static_cast<int>(spec_.action.centre.size()) : -1;
      for_lanes([&](int lane, int limb) {
        if (limb != info.limb) return;
        c_.joint_place[info.place].value[lane] = ordinal;
        c_.action_place[info.place].value[lane] = action;
        c_.default_position[info.place].value[lane] = static_cast<float>(home);
        c_.driven[info.place].value[lane] = action >= 0 ? 1.0f : 0.0f;
        c_.inverse_action_scale[info.place].value[lane] =
            action >= 0 ? 1.0f / spec_.action.scale[static_cast<std::size_t>(action)] : 0.0f;
        c_.position_low[info.place].value[lane] = static_cast<float>(std::max(joint.low, -1e30));
        c_.position_high[info.place].value[lane] = static_cast<float>(std::min(joint.high, 1e30));
      });
      ++ordinal;
      if (action < 0) continue;
      spec_.action.centre.push_back(static_cast<float>(home));
      const auto turn = static_cast<float>(2 * kPi);
      spec_.action.low.push_back(joint.low > -kFar ? static_cast<float>(joint.low) - kBeyondLimit
                                                   : static_cast<float>(home) - turn);
      spec_.action.high.push_back(joint.high < kFar ? static_cast<float>(joint.high) + kBeyondLimit
                                                    : static_cast<float>(home) + turn);
    }
    c_.actions = static_cast<int>(spec_.action.centre.size());
    const ControlSettings& control = settings_.control;
    if (!control.stiffness
             .any_above_zero()) {  // without effect then; but a pattern that matches no joint is a mistake all the same
      for (const auto& [key, value] :
           {std::pair{"control.stiffness", &control.stiffness}, std::pair{"control.damping", &control.damping},
            std::pair{"control.torque_limit", &control.torque_limit}}) {
        value->of(spec_.action.names, key);
      }
    }
  }

  void place_numbers() {
    const ControlSettings& control = settings_.control;
    const RobotModel& r = robot();
    c_.home_orientation = {static_cast<float>(r.home_qpos[3]), static_cast<float>(r.home_qpos[4]),
                           static_cast<float>(r.home_qpos[5]), static_cast<float>(r.home_qpos[6])};
    c_.control_dt = control.timestep * static_cast<float>(control.decimation);
    c_.decimation = control.decimation;
    c_.max_steps = std::max(1, static_cast<int>(std::lround(control.episode / c_.control_dt)));
    const Vec3<double>& g = r.gravity;
    c_.gravity[0] = static_cast<float>(g.x), c_.gravity[1] = static_cast<float>(g.y),
    c_.gravity[2] = static_cast<float>(g.z);
    c_.weight = static_cast<float>(r.total_mass * std::sqrt(dot(g, g)));
    c_.command_x = settings_.commands.x;
    c_.command_y = settings_.commands.y;
    c_.command_yaw = settings_.commands.yaw;
    c_.command_heading = settings_.commands.heading;
    c_.heading_gain = settings_.commands.heading_gain;
    c_.dead_zone = settings_.commands.dead_zone;
    c_.standing_share = settings_.commands.standing;
    c_.straight_share = settings_.commands.straight;
    c_.command_steps = std::max(1, static_cast<int>(std::lround(settings_.commands.period / c_.control_dt)));
    c_.start_joint_factor = settings_.start.joint_factor;
    c_.start_joint_velocity = settings_.start.joint_velocity;
    c_.start_position = settings_.start.position;
    c_.start_yaw = settings_.start.yaw;
    const RandomiseSettings& random = settings_.randomise;
    c_.friction = random.friction;
    c_.base_mass = random.base_mass;
    c_.mass = random.mass;
    c_.strength = random.strength;
    c_.stiffness = random.stiffness;
    c_.damping = random.damping;
    c_.armature = random.armature;
    c_.friction_loss = random.friction_loss;
    c_.base_centre = random.base_centre;
    c_.delay = {random.delay.low / control.timestep, random.delay.high / control.timestep};
    c_.reading_delay = {random.observation_delay.low / c_.control_dt, random.observation_delay.high / c_.control_dt};
    c_.push_velocity = random.push_velocity;
    c_.push_probability = c_.control_dt / random.push_period;
    std::copy(settings_.rewards.begin(), settings_.rewards.end(), c_.reward_weight);
    c_.end_base_force = settings_.terminations.base_force;
    c_.end_body_force = settings_.terminations.body_force;
    c_.end_gravity_z = settings_.terminations.gravity_z;
    c_.end_drop = settings_.terminations.drop;
    c_.constraints_end = settings_.objective == "early-termination";
    spec_.constraints.soft = settings_.objective == "cat";
    spec_.constraints.tau = settings_.cat.tau;
    spec_.constraints.min_p = settings_.cat.min_p;
    spec_.constraints.rise_share = settings_.cat.rise_share;
  }

  /// How high episodes start: with the lowest point on the ground, unless the task says otherwise.
  void place_start() {
    constexpr double kNothing = 1e29;  // no shape can touch
    constexpr double kRounding = 1e-4;
    const RobotModel& r = robot();
    std::vector<double> qpos = r.home_qpos;
    const std::vector<double> joints = pose();
    for (std::size_t i = 0; i < joints.size(); ++i)
      qpos[static_cast<std::size_t>(r.joint_info[i].position)] = joints[i];
    const std::vector<Vec3<double>> points = lowest_points(r, qpos.data());
    const double lowest = lowest_point(r, qpos.data());
    c_.on_ground = settings_.start.height == 0 && lowest < kNothing;
    for_lanes([&](int lane, int limb) {
      const bool touches =
          limb < static_cast<int>(points.size()) && points[static_cast<std::size_t>(limb)].z < kNothing;
      const Vec3<double> point = touches ? points[static_cast<std::size_t>(limb)] : Vec3<double>{0, 0, lowest + 1e6};
      c_.lowest_x.value[lane] = static_cast<float>(point.x);
      c_.lowest_y.value[lane] = static_cast<float>(point.y);
      c_.lowest_above.value[lane] = static_cast<float>(point.z - lowest);
    });
    if (!c_.on_ground) {
      c_.home_height = settings_.start.height != 0 ? settings_.start.height : static_cast<float>(r.home_qpos[2]);
      return;
    }
    double height = -lowest;
    if (const PlaneGround& plane = r.plane; plane.present && r.map == nullptr && plane.normal.z > 0.1) {
      height = (dot(plane.normal, plane.point) - lowest_point(r, qpos.data(), plane.normal)) / plane.normal.z;
    }
    // The keyframe's height is kept where it differs from that by rounding only.
    const bool stands = settings_.control.pose.empty() && std::fabs(r.home_qpos[2] - height) < kRounding;
    c_.home_height = static_cast<float>(stands ? r.home_qpos[2] : height);
  }

  void place_ground() {
    if (!compiled_.terrain) return;
    const Terrain& terrain = *compiled_.terrain;
    c_.levels = terrain.settings.levels;
    c_.columns_of_tiles = terrain.settings.columns;
    c_.start_levels = std::min(settings_.terrain.start_levels, c_.levels);
    c_.tile = static_cast<float>(terrain.settings.tile);
    c_.review_share = settings_.terrain.review;
    for (const TerrainTile& tile : terrain.tiles) {
      for (const double x : tile.spawn) legged_->spawn.push_back(static_cast<float>(x));
      if (tile.level == 0) legged_->tile_kinds.push_back(tile.kind);
      if (tile.column == 0) legged_->difficulties.push_back(tile.difficulty);
    }
  }

  /// The joints' default positions, in the order of joint_info.
  std::vector<double> pose() const { return default_pose(robot(), settings_.control); }

  void place_diagonals() {
    const std::vector<std::array<int, 2>> diagonals = find_diagonals(compiled_, pose());
    for (std::size_t d = 0; d < diagonals.size(); ++d) {
      for_lanes([&](int lane, int limb) {
        c_.diagonal[d].value[lane] = limb == diagonals[d][0] ? 1.0f : limb == diagonals[d][1] ? -1.0f : 0.0f;
      });
    }
    has_diagonals_ = !diagonals.empty();
  }

  void place_mirror() {
    try {
      const RobotMirror mirror = find_mirror(compiled_, pose());
      check_images(mirror);
      spec_.mirror.policy = mirror_of(c_.policy, c_.policy_terms, *legged_, robot(), mirror);
      formulas_->add_images(kObservedPolicy, mirror, spec_.mirror.policy);
      if (c_.privileged_size > 0) {
        spec_.mirror.critic = mirror_of(c_.privileged, c_.privileged_terms, *legged_, robot(), mirror);
        formulas_->add_images(kObservedPrivileged, mirror, spec_.mirror.critic);
      }
      spec_.mirror.action = mirror_of_actions(c_, robot(), mirror);
    } catch (const Error& error) {
      fail(error.what());
    }
  }

  /// Throws where a joint and its image are driven differently: mirrored actions would not give mirrored motions.
  void check_images(const RobotMirror& mirror) const {
    std::vector<float> scale;
    std::size_t action = 0;
    for (const RobotJoint& info : robot().joint_info) {
      scale.push_back(info.actuator >= 0 ? spec_.action.scale[action++] : 0.0f);
    }
    for (std::size_t i = 0; i < scale.size(); ++i) {
      const auto image = static_cast<std::size_t>(mirror.joint[i]);
      const RobotJoint &a = robot().joint_info[i], &b = robot().joint_info[image];
      const JointModel<double>&x = robot().joint_of(a), &y = robot().joint_of(b);
      if (scale[i] == scale[image] && x.servo == y.servo && x.velocity_gain == y.velocity_gain) continue;
      throw Error(
          fmt::format("symmetry.mirror: joints '{}' and '{}' are images of each other with different stiffness, "
                      "damping or action scale",
                      a.name, b.name));
    }
  }

  void place_scan() {
    const ScanSettings& scan = settings_.scan;
    const auto points = [&](const Span& span) {
      return static_cast<int>(std::floor((span.high - span.low) / scan.spacing + 1e-3f)) + 1;
    };
    const int columns = points(scan.x), rows = points(scan.y);
    if (columns * rows > kMostScanPoints) {
      fail(fmt::format("scan has {} x {} points; at most {} are possible", columns, rows, kMostScanPoints));
    }
    c_.scan_columns = columns;
    c_.scan_points = columns * rows;
    c_.scan_x = scan.x.low;
    c_.scan_y = scan.y.low;
    c_.scan_spacing = scan.spacing;
    const int group = lanes_of(robot());
    const int left = c_.scan_points % group == 0 ? group : c_.scan_points % group;
    for_lanes([&](int lane, int limb) {
      c_.limb_number.value[lane] = static_cast<float>(limb);
      c_.scan_place.value[lane] = limb;
      c_.last_scan_place.value[lane] = limb < left ? limb : -1;
    });
  }

  /// The camera, where the policy sees its picture.
  void place_camera() {
    const auto sees = [](const std::vector<std::string>& terms) {
      return std::find(terms.begin(), terms.end(), "depth") != terms.end();
    };
    const ObservationSettings& seen = settings_.observations;
    if (sees(seen.critic)) fail("observations.critic: \"depth\" is for the policy; \"height_scan\" would be right");
    if (!sees(seen.policy)) return;
    if (seen.policy.front() != "depth") fail("observations.policy: \"depth\" must come first");
    if (std::count(seen.policy.begin(), seen.policy.end(), "depth") > 1) {
      fail("observations.policy names \"depth\" twice; there is one camera");
    }
    if (seen.critic.empty()) {
      fail(
          "observations.critic is empty, and the critic cannot see \"depth\"; terms such as \"height_scan\" would be "
          "right");
    }
    try {
      legged_->camera = make_camera(settings_.camera, static_cast<double>(c_.control_dt), robot());
    } catch (const Error& error) {
      fail(error.what());
    }
  }

  float noise_of(ObservationTerm term) const {
    const NoiseSettings& n = settings_.noise;
    switch (term) {
      case ObservationTerm::kBaseLinearVelocity:
        return n.base_linear_velocity;
      case ObservationTerm::kBaseAngularVelocity:
        return n.base_angular_velocity;
      case ObservationTerm::kProjectedGravity:
        return n.projected_gravity;
      case ObservationTerm::kJointPosition:
        return n.joint_position;
      case ObservationTerm::kJointVelocity:
        return n.joint_velocity;
      case ObservationTerm::kHeightScan:
      case ObservationTerm::kClearance:
        return n.height_scan;
      default:
        return 0;
    }
  }

  /// What a limb is called: as its first joint.
  const std::string& name_of_limb(int limb) const {
    const auto joint = std::find_if(robot().joint_info.begin(), robot().joint_info.end(),
                                    [&](const RobotJoint& info) { return info.limb == limb; });
    return joint->name;
  }

  /// Names of a term's numbers: the term's name, followed by .x .y .z, the joint, the limb's first joint, or the index
  /// of the scan's point.
  std::vector<std::string> names_of(const ObservationTermInfo& info) const {
    const std::string name = info.name;
    std::vector<std::string> names;
    switch (info.per) {
      case Per::kBase:
        names = {name};
        break;
      case Per::kBase3:
        for (const char* axis : {".x", ".y", ".z"}) names.push_back(name + axis);
        break;
      case Per::kLimb:
        for (int limb = 0; limb < robot().limbs; ++limb) names.push_back(name + "." + name_of_limb(limb));
        break;
      case Per::kJoint:
        for (const std::string& joint : spec_.action.names) names.push_back(name + "." + joint);
        break;
      case Per::kScan:
        for (int point = 0; point < c_.scan_points; ++point) names.push_back(fmt::format("{}.{}", name, point));
        break;
      case Per::kPixel:
        for (int line = 0; line < legged_->camera.height; ++line) {
          for (int column = 0; column < legged_->camera.width; ++column) {
            names.push_back(fmt::format("{}.{}.{}", name, line, column));
          }
        }
        break;
    }
    return names;
  }

  /// Places the terms side by side in the group's row; sets `count` to their number.
  ObservationGroup place_observations(const std::vector<std::string>& terms, const char* group, PlacedTerm* placed,
                                      int& count) {
    if (terms.empty())
      fail(fmt::format("observations.{} is empty; terms such as \"joint_position\" would be right", group));
    if (terms.size() > kMostTerms) {
      fail(fmt::format("observations.{} has {} terms; at most {} are possible", group, terms.size(), kMostTerms));
    }
    count = 0;
    ObservationGroup made;
    made.name = group;
    for (const std::string& term : terms) {
      const int index = index_of(kObservationTerms, term);
      if (index < 0) {
        if (!formulas_->has_term(term)) {
          fail(
              fmt::format("observations.{}: there is no term '{}'; [observations.terms.{}] with a formula would be "
                          "right",
                          group, term, term));
        }
        const ObservedGroup to = made.name == kPolicyGroup ? kObservedPolicy : kObservedPrivileged;
        const std::vector<std::string> more = formulas_->place_term(term, to, made.size());
        made.names.insert(made.names.end(), more.begin(), more.end());
        if (to == kObservedPolicy) legged_->sensed.resize(made.names.size(), 0.0f);
        continue;
      }
      const auto which = static_cast<ObservationTerm>(index);
      placed[count++] = {which, made.size(), noise_of(which)};
      const std::vector<std::string> more = names_of(kObservationTerms[index]);
      made.names.insert(made.names.end(), more.begin(), more.end());
      if (which == ObservationTerm::kDepth) made.picture = {legged_->camera.height, legged_->camera.width};
      if (made.name != "policy") continue;
      const bool own = which == ObservationTerm::kCommand || which == ObservationTerm::kLastAction;
      legged_->sensed.resize(made.names.size(), own ? 0.0f : 1.0f);
    }
    return made;
  }

  void name_task() {
    spec_.name = task_.name;
    spec_.kernel = "legged";
    spec_.states = robot().nq + robot().nv;
    spec_.max_steps = c_.max_steps;
    spec_.control_dt = static_cast<double>(c_.control_dt);
    spec_.notes = compiled_.notes;
    spec_.legged = legged_;
    spec_.facts = legged_facts(spec_, settings_);
    list_metrics();
  }

  /// Metrics of the reward terms whose weight is not 0, and of the ground's level.
  void list_metrics() {
    const auto add = [&](const std::string& name, const char* unit, const char* panel, int row, double divisor) {
      MetricInfo info;
      info.name = info.tag = name;
      info.unit = unit;
      info.panel = panel;
      spec_.metrics.push_back({info, row, divisor});
    };
    const FormulaSpec& formulas = legged_->formulas;
    spec_.metric_rows =
        formulas.present() ? formulas.nonfinite + static_cast<int>(formulas.names.size()) : kLeggedTotals;
    for (int i = 0; i < kRewardTermCount; ++i) {
      if (c_.reward_weight[i] == 0.0f) continue;
      add(std::string("rewards/") + kRewardTerms[i].name, "1/s", "weighted reward terms, a second", i,
          spec_.control_dt);
    }
    int row = kLeggedTotals;
    for (const RewardFormula& reward : formulas_->rewards()) {
      add("rewards/" + reward.name, "1/s", "weighted reward terms, a second", row++, spec_.control_dt);
    }
    for (std::size_t i = 0; i < formulas.names.size(); ++i) {
      add(kNotFinite + formulas.names[i], "share of steps in which the formula is not finite", "",
          formulas.nonfinite + static_cast<int>(i), 1);
    }
    if (c_.levels > 0) add("terrain/level", "", "level of the ground, mean", kLevelTotal, 1);
  }

  const TaskInfo& task_;
  const LeggedSettings& settings_;
  const CompiledRobot& compiled_;
  TaskSpec spec_;
  std::shared_ptr<LeggedSpec> legged_;
  LeggedConstants& c_;
  std::optional<LeggedFormulas> formulas_;
  bool has_diagonals_ = false;
};

}  // namespace

LoadOptions legged_load_options(const LeggedSettings& settings) {
  LoadOptions options;
  options.terrain = terrain_of(settings);
  options.base = BaseChoice::kFree;
  options.timestep = static_cast<double>(settings.control.timestep);
  options.feet = settings.control.feet;
  const ControlSettings& control = settings.control;
  if (control.stiffness.any_above_zero()) {
    options.servo = ServoGains{control.stiffness, control.damping, control.torque_limit};
  }
  return options;
}

CompiledRobot compile_legged_robot(const TaskInfo& task, const LeggedSettings& settings) {
  if (settings.control.robot.empty()) {
    throw Error("task '" + task.name +
                "': control.robot is missing; a robot's name (`stampede list`) or its file would be right");
  }
  return load_robot(settings.control.robot, legged_load_options(settings));
}

TaskSpec make_legged_spec(const TaskInfo& task, const LeggedSettings& settings, const CompiledRobot& robot) {
  return Planner(task, settings, robot).make();
}

LeggedSettings without_randomisation(LeggedSettings settings) {
  settings.noise = {};
  settings.randomise = {};
  CameraSettings& camera = settings.camera;
  camera.noise = camera.dropped = camera.edges = 0;
  camera.latency_error = camera.position_error = camera.angle_error = 0;
  return settings;
}

}  // namespace stampede
