#pragma once
/// \file Packs that do not wait for their slowest robot, on a CPU.
///
/// The robots of a pack need different numbers of Newton iterations, and all its lanes would iterate until the last is
/// done. So a pack stops while a few of its robots still search. Those are copied into a pack of stragglers, in which
/// every place that becomes free is taken by the next straggler, so that it iterates nearly full:
///
///     pack 0        a b C d    a, b and d are done, C still searches
///     pack 1        E f G h
///     stragglers    C E G .    iterate together; a robot that is done returns to its pack
///
/// A robot's result does not depend on its neighbours, so it has the same bits wherever it is solved. On a GPU there
/// are no stragglers: a warp would have to move robots through its shared memory, whereas a CPU has them in its cache
/// anyway.

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "kernels/physics/record.hpp"

namespace stampede {

/// Copies the first `rows` numbers of a struct of Reals from the lanes of one group to those of another.
template <int K, class Real, class Struct>
void copy_group(const Struct& from, int from_group, Struct& to, int to_group,
                int rows = static_cast<int>(sizeof(Struct) / sizeof(Real))) {
  constexpr std::size_t kBytes = K * sizeof(ScalarOf<Real>);
  const char* source = reinterpret_cast<const char*>(&from) + static_cast<std::size_t>(from_group) * kBytes;
  char* target = reinterpret_cast<char*>(&to) + static_cast<std::size_t>(to_group) * kBytes;
  STAMPEDE_UNROLL
  for (int r = 0; r < rows; ++r, source += sizeof(Real), target += sizeof(Real)) std::memcpy(target, source, kBytes);
}

template <int K, class Real, class Struct>
void clear_group(Struct& s, int group, int rows) {
  constexpr std::size_t kBytes = K * sizeof(ScalarOf<Real>);
  char* target = reinterpret_cast<char*>(&s) + static_cast<std::size_t>(group) * kBytes;
  STAMPEDE_UNROLL
  for (int r = 0; r < rows; ++r, target += sizeof(Real)) std::memset(target, 0, kBytes);
}

/// A pack of robots, and what `integrate` needs to end a step once the pack's stragglers are done.
template <class Real, int J>
struct RobotPack {
  MovingRobots<Real, J> robots;
  int straggling = 0;  ///< robots of it that are among the stragglers
  Mat3<Real> base;     ///< axes
  MassMatrix<Real, J> mass;
  Real velocity_gain[J];
  Acceleration<Real, J> a;
};

/// The stragglers of the packs that a thread works on. `settle` a pack before it is read or steps again.
template <class Model, bool kFlat, class Real>
class Stragglers {
 public:
  using Shape = typename Model::Shape;
  static constexpr int J = Shape::kJoints, kGroup = Shape::kGroup, kGroups = kLanes<Real> / kGroup;
  using Stages = PhysicsStages<Real, J>;
  using Pack = RobotPack<Real, J>;
  using Moved = Contact<Real, J>;

  Stragglers(const Model& model, bool records) : model_(model), records_(records) {
    std::memset(static_cast<void*>(&mass_), 0, sizeof mass_);
    std::memset(static_cast<void*>(&search_), 0, sizeof search_);
    contacts_.used = 0;
  }

  /// Takes a prepared step to its end, or to where it waits for its stragglers.
  void finish(Stages& stages, ContactSet<Real, J>& contacts, Pack& pack) {
    NewtonSearch<Real, J>& search = stages.search;
    int left = kGroups;
    while (left > kLeave) left = advance(stages.mass, contacts, search);

    MovingRobots<Real, J>& robots = pack.robots;
    if (left == 0) {
      take_search<kFlat>(model_, search, contacts, records_, robots.counts, robots.record);
      integrate<Shape>(model_, *model_.limb, stages.kinematics.base, stages.mass, stages.applied.velocity_gain,
                       search.a, robots.s);
      return;
    }
    // take_search updates the counts and records of all robots; those of the stragglers, which are not done, are put
    // back below.
    const PhysicsCounts<Real> counts = robots.counts;
    const PhysicsRecord<Real, J> record = records_ ? robots.record : PhysicsRecord<Real, J>{};
    take_search<kFlat>(model_, search, contacts, records_, robots.counts, robots.record);
    pack.base = stages.kinematics.base;
    pack.mass = stages.mass;
    for (int i = 0; i < J; ++i) pack.velocity_gain[i] = stages.applied.velocity_gain[i];
    pack.a = search.a;
    pack.straggling = left;
    for (int group = 0; group < kGroups; ++group) {
      if (!is_active(search, group)) continue;
      copy_group<kGroup, Real>(counts, group, robots.counts, group);
      if (records_) copy_group<kGroup, Real>(record, group, robots.record, group);
      add(stages, contacts, pack, group);
    }
  }
  void search_to_the_end(Stages& stages, ContactSet<Real, J>& contacts) const {
    while (advance(stages.mass, contacts, stages.search) > 0) {
    }
  }

