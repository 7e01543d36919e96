#pragma once
/// \file Batches of robots as kernels. State, variation and controls lie as structures of arrays: a row for each member,
/// an element for each lane; lane = environment * lanes of a group + limb.

#include <cstring>

#include "kernels/physics/step.hpp"

namespace stampede {

/// Packs that hold whole groups: what kernels on lanes are compiled for.
template <class Shape, class Real>
struct GroupPack {
  using type = Real;
};
#if !defined(__CUDACC__)
template <class Shape, class T, int N>
struct GroupPack<Shape, Pack<T, N>> {
  using type = Pack<T, (N >= Shape::kGroup ? N : Shape::kGroup)>;
};
#endif

/// Rows of `stride` numbers.
template <class T>
struct RowsView {
  T* data;
  Index stride;
};

/// Member r of a struct of Reals. Copied one by one: as a whole they would pass through memory twice.
template <class Real, class Struct>
STAMPEDE_FN Real get_row(const Struct& s, int r) {
  Real member;
  memcpy(&member, reinterpret_cast<const char*>(&s) + static_cast<std::size_t>(r) * sizeof member, sizeof member);
  return member;
}
template <class Real, class Struct>
STAMPEDE_FN void set_row(Struct& s, int r, const Real& member) {
  memcpy(reinterpret_cast<char*>(&s) + static_cast<std::size_t>(r) * sizeof member, &member, sizeof member);
}

/// Reads a struct of Reals, one row a member, for the lanes from `lane` on.
template <class Struct, class Real>
STAMPEDE_FN Struct read_rows(const RowsView<ScalarOf<Real>>& rows, Index lane) {
  Struct s;
  STAMPEDE_UNROLL
  for (int r = 0; r < kRows<Struct, Real>; ++r) set_row(s, r, load<Real>(rows.data + r * rows.stride + lane));
  return s;
}
template <class Real, class Struct>
STAMPEDE_FN void write_rows(const RowsView<ScalarOf<Real>>& rows, Index lane, const Struct& s) {
  STAMPEDE_UNROLL
  for (int r = 0; r < kRows<Struct, Real>; ++r) store(rows.data + r * rows.stride + lane, get_row<Real>(s, r));
}
/// Asks for the rows of the lanes from `lane` on: so many streams are more than a processor follows by itself.
template <class Struct, class Real>
STAMPEDE_FN void prefetch_rows([[maybe_unused]] const RowsView<ScalarOf<Real>>& rows, [[maybe_unused]] Index lane) {
#if !defined(__CUDACC__)
  STAMPEDE_UNROLL
  for (int r = 0; r < kRows<Struct, Real>; ++r) STAMPEDE_PREFETCH(rows.data + r * rows.stride + lane);
#endif
}

/// Where the numbers of a struct are all finite.
template <class Real, class Struct>
STAMPEDE_FN MaskOf<Real> all_finite(const Struct& s) {
  Real sum(0);
  STAMPEDE_UNROLL
  for (int r = 0; r < kRows<Struct, Real>; ++r) sum += get_row<Real>(s, r) - get_row<Real>(s, r);
  return sum == Real(0);
}

/// A struct of Reals that are all the same.
template <class Struct, class Real>
STAMPEDE_FN Struct fill_rows(Real x) {
  Struct s;
  STAMPEDE_UNROLL
  for (int r = 0; r < kRows<Struct, Real>; ++r) set_row(s, r, x);
  return s;
}

template <class Real, class Struct>
STAMPEDE_FN Struct select_all(MaskOf<Real> mask, const Struct& yes, const Struct& no) {
  Struct s;
  STAMPEDE_UNROLL
  for (int r = 0; r < kRows<Struct, Real>; ++r)
    set_row(s, r, select(mask, get_row<Real>(yes, r), get_row<Real>(no, r)));
  return s;
}

/// A lane's robot: the one there is on a CPU, an element a lane on a GPU.
template <class Real, class Model>
STAMPEDE_FN const auto& limb_of(const Model& model, Index lane) {
  if constexpr (ScalarLane<Real>) {
    return model.limb[lane % Model::Shape::kGroup];
  } else {
    return *model.limb;
  }
}

/// What a look at a step's stages finds for each lane, world axes.
template <class Real, int J>
struct PhysicsReport {
  Array<Real, 21> base_mass;             ///< the base's block of the mass matrix, lower triangle by rows
  Array<Real, 6 * J> coupling;           ///< [joint][6]
  Array<Real, J*(J + 1) / 2> limb_mass;  ///< lower triangle by rows
  Array<Real, 6> bias_base;              ///< of the whole robot
  Array<Real, J> bias_joint;
  Array<Real, 6> acceleration_base;  ///< constrained, before implicit damping
  Array<Real, J> acceleration_joint;
  Real contacts;
};

template <class Shape, class Real, int J>
STAMPEDE_FN PhysicsReport<Real, J> report_on(const PhysicsStages<Real, J>& stages) {
  PhysicsReport<Real, J> r;
  inertia_block(stages.mass.base, r.base_mass.values);
  unpack(group_sum<Shape::kGroup>(stages.bias.share) + stages.bias.base, r.bias_base.values);
  for (int c = 0; c < 6; ++c) r.acceleration_base[c] = stages.acceleration.base[c];
  for (int i = 0; i < J; ++i) {
    for (int c = 0; c < 6; ++c) r.coupling[6 * i + c] = stages.mass.limb.coupling[i][c];
    for (int j = 0; j <= i; ++j) r.limb_mass[lower(i, j)] = stages.mass.limb.block[lower(i, j)];
    r.bias_joint[i] = stages.bias.joint[i];
    r.acceleration_joint[i] = stages.acceleration.joint[i];
  }
  r.contacts = stages.contacts.count;
  return r;
}

/// What tasks judge a robot by: what happened to it in a launch, lane by lane. Forces are sizes, the greatest of the steps.
template <class Real, int J>
struct PhysicsRecord {
  Array<Real, J> torque;     ///< the actuators' [N m]
  Array<Real, J + 2> force;  ///< of the ground on the lane's share of the base, on each link, and on the foot [N]
  Real touches;              ///< 1 where the foot touched in the last step
  Real held;                 ///< 1 where the environment was left as it was
};

/// Takes a step's torques and contact forces into the record.
template <bool kFlat, class Real, int J>
STAMPEDE_FN void record_step(const PhysicsStages<Real, J>& stages, PhysicsRecord<Real, J>& record) {
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) record.torque[i] = max(record.torque[i], abs(stages.applied.actuator[i]));
  Vec3<Real> force[J + 2];
  STAMPEDE_UNROLL
  for (int i = 0; i < J + 2; ++i) force[i] = zero3<Real>();
  record.touches = Real(0);
  STAMPEDE_NO_UNROLL
  for (int q = 0; q < stages.contacts.used; ++q) {
    const Contact<Real, J>& c = stages.contacts.slot[q];
    Vec3<Real> f = c.force;
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
  }
  STAMPEDE_UNROLL
  for (int i = 0; i < J + 2; ++i) record.force[i] = max(record.force[i], sqrt(dot(force[i], force[i])));
}

