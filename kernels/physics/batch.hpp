#pragma once
/// \file Batches of robots as kernels. State, variation and controls lie as structures of arrays: a row for each member,
/// an element for each lane; lane = environment * lanes of a group + limb.

#include <cstring>

#include "kernels/physics/step.hpp"

namespace stampede {

/// Rows of `stride` numbers.
template <class T>
struct RowsView {
  T* data;
  Index stride;
};

/// Reads a struct of Reals, one row a member, for the lanes from `lane` on.
template <class Struct, class Real>
STAMPEDE_FN Struct read_rows(const RowsView<ScalarOf<Real>>& rows, Index lane) {
  constexpr int kCount = kRows<Struct, Real>;
  Array<Real, kCount> members;
  STAMPEDE_UNROLL
  for (int r = 0; r < kCount; ++r) members[r] = load<Real>(rows.data + r * rows.stride + lane);
  Struct s;
  memcpy(static_cast<void*>(&s), &members, sizeof s);
  return s;
}
template <class Real, class Struct>
STAMPEDE_FN void write_rows(const RowsView<ScalarOf<Real>>& rows, Index lane, const Struct& s) {
  constexpr int kCount = kRows<Struct, Real>;
  Array<Real, kCount> members;
  memcpy(&members, static_cast<const void*>(&s), sizeof members);
  STAMPEDE_UNROLL
  for (int r = 0; r < kCount; ++r) store(rows.data + r * rows.stride + lane, members[r]);
}

/// Where the numbers of a struct are all finite.
template <class Real, class Struct>
STAMPEDE_FN MaskOf<Real> all_finite(const Struct& s) {
  constexpr int kCount = kRows<Struct, Real>;
  Array<Real, kCount> members;
  memcpy(&members, static_cast<const void*>(&s), sizeof members);
  Real sum = members[0] - members[0];
  STAMPEDE_UNROLL
  for (int r = 1; r < kCount; ++r) sum += members[r] - members[r];
  return sum == Real(0);
}

template <class Real, class Struct>
STAMPEDE_FN Struct select_all(MaskOf<Real> mask, const Struct& yes, const Struct& no) {
  constexpr int kCount = kRows<Struct, Real>;
  Array<Real, kCount> a, b;
  memcpy(&a, static_cast<const void*>(&yes), sizeof a);
  memcpy(&b, static_cast<const void*>(&no), sizeof b);
  STAMPEDE_UNROLL
  for (int r = 0; r < kCount; ++r) a[r] = select(mask, a[r], b[r]);
  Struct s;
  memcpy(static_cast<void*>(&s), &a, sizeof s);
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
  int steps;

  template <class>  // Real, which the kernel is compiled for
  STAMPEDE_FN void operator()(Index lane) const {
    const auto& limb = limb_of<Real>(model, lane);
    auto s = read_rows<PhysicsState<Real, J>, Real>(state, lane);
    const auto varied = read_rows<PhysicsVariation<Real, J>, Real>(variation, lane);
    const auto u = read_rows<Array<Real, J>, Real>(control, lane);
    auto count = read_rows<PhysicsCounts<Real>, Real>(counts, lane);
    STAMPEDE_NO_UNROLL
    for (int i = 0; i < steps; ++i) {
      PhysicsStages<Real, J> stages;
      forward_dynamics<Shape>(model, limb, ground, varied, u, lane, s, stages, count);
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
    }
    write_rows<Real>(state, lane, s);
    write_rows<Real>(counts, lane, count);
  }
};

}  // namespace stampede
