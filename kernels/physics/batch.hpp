#pragma once
/// \file Batches of robots as kernels. State, variation and controls lie as structures of arrays: a row for each
/// member, an element for each lane; lane = environment * lanes of a group + limb. For groups of four lanes:
///
///                 environment 0 | environment 1 | ...
///     limb        0  1  2  3    | 0  1  2  3    |
///     member 0    .  .  .  .    | .  .  .  .    |        a row, `stride` numbers long
///     member 1    .  .  .  .    | .  .  .  .    |

#include <cstring>

#include "kernels/physics/record.hpp"
#if !defined(__CUDACC__)
#include "kernels/physics/stragglers.hpp"
#endif

namespace stampede {

/// The Real that kernels on lanes are compiled for: packs narrower than a group are replaced by packs as wide as one.
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

/// Member r of a struct of Reals. Members are copied one by one: a copy of the whole struct would go through memory
/// twice.
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
/// Prefetches the rows of the lanes from `lane` on: there are more rows than streams that a processor prefetches by
/// itself.
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

/// The constants of a lane's limb: on a CPU one struct for all lanes, on a GPU an element for each lane of a group.
template <class Real, class Model>
STAMPEDE_FN const auto& limb_of(const Model& model, Index lane) {
  if constexpr (ScalarLane<Real>) {
    return model.limb[lane % Model::Shape::kGroup];
  } else {
    return *model.limb;
  }
}

/// Intermediate results of a step for each lane, in world axes: what StepPhysics writes to `report`.
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
STAMPEDE_FN PhysicsReport<Real, J> report_on(const PhysicsStages<Real, J>& stages, Real contacts) {
  PhysicsReport<Real, J> r;
  inertia_block(stages.mass.base, r.base_mass.values);
  unpack(group_sum<Shape::kGroup>(stages.bias.share) + stages.bias.base, r.bias_base.values);
  for (int c = 0; c < 6; ++c) r.acceleration_base[c] = stages.search.a.base[c];
  for (int i = 0; i < J; ++i) {
    for (int c = 0; c < 6; ++c) r.coupling[6 * i + c] = stages.mass.limb.coupling[i][c];
    for (int j = 0; j <= i; ++j) r.limb_mass[lower(i, j)] = stages.mass.limb.block[lower(i, j)];
    r.bias_joint[i] = stages.bias.joint[i];
    r.acceleration_joint[i] = stages.search.a.joint[i];
  }
  r.contacts = contacts;
  return r;
}

/// For controls that take effect with a delay: those that act until then.
template <class Real, int J>
struct DelayedControl {
  Array<Real, J> last;
  Real steps;  ///< physics steps for which `last` still acts
};

/// Moves every environment on by `steps` steps with the same controls. An environment whose controls or state are not
/// finite before or after is left as it was, and counted in `held`. Where `report` has data, the stages of the next
/// step are written there instead, and nothing moves.
template <class Shape, class Ground, class LaneReal>
struct StepPhysics {
  using Real = LaneReal;
  using Scalar = ScalarOf<Real>;
  static constexpr int J = Shape::kJoints;

  PhysicsModel<Shape, Real> model;
  Ground ground;
  RowsView<Scalar> state, variation, control, counts, report;
  RowsView<Scalar> delayed, record;  ///< DelayedControl, read; PhysicsRecord, written; not used where data is null
  int steps;

#if defined(__CUDACC__)
  static constexpr int kSharedWords = ContactSet<Real, J>::kSharedWords;

  /// On a GPU, a lane by itself, with `shared`, kSharedWords numbers of the block's shared memory that are the lane's.
  template <class>  // Real, which the kernel is compiled for
  STAMPEDE_FN void operator()(Index lane, float* shared) const {
    Contact<Real, J> far[kMaxContacts - ContactSet<Real, J>::kNear];
    ContactSet<Real, J> contacts;
    contacts.near = reinterpret_cast<Contact<Real, J>*>(shared);
    contacts.far = far;
    step_lanes(lane, contacts);
  }
#else
  /// The lanes from `lane` on by themselves, which wait for their slowest robot. For tests.
  template <class>
  void operator()(Index lane) const {
    ContactSet<Real, J> contacts;
    step_lanes(lane, contacts);
  }