/// Controls that arrive late: until then the last ones act.
template <class Real, int J>
struct LateControl {
  Array<Real, J> last;
  Real steps;  ///< steps that the last ones still act
};

/// Takes every environment `steps` steps on with the same controls. An environment whose controls or state are not finite
/// before or after is left as it was, and counted in `held`. With a place for the report, the stages of the next step are
/// written there, and nothing moves.
template <class Shape, class Ground, class LaneReal>
struct StepPhysics {
  using Real = LaneReal;
  using Scalar = ScalarOf<Real>;
  static constexpr int J = Shape::kJoints;

  PhysicsModel<Shape, Real> model;
  Ground ground;
  RowsView<Scalar> state, variation, control, counts, report;
  RowsView<Scalar> late, record;  ///< LateControl, read, and PhysicsRecord, written; without data neither
  int steps;

  template <class>  // Real, which the kernel is compiled for
  STAMPEDE_FN void operator()(Index lane) const {
    const auto& limb = limb_of<Real>(model, lane);
    auto s = read_rows<PhysicsState<Real, J>, Real>(state, lane);
    const auto varied = read_rows<PhysicsVariation<Real, J>, Real>(variation, lane);
    const auto u = read_rows<Array<Real, J>, Real>(control, lane);
    auto count = read_rows<PhysicsCounts<Real>, Real>(counts, lane);
    prefetch_rows<PhysicsState<Real, J>, Real>(state, lane + kLanes<Real>);
    prefetch_rows<PhysicsVariation<Real, J>, Real>(variation, lane + kLanes<Real>);
    LateControl<Real, J> delayed;
    if (late.data != nullptr) delayed = read_rows<LateControl<Real, J>, Real>(late, lane);
    PhysicsRecord<Real, J> recorded;
    if (record.data != nullptr) recorded = fill_rows<PhysicsRecord<Real, J>>(Real(0));
    STAMPEDE_NO_UNROLL
    for (int i = 0; i < steps; ++i) {
      PhysicsStages<Real, J> stages;
      Array<Real, J> acting = u;
      if (late.data != nullptr) {
        const MaskOf<Real> waits = delayed.steps > Real(static_cast<float>(i) + 0.5f);
        STAMPEDE_UNROLL
        for (int j = 0; j < J; ++j) acting[j] = select(waits, delayed.last[j], u[j]);
      }
      forward_dynamics<Shape>(model, limb, ground, varied, acting, lane, s, stages, count);
      if (record.data != nullptr) record_step<Ground::kFlat>(stages, recorded);
      if (report.data != nullptr) return write_rows<Real>(report, lane, report_on<Shape>(stages));
      integrate<Shape>(model, limb, stages, s);
    }
    const MaskOf<Real> good = all_finite<Real>(s) && all_finite<Real>(u);
    const Real bad = group_sum<Shape::kGroup>(select(good, Real(0), Real(1)));
    if (any_together(bad > Real(0.5f))) {
      const MaskOf<Real> whole = bad < Real(0.5f);
      s = select_all<Real>(whole, s, read_rows<PhysicsState<Real, J>, Real>(state, lane));
      count = select_all<Real>(whole, count, read_rows<PhysicsCounts<Real>, Real>(counts, lane));
      count.held += select(whole, Real(0), Real(static_cast<float>(steps)));
      recorded.held = select(whole, Real(0), Real(1));
    }
    if (record.data != nullptr) write_rows<Real>(record, lane, recorded);
    write_rows<Real>(state, lane, s);
    write_rows<Real>(counts, lane, count);
  }
};

}  // namespace stampede
