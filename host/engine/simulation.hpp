#pragma once
/// \file Robots being simulated, side by side, on whatever processor: the physics behind a plain interface.

#include <cstdint>
#include <memory>
#include <vector>

#include "host/engine/robot_model.hpp"

namespace stampede {

/// What to simulate.
struct SimulationRequest {
  const RobotModel* robot = nullptr;  ///< copied when the simulation is made
  std::int64_t num_envs = 1;
  bool double_precision = false;  ///< on a CPU only
  /// Solve to rounding instead of to the usual tolerance: for comparisons.
  bool exact = false;
  bool contact_forces = false;  ///< keep them, for get_contact_forces
};

/// What may differ from one environment to the next. Lists have an element for each joint, in the order of qvel, or are
/// empty for 1.
struct Variation {
  Vec3<double> gravity{0, 0, -9.81};  ///< world axes [m/s^2]
  Vec3<double> push_force{0, 0, 0};   ///< at the base's centre of mass, world axes [N]
  Vec3<double> push_torque{0, 0, 0};  ///< [N m]
  double friction = 1;                ///< factor on the friction of contacts
  double base_mass = 1;               ///< factor on mass and inertia
  Vec3<double> base_centre{0, 0, 0};  ///< added to the base's centre of mass, body axes [m]
  std::vector<double> mass, strength, servo, velocity_gain, armature, friction_loss;  ///< factors
};

/// Steps of one environment that another engine is to take, in MuJoCo's coordinates.
struct ExternalStep {
  Variation variation;
  std::vector<double> ctrl, last_ctrl;  ///< [nu]
  double delay_steps = 0;               ///< of `steps`, those in which `last_ctrl` still acts
  int steps = 1;
};
struct ExternalState {
  std::vector<double> qpos, qvel;  ///< [nq], [nv]
  std::vector<double> qacc;        ///< [nv], that its solver may start from
};
/// What the steps of one call did: largest values, and the sum of the work. kernels/physics/record.hpp is the same for
/// our engine.
struct ExternalRecord {
  static constexpr int kSlots = kMaxJoints + 2;  ///< base, links, foot (the last)
  std::vector<double> torque;                    ///< |force| of the actuators, joints in the order of qvel [N m]
  std::vector<double> force;                     ///< [limbs][kSlots] of the ground; the base's counts for limb 0 [N]
  std::vector<double> touches;                   ///< [limbs]: 1 where the foot touched in the last step
  std::vector<double> work;                      ///< [limbs]: sum of |torque x joint velocity| dt [J]
};

/// Another engine in the place of ours, for evaluations.
class ExternalPhysics {
 public:
  virtual ~ExternalPhysics() = default;
  /// Threads may call it at the same time, each with its own number. Where the simulation diverges, it leaves a state
  /// that is not finite.
  virtual void step(int thread, const ExternalStep& in, ExternalState& state, ExternalRecord& record) = 0;
};

/// Sums over environments and steps since the start; members as in PhysicsCounts (kernels/physics/model.hpp).
struct SimulationCounts {
  double steps = 0;  ///< of single environments
  double iterations = 0, capped = 0, contacts = 0, over_slots = 0, held = 0;
};

/// The stages of the step that would come next, in MuJoCo's coordinates: the base's first three velocities are
/// linear, in world axes, the next three angular, in its own.
struct StageReport {
  std::vector<double> mass_matrix;  ///< [nv][nv]
  std::vector<double> bias;         ///< [nv]
  std::vector<double> qacc;         ///< [nv], before implicit damping
  int contacts = 0;
};

/// A batch of robots. One thread calls it. Throws Error where an index or a size does not fit.
class Simulation {
 public:
  virtual ~Simulation() = default;

  virtual std::int64_t num_envs() const = 0;

  /// Sets an environment: qpos [nq], qvel [nv] in MuJoCo's coordinates, and the acceleration that the solver starts
  /// from (null for 0). Quaternions are normalised.
  virtual void set_state(std::int64_t env, const double* qpos, const double* qvel, const double* qacc = nullptr) = 0;
  /// Reads one; null pointers are left out.
  virtual void get_state(std::int64_t env, double* qpos, double* qvel, double* qacc = nullptr) = 0;

  /// Reads all environments at once, rounded to float: qpos [num_envs][nq], qvel [num_envs][nv].
  virtual void get_states(float* qpos, float* qvel) = 0;

  virtual void set_variation(std::int64_t env, const Variation& variation) = 0;

  /// Makes room for so many sets of controls; new ones begin as the robot's home controls.
  virtual void reserve_controls(int sets) = 0;
  /// ctrl [nu].
  virtual void set_control(int set, std::int64_t env, const double* ctrl) = 0;
  /// Sets all environments at once: ctrl [num_envs][nu].
  virtual void set_controls(int set, const float* ctrl) = 0;

  /// Takes all environments `steps` steps on with one set of controls. An environment whose state or controls are not
  /// finite is left as it was, and counted.
  virtual void step(int set, int steps) = 0;
  /// Waits until all steps are taken.
  virtual void wait() = 0;

  /// The ground's forces [N] on the parts of the robots, the largest of the last call's steps: force
  /// [num_envs][limbs][joints + 2], with limbs and joints of RobotModel; of each limb its share of the forces on the
  /// base, those on its links, and that on its foot. Throws Error where they were not asked for.
  virtual void get_contact_forces(float* force) = 0;

  /// The stages of the next step, of each environment.
  virtual std::vector<StageReport> inspect(int set) = 0;
  virtual SimulationCounts counts() = 0;
};

}  // namespace stampede