  /// On a CPU, up to 16 packs at a time, whose slowest robots are put together in one pack (stragglers.hpp).
  void operator()(Range lanes) const {
    constexpr int kPacks = 16;
    constexpr Index kWidth = kLanes<Real>;
    RobotPack<Real, J> packs[kPacks];
    PhysicsStages<Real, J> stages;
    ContactSet<Real, J> contacts;
    Stragglers<PhysicsModel<Shape, Real>, Ground::kFlat, Real> stragglers(model, record.data != nullptr);
    for (Index first = lanes.begin; first < lanes.end; first += kPacks * kWidth) {
      const int count = static_cast<int>((std::min(lanes.end - first, kPacks * kWidth) + kWidth - 1) / kWidth);
      for (int p = 0; p < count; ++p) {
        prefetch_rows<PhysicsState<Real, J>, Real>(state, first + (p + 1) * kWidth);
        take_up(first + p * kWidth, packs[p].robots);
      }
      for (int i = 0; i < steps; ++i) {
        for (int p = 0; p < count; ++p) {
          stragglers.settle(packs[p]);
          if (i == 0) prefetch_rows<PhysicsVariation<Real, J>, Real>(variation, first + (p + 1) * kWidth);
          prepare(first + p * kWidth, i, packs[p].robots, stages, contacts);
          if (report.data != nullptr) {
            stragglers.search_to_the_end(stages, contacts);
            write_rows<Real>(report, first + p * kWidth, report_on<Shape>(stages, contacts.count));
          } else {
            stragglers.finish(stages, contacts, packs[p]);
          }
        }
      }
      if (report.data != nullptr) continue;
      for (int p = 0; p < count; ++p) {
        stragglers.settle(packs[p]);
        put_down(first + p * kWidth, packs[p].robots);
      }
    }
  }
#endif

 private:
  /// Moves the lanes from `lane` on by all steps.
  STAMPEDE_FN void step_lanes(Index lane, ContactSet<Real, J>& contacts) const {
    MovingRobots<Real, J> robots;
    take_up(lane, robots);
    PhysicsStages<Real, J> stages;
    STAMPEDE_NO_UNROLL
    for (int i = 0; i < steps; ++i) {
      prepare(lane, i, robots, stages, contacts);
      while (any_together(stages.search.active)) {
        advance_search<Shape, Ground::kFlat>(model, stages.mass, contacts, stages.search);
      }
      if (report.data != nullptr) return write_rows<Real>(report, lane, report_on<Shape>(stages, contacts.count));
      take_search<Ground::kFlat>(model, stages.search, contacts, record.data != nullptr, robots.counts, robots.record);
      integrate<Shape>(model, limb_of<Real>(model, lane), stages.kinematics.base, stages.mass,
                       stages.applied.velocity_gain, stages.search.a, robots.s);
    }
    put_down(lane, robots);
  }

  /// Reads the robots before their first step.
  STAMPEDE_FN void take_up(Index lane, MovingRobots<Real, J>& robots) const {
    robots.s = read_rows<PhysicsState<Real, J>, Real>(state, lane);
    robots.counts = read_rows<PhysicsCounts<Real>, Real>(counts, lane);
    if (record.data != nullptr) robots.record = fill_rows<PhysicsRecord<Real, J>>(Real(0));
  }

  /// The robots' next step, number i of the launch, up to the search for their accelerations.
  STAMPEDE_FN void prepare(Index lane, int i, MovingRobots<Real, J>& robots, PhysicsStages<Real, J>& stages,
                           ContactSet<Real, J>& contacts) const {
    const auto varied = read_rows<PhysicsVariation<Real, J>, Real>(variation, lane);
    auto acting = read_rows<Array<Real, J>, Real>(control, lane);
    if (delayed.data != nullptr) {
      const auto own = read_rows<DelayedControl<Real, J>, Real>(delayed, lane);
      const MaskOf<Real> waits = own.steps > Real(static_cast<float>(i) + 0.5f);
      STAMPEDE_UNROLL
      for (int j = 0; j < J; ++j) acting[j] = select(waits, own.last[j], acting[j]);
    }
    prepare_step<Shape>(model, limb_of<Real>(model, lane), ground, varied, acting, lane, robots.s, stages, contacts,
                        robots.counts);
    if (record.data != nullptr) record_torques(stages.applied, robots.s, Real(model.options.timestep), robots.record);
  }

  /// Writes the robots after their last step; those that are not finite stay as they were read.
  STAMPEDE_FN void put_down(Index lane, MovingRobots<Real, J>& robots) const {
    const MaskOf<Real> good =
        all_finite<Real>(robots.s) && all_finite<Real>(read_rows<Array<Real, J>, Real>(control, lane));
    const Real bad = group_sum<Shape::kGroup>(select(good, Real(0), Real(1)));
    if (any_together(bad > Real(0.5f))) {
      const MaskOf<Real> whole = bad < Real(0.5f);
      robots.s = select_all<Real>(whole, robots.s, read_rows<PhysicsState<Real, J>, Real>(state, lane));
      robots.counts = select_all<Real>(whole, robots.counts, read_rows<PhysicsCounts<Real>, Real>(counts, lane));
      robots.counts.held += select(whole, Real(0), Real(static_cast<float>(steps)));
      robots.record.held = select(whole, Real(0), Real(1));
    }
    if (record.data != nullptr) write_rows<Real>(record, lane, robots.record);
    write_rows<Real>(state, lane, robots.s);
    write_rows<Real>(counts, lane, robots.counts);
  }
};

}  // namespace stampede
