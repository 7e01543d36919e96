#pragma once
/// \file What a launch keeps of its steps: forces and work, by which tasks judge a robot, and counts.

#include "kernels/physics/step.hpp"

namespace stampede {

/// What tasks judge a robot by: what happened to it in the steps of a launch, lane by lane. Torques and forces are
/// magnitudes, the largest of the steps; work is the sum over the steps.
template <class Real, int J>
struct PhysicsRecord {
  Array<Real, J> torque;     ///< the actuators' [N m]
  Array<Real, J + 2> force;  ///< of the ground on the lane's share of the base, on each link, and on the foot [N]
  Real touches;              ///< 1 where the foot touched in the last step
  Real held;                 ///< 1 where the environment was left as it was, as its state or controls were not finite
  Real work;                 ///< sum of |torque x joint velocity| dt over the limb's actuators and the steps [J]
};

/// Adds a step's torques to the record, and their work at the joint velocities of the step's start. `record_forces`
/// adds the contact forces, once the accelerations are found.
template <class Real, int J>
STAMPEDE_FN void record_torques(const AppliedForces<Real, J>& applied, const PhysicsState<Real, J>& s, Real timestep,
                                PhysicsRecord<Real, J>& record) {
  Real power(0);
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) {
    record.torque[i] = max(record.torque[i], abs(applied.actuator[i]));
    power += abs(applied.actuator[i] * s.v[i]);
  }
  record.work += power * timestep;
}
template <bool kFlat, class Model, class Real, int J>
STAMPEDE_CALLED void record_forces(const Model& model, const ContactSet<Real, J>& contacts,
                                   PhysicsRecord<Real, J>& record) {
  Vec3<Real> force[J + 2];
  STAMPEDE_UNROLL
  for (int i = 0; i < J + 2; ++i) force[i] = zero3<Real>();
  record.touches = Real(0);
  for_each_slot(contacts, 0, [&](const Contact<Real, J>& c, int) {
    Vec3<Real> f = cone_force<kFlat>(model, c, c.residual).force;
    if constexpr (!kFlat) f = c.axes * f;
    f = select(c.stiffness > Real(0), f, zero3<Real>());
    MaskOf<Real> foot = c.stiffness > Real(0);
    STAMPEDE_UNROLL
    for (int i = 0; i <= J; ++i) {
      const MaskOf<Real> here = c.link == Real(static_cast<float>(i));
      force[i] = force[i] + select(here, f, zero3<Real>());
      foot = foot && !here;
    }
    force[J + 1] = force[J + 1] + select(foot, f, zero3<Real>());
    record.touches = select(foot, Real(1), record.touches);
  });
  STAMPEDE_UNROLL
  for (int i = 0; i < J + 2; ++i) record.force[i] = max(record.force[i], sqrt(dot(force[i], force[i])));
}

/// Adds a finished search to the counts and, if `records`, its contact forces to the record.
template <bool kFlat, class Model, class Real, int J>
STAMPEDE_FN void take_search(const Model& model, const NewtonSearch<Real, J>& search,
                             const ContactSet<Real, J>& contacts, bool records, PhysicsCounts<Real>& counts,
                             PhysicsRecord<Real, J>& record) {
  counts.iterations += search.iterations;
  counts.capped += search.capped;
  if (records) record_forces<kFlat>(model, contacts, record);
}

/// The robots of a pack, or that of a lane, during a launch.
template <class Real, int J>
struct MovingRobots {
  PhysicsState<Real, J> s;
  PhysicsCounts<Real> counts;
  PhysicsRecord<Real, J> record;
};

}  // namespace stampede
