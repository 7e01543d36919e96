#pragma once
/// \file Contacts: which candidates touch the ground, and what their rows of the constraint problem are.
///
/// A loop tests one candidate of each lane at a time. Those that touch are put into the lane's next free slot, so that
/// the loops after it are as long as the largest number of contacts of a lane in the pack, and not as the number of
/// candidates (in the slots below stand the candidates' numbers):
///
///                    lane 0   lane 1   lane 2   lane 3
///     candidate 0    .        touches  .        touches         slot 0   2   0   1   0
///     candidate 1    .        .        touches  touches   ->    slot 1   .   2   .   1
///     candidate 2    touches  touches  .        .
///
/// Where a lane has more contacts than slots, the deepest stay and the others are counted.
/// Geometry, frames, impedance and regulariser are MuJoCo's (docs/physics.md).

#include "kernels/physics/dynamics.hpp"
#include "kernels/physics/terrain.hpp"

namespace stampede {

/// Returns 1 - impedance at a violation. Stiffnesses are divided by it; subtracted from 1, an impedance near 1 would
/// leave few correct digits.
template <class Constant, class Real>
STAMPEDE_FN Real impedance_slack(const Softness<Constant>& softness, Real violation, bool square) {
  const Real midpoint = softness.midpoint;
  const Real x = min(abs(violation) * softness.inverse_width, Real(1));
  const Real z = Real(1) - x;
  const Real rest = Real(1) - midpoint;
  Real below, above;  // 1 - y, on either side of the midpoint
  if (square) {
    below = Real(1) - x * x * reciprocal(midpoint);
    above = z * z * reciprocal(rest);
  } else {
    const Real power = softness.power, degree = power - Real(1);
    below = Real(1) - pow(x, power) * reciprocal(pow(midpoint, degree));
    above = pow(z, power) * reciprocal(pow(rest, degree));
  }
  return softness.slack + select(x <= midpoint, below, above) * softness.rise;
}

/// One contact of each lane. Vectors are in the contact's axes, two tangents, then the normal as z, where nothing else
/// is said. On flat ground those are the world's.
template <class Real, int J>
struct Contact {
  // What is copied where a robot moves to another pack (stragglers.hpp) comes first, the axes last of it.
  Vec3<Real> point;            ///< from the base's origin, world axes
  Array<Vec3<Real>, J> lever;  ///< the point's velocity for a unit rate of each joint, world axes
  Vec3<Real> residual;         ///< J a - aref
  Real friction;               ///< 0 where there is none
  Real link;                   ///< number of joints that move it, plus 0.25 where it is the foot's
  Real stiffness;              ///< D of the normal row; 0 in lanes without a contact
  Real tangent_stiffness;      ///< D of the tangential rows
  Real cone_stiffness;         ///< elliptic: D / (1 + mu^2); pyramidal: D of an edge
  Real mu2;                    ///< elliptic: friction^2 / impratio
  Mat3<Real> axes;             ///< tangents and normal, world axes; not used on flat ground
  // Set in each iteration of the search.
  Vec3<Real> change;  ///< of the residual for a unit step along the search direction
  Real zone;          ///< which piece of the cost the residual is on
  // Used only before the search.
  Real distance;  ///< less the margin
  Real pull;      ///< k impedance distance: the reference acceleration's part along the normal
  Real damping;   ///< b
};

/// The contacts of each lane. On a GPU a lane's first slots lie in the block's shared memory: they are indexed at run
/// time, so registers cannot hold them, and local memory for all of them would be more than the L1 cache takes. The
/// others, which few lanes use, are in local memory.
template <class Real, int J>
struct ContactSet {
#if defined(__CUDACC__)
  static constexpr int kSlotWords = static_cast<int>(sizeof(Contact<Real, J>) / sizeof(Real));
  /// Slots in shared memory: 4 of a quadruped's. With up to 159 words a lane, two blocks of 128 fit a multiprocessor of
  /// an A100.
  static constexpr int kNear = 159 / kSlotWords < 4 ? 159 / kSlotWords : 4;
  /// Numbers of shared memory that a lane needs; odd, so that a warp's lanes fall into different banks.
  static constexpr int kSharedWords = kNear * kSlotWords | 1;
  // Pointers, as an array that is indexed at run time would take the other members out of registers with it.
  Contact<Real, J>* near;  ///< kNear slots
  Contact<Real, J>* far;   ///< kMaxContacts - kNear slots
#else
  Contact<Real, J> slot[kMaxContacts];
#endif
  int used;
  Real count;  ///< contacts of each lane, those without a slot included
  Real over;   ///< contacts without a slot
};

/// Calls body(slot, q) for the slots q from `first` to the last that is used. On a GPU the body is compiled twice, so
/// that each copy knows which memory it reads.
template <class Set, class Body>
STAMPEDE_FN void for_each_slot(Set& set, int first, const Body& body) {
#if defined(__CUDACC__)
  STAMPEDE_NO_UNROLL
  for (int q = first; q < set.used && q < Set::kNear; ++q) body(set.near[q], q);
  STAMPEDE_NO_UNROLL
  for (int q = Set::kNear; q < set.used; ++q) body(set.far[q - Set::kNear], q);
#else
  STAMPEDE_NO_UNROLL
  for (int q = first; q < set.used; ++q) body(set.slot[q], q);
#endif
}

template <class Real, int J>
STAMPEDE_FN Contact<Real, J>& first_slot(ContactSet<Real, J>& set) {
#if defined(__CUDACC__)
  return set.near[0];
#else
  return set.slot[0];
#endif
}

/// Calls body(slot) for slot q.
template <class Set, class Body>
STAMPEDE_FN void with_slot(Set& set, int q, const Body& body) {
#if defined(__CUDACC__)
  if (q < Set::kNear) {
    body(set.near[q]);
  } else {
    body(set.far[q - Set::kNear]);
  }
#else
  body(set.slot[q]);
#endif
}

/// A lane's row of the candidates' table.
template <class Real, class Model>
STAMPEDE_FN const auto& candidate(const Model& model, int k, Index lane) {
  if constexpr (ScalarLane<Real>) {
    return model.contact[k * Model::Shape::kGroup + lane % Model::Shape::kGroup];
  } else {
    return model.contact[k];
  }
}

/// The axes of a contact: tangents made from a hint (a capsule's axis) or, where there is none, from the y or z axis.
template <class Real>
STAMPEDE_FN Mat3<Real> contact_axes(Vec3<Real> normal, Vec3<Real> hint) {
  const MaskOf<Real> vague = dot(hint, hint) < Real(0.25f);
  const MaskOf<Real> steep = abs(normal.y) < Real(0.5f);
  const Vec3<Real> spare{Real(0), select(steep, Real(1), Real(0)), select(steep, Real(0), Real(1))};
  Vec3<Real> y = select(vague, spare, hint);
  y = y - normal * dot(normal, y);
  y = y * reciprocal_sqrt(max(dot(y, y), Real(1e-30f)));
  return {y, cross(normal, y), normal};
}

/// Points of a candidate that may touch, and how.
template <class Real>
struct TouchPoints {
  Vec3<Real> point[4];  ///< centres of spheres of `radius`, 0 for a point itself; from the base's origin [m]
  Real radius[4];
  Real distance[4];
  int count;
};

/// MuJoCo's four points of a cylinder on a plane with this normal; `height` is that of the centre above it.
template <class Real>
STAMPEDE_FN TouchPoints<Real> cylinder_points(Vec3<Real> centre, Vec3<Real> axis, Vec3<Real> across, Vec3<Real> normal,
                                              Real radius, Real half_length, Real height) {
  const Real along = dot(normal, axis);
  const MaskOf<Real> up = along > Real(0);
  const Vec3<Real> a = select(up, -axis, axis);
  const Real down = select(up, -along, along);
  const Vec3<Real> rim = a * down - normal;
  const Real length2 = dot(rim, rim);
  const MaskOf<Real> upright = length2 < Real(1e-30f);
  const Vec3<Real> v = select(upright, across, rim * reciprocal_sqrt(max(length2, Real(1e-30f)))) * radius;
  const Real drop = dot(normal, v);
  const Vec3<Real> half = a * half_length;
  const Real half_drop = down * half_length;
  Vec3<Real> side = cross(v, half);
  side = side * (reciprocal_sqrt(max(dot(side, side), Real(1e-30f))) * radius * Real(0.86602540378443864676));
  TouchPoints<Real> t;
  t.count = 4;
  const Vec3<Real> far = half - v * Real(0.5f);
  t.point[0] = centre + v + half, t.distance[0] = height + half_drop + drop;
  t.point[1] = centre + v - half, t.distance[1] = height - half_drop + drop;
  t.point[2] = centre + side + far, t.distance[2] = height + half_drop - drop * Real(0.5f);
  t.point[3] = centre - side + far, t.distance[3] = t.distance[2];
  STAMPEDE_UNROLL
  for (int i = 0; i < 4; ++i) t.radius[i] = Real(0);
  return t;
}

/// Puts a contact into the lanes' next free slots.
template <class Real, int J>
STAMPEDE_FN void add_contact(ContactSet<Real, J>& set, int slots, bool flat, MaskOf<Real> hit,
                             const Contact<Real, J>& c) {
  const auto put = [&](Contact<Real, J>& slot, MaskOf<Real> here) {
    slot.point = select(here, c.point, slot.point);
    slot.distance = select(here, c.distance, slot.distance);
    slot.pull = select(here, c.pull, slot.pull);
    slot.damping = select(here, c.damping, slot.damping);
    slot.friction = select(here, c.friction, slot.friction);
    slot.link = select(here, c.link, slot.link);
    slot.stiffness = select(here, c.stiffness, slot.stiffness);
    if (!flat) {
      slot.axes.x = select(here, c.axes.x, slot.axes.x);
      slot.axes.y = select(here, c.axes.y, slot.axes.y);
      slot.axes.z = select(here, c.axes.z, slot.axes.z);
    }
  };
  for_each_slot(set, 0, [&](Contact<Real, J>& slot, int q) {
    put(slot, hit && set.count > Real(static_cast<float>(q) - 0.5f) && set.count < Real(static_cast<float>(q) + 0.5f));
  });
  if (set.used < slots) {
    const MaskOf<Real> fresh = hit && set.count > Real(static_cast<float>(set.used) - 0.5f);
    if (any_together(fresh)) {
      with_slot(set, set.used++, [&](Contact<Real, J>& slot) {
        slot.point = zero3<Real>();
        slot.distance = slot.pull = slot.damping = slot.friction = slot.link = slot.stiffness = Real(0);
        if (!flat) slot.axes = {zero3<Real>(), zero3<Real>(), zero3<Real>()};
        put(slot, fresh);
      });
    }
  }
  const MaskOf<Real> full = hit && set.count > Real(static_cast<float>(slots) - 0.5f);
  if (any_together(full)) {
    // All slots are taken: a deeper contact replaces the shallowest.
    Real shallowest(-1e30f);
    for_each_slot(set, 0, [&](Contact<Real, J>& slot, int) { shallowest = max(shallowest, slot.distance); });
    MaskOf<Real> waiting = full && c.distance < shallowest;
    for_each_slot(set, 0, [&](Contact<Real, J>& slot, int) {
      const MaskOf<Real> here = waiting && slot.distance == shallowest;
      put(slot, here);
      waiting = waiting && !here;
    });
    set.over += select(full, Real(1), Real(0));
  }
  set.count += select(hit, Real(1), Real(0));
}

/// Finds the contacts of each lane. `lane` is the first lane's index.
template <class Shape, class Model, class Ground, class Real, int J>
STAMPEDE_FN void find_contacts(const Model& model, const Ground& ground, const PhysicsVariation<Real, J>& variation,
                               const PhysicsState<Real, J>& s, const Kinematics<Real, J>& k, Index lane,
                               ContactSet<Real, J>& set) {
  set.used = 0;
  set.count = set.over = Real(0);
  // Copies of what is indexed at run time below: that keeps an array out of a GPU's registers, and k with all else in
  // it if it were k's own.
  Mat3<Real> link_axes[J + 1];
  Vec3<Real> link_origin[J + 1];
  link_axes[0] = k.base;
  link_origin[0] = zero3<Real>();
  STAMPEDE_UNROLL
  for (int i = 0; i < J; ++i) link_axes[i + 1] = k.axes[i], link_origin[i + 1] = k.origin[i];
  STAMPEDE_NO_UNROLL
  for (int at = 0; at < model.options.candidates; ++at) {
    const ContactKind kind = model.kind[at];
    const auto& shape = candidate<Real>(model, at, lane);
    const Real radius = shape.radius, margin = shape.margin;
    const Mat3<Real>& axes = link_axes[kind.link];
    const Vec3<Real> origin = link_origin[kind.link];
    // Most links are in the air: where that is so in all lanes, all candidates of the link are skipped at once.
    if (kind.of_link > (Ground::kFlat ? 1 : 0) &&
        !any_together(ground.link_clearance(s.position + origin) < shape.reach ||
                      shape.reach > Real(ground.largest_link()))) {
      at += kind.of_link - 1;
      continue;
    }
    int surfaces = 1;
    if constexpr (!Ground::kFlat) {
      if (kind.shape != ContactShape::kCylinder &&
          !any_together(ground.sphere_clearance(s.position + (origin + axes * shape.point)) - radius < margin)) {
        continue;
      }
      surfaces = ground.surfaces();
    }
    STAMPEDE_NO_UNROLL
    for (int surface = 0; surface < surfaces; ++surface) {
      TouchPoints<Real> touching;
      Vec3<Real> normal{Real(0), Real(0), Real(1)};
      if constexpr (Ground::kFlat) {
        // The height alone says whether anything touches; the rest is computed only then.
        const Real up = axes.x.z * shape.point.x + axes.y.z * shape.point.y + axes.z.z * shape.point.z + origin.z;
        const Real height = s.position.z + up - Real(ground.height);
        if (kind.shape == ContactShape::kCylinder) {
          const Real half_length = shape.half_length;
          if (!any_together(height - (radius + half_length) < margin)) continue;
          touching = cylinder_points(origin + axes * shape.point, axes * shape.axis, axes.x, normal, radius,
                                     half_length, height);
        } else {
          touching.count = 1;
          touching.distance[0] = height - radius;
          touching.radius[0] = radius;
          if (!any_together(touching.distance[0] < margin)) continue;
          touching.point[0] = origin + axes * shape.point;
        }
      } else {
        const Vec3<Real> centre = origin + axes * shape.point;
        const Real half_length = shape.half_length;
        if (kind.shape == ContactShape::kCylinder) {
          // Points of the rims that may touch. The ground nearest to each is found in the loop over points below.
          touching = cylinder_points(centre, axes * shape.axis, axes.x, ground.facing(surface, s.position + centre),
                                     radius, half_length, Real(0));
        } else {
          Touch<Real> near;
          if (!ground.touch(surface, s.position + centre, radius, margin, near)) break;
          if (!any_together(near.distance < margin)) continue;
          normal = near.normal;
          touching.count = 1;
          touching.distance[0] = near.distance;
          touching.radius[0] = radius;
          touching.point[0] = centre;
        }
      }
      const bool by_points = !Ground::kFlat && kind.shape == ContactShape::kCylinder;
      MaskOf<Real> allowed = by_points ? radius >= Real(0) : touching.distance[0] < margin;
      if (kind.shape == ContactShape::kCorner) {
        // Corners above the box's centre do not count, or a box that sank in would be held by its upper side.
        allowed = allowed && dot(normal, axes * shape.axis) <= Real(0);
      }
      STAMPEDE_NO_UNROLL
      for (int p = 0; p < touching.count; ++p) {
        Real distance = touching.distance[p];
        if constexpr (!Ground::kFlat) {
          if (by_points) {
            Touch<Real> near;
            if (!ground.touch(surface, s.position + touching.point[p], Real(0), margin, near)) continue;
            distance = near.distance;
            normal = near.normal;
          }
        }
        const MaskOf<Real> hit = allowed && distance < margin;
        if (!any_together(hit)) continue;
        Contact<Real, J> contact;
        contact.point = touching.point[p] - normal * (touching.radius[p] + distance * Real(0.5f));
        contact.distance = distance - margin;
        const Real slack = impedance_slack(shape.softness, contact.distance, kind.square);
        const Real impedance = Real(1) - slack;
        contact.stiffness = impedance * reciprocal(max(slack * shape.weight, Real(1e-15f)));
        contact.pull = shape.softness.stiffness * impedance * contact.distance;
        contact.damping = shape.softness.damping;
        const Real friction = shape.friction;
        contact.friction = select(friction > Real(0), max(friction * variation.friction, Real(1e-5f)), Real(0));
        contact.link = Real(static_cast<float>(kind.link) + (kind.foot ? 0.25f : 0.0f));
        if constexpr (!Ground::kFlat) {
          const Vec3<Real> hint = kind.shape == ContactShape::kPoint ? axes * shape.axis : zero3<Real>();
          contact.axes = contact_axes(normal, hint);
        }
        add_contact(set, model.options.slots, Ground::kFlat, hit, contact);
      }
    }
  }
}

}  // namespace stampede