  /// Iterates the stragglers until none of them is the pack's.
  void settle(const Pack& pack) {
    while (pack.straggling > 0) advance_all();
  }

 private:
  /// A pack stops when this many of its robots, or fewer, still search: moving them costs less than iterating with the
  /// others idle.
  static constexpr int kLeave = kGroups / 2;
  /// Numbers of a contact that are copied: those before its axes on flat ground, else those before `change`.
  static constexpr int kContactRows =
      static_cast<int>((kFlat ? offsetof(Moved, axes) : offsetof(Moved, change)) / sizeof(Real));

  struct Place {
    Pack* pack = nullptr;
    int group = 0;
    int used = 0;  ///< slots of its contacts
  };

  static bool is_active(const NewtonSearch<Real, J>& search, int group) { return search.active.v[group * kGroup] != 0; }

  /// An iteration; returns how many robots still search.
  int advance(const MassMatrix<Real, J>& mass, ContactSet<Real, J>& contacts, NewtonSearch<Real, J>& search) const {
    advance_search<Shape, kFlat>(model_, mass, contacts, search);
    int active = 0;
    for (int group = 0; group < kGroups; ++group) active += is_active(search, group);
    return active;
  }

  STAMPEDE_CALLED void add(const Stages& stages, const ContactSet<Real, J>& contacts, Pack& pack, int group) {
    while (taken_ == kGroups) advance_all();
    int at = 0;
    while (place_[at].pack != nullptr) ++at;
    Place& place = place_[at];
    place.pack = &pack;
    place.group = group;
    ++taken_;
    copy_group<kGroup, Real>(stages.mass, group, mass_, at);
    copy_group<kGroup, Real>(stages.search, group, search_, at);
    place.used = 0;
    for (int lane = group * kGroup; lane < (group + 1) * kGroup; ++lane) {
      place.used = std::max(place.used, static_cast<int>(contacts.count[lane] + ScalarOf<Real>(0.5f)));
    }
    place.used = std::min(place.used, contacts.used);
    int used = 0;
    for (const Place& other : place_) {
      if (other.pack != nullptr) used = std::max(used, other.used);
    }
    for (; contacts_.used < used; ++contacts_.used) {
      std::memset(static_cast<void*>(&contacts_.slot[contacts_.used]), 0, sizeof contacts_.slot[0]);
    }
    contacts_.used = used;
    for (int q = 0; q < used; ++q) {
      if (q < place.used) {
        copy_group<kGroup, Real>(contacts.slot[q], group, contacts_.slot[q], at, kContactRows);
      } else {
        clear_group<kGroup, Real>(contacts_.slot[q], at, kContactRows);
      }
    }
  }

  /// An iteration of the stragglers. Those that are done return to their packs.
  STAMPEDE_CALLED void advance_all() {
    if (advance(mass_, contacts_, search_) == taken_) return;
    PhysicsRecord<Real, J> record{};
    PhysicsCounts<Real> counts{};
    const auto each_done = [&](const auto& body) {
      for (int at = 0; at < kGroups; ++at) {
        if (place_[at].pack != nullptr && !is_active(search_, at)) body(at, place_[at]);
      }
    };
    each_done([&](int at, const Place& place) {
      copy_group<kGroup, Real>(place.pack->robots.counts, place.group, counts, at);
      if (records_) copy_group<kGroup, Real>(place.pack->robots.record, place.group, record, at);
    });
    take_search<kFlat>(model_, search_, contacts_, records_, counts, record);
    each_done([&](int at, Place& place) {
      Pack& pack = *place.pack;
      copy_group<kGroup, Real>(counts, at, pack.robots.counts, place.group);
      if (records_) copy_group<kGroup, Real>(record, at, pack.robots.record, place.group);
      copy_group<kGroup, Real>(search_.a, at, pack.a, place.group);
      place.pack = nullptr;
      --taken_;
      if (--pack.straggling == 0) {
        integrate<Shape>(model_, *model_.limb, pack.base, pack.mass, pack.velocity_gain, pack.a, pack.robots.s);
      }
    });
  }

  const Model& model_;
  const bool records_;
  MassMatrix<Real, J> mass_;
  ContactSet<Real, J> contacts_;
  NewtonSearch<Real, J> search_;
  Place place_[kGroups];
  int taken_ = 0;
};

}  // namespace stampede
