#pragma once
/// \file Vectors, rotations, spatial vectors and rigid inertias, for any Real (lanes.hpp).
///
/// Spatial vectors hold the angular part first and are taken at the origin of the base, in world axes: motions are
/// [omega; v], forces [torque; force], and no transforms between frames are needed (R. Featherstone, Rigid Body
/// Dynamics Algorithms, 2008, chapter 2).

#include "kernels/lanes.hpp"

namespace stampede {

template <class Real>
struct Vec3 {
  Real x, y, z;
  /// The same vector in another number type, to which Real converts implicitly.
  template <class To>
  requires(!std::is_same_v<To, Real> && std::is_convertible_v<Real, To>) STAMPEDE_FN operator Vec3<To>() const {
    return {To(x), To(y), To(z)};
  }
  STAMPEDE_FN friend Vec3 operator+(Vec3 a, Vec3 b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
  STAMPEDE_FN friend Vec3 operator-(Vec3 a, Vec3 b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
  STAMPEDE_FN friend Vec3 operator-(Vec3 a) { return {-a.x, -a.y, -a.z}; }
  STAMPEDE_FN friend Vec3 operator*(Vec3 a, Real s) { return {a.x * s, a.y * s, a.z * s}; }
};

template <class Real>
STAMPEDE_FN Vec3<Real> zero3() {
  return {Real(0), Real(0), Real(0)};
}
template <class Real>
STAMPEDE_FN Real dot(Vec3<Real> a, Vec3<Real> b) {
  return a.x * b.x + a.y * b.y + a.z * b.z;
}
template <class Real>
STAMPEDE_FN Vec3<Real> cross(Vec3<Real> a, Vec3<Real> b) {
  return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
template <class Real>
STAMPEDE_FN Vec3<Real> select(bool mask, Vec3<Real> yes, Vec3<Real> no) {
  return {select(mask, yes.x, no.x), select(mask, yes.y, no.y), select(mask, yes.z, no.z)};
}
template <class Mask, class Real>
STAMPEDE_FN Vec3<Real> select(Mask mask, Vec3<Real> yes, Vec3<Real> no) {
  return {select(mask, yes.x, no.x), select(mask, yes.y, no.y), select(mask, yes.z, no.z)};
}

/// A 3x3 matrix by columns.
template <class Real>
struct Mat3 {
  Vec3<Real> x, y, z;
  template <class To>
  requires(!std::is_same_v<To, Real> && std::is_convertible_v<Real, To>) STAMPEDE_FN operator Mat3<To>() const {
    return {Vec3<To>(x), Vec3<To>(y), Vec3<To>(z)};
  }
  STAMPEDE_FN friend Vec3<Real> operator*(const Mat3& m, Vec3<Real> v) { return m.x * v.x + m.y * v.y + m.z * v.z; }
  STAMPEDE_FN friend Mat3 operator*(const Mat3& a, const Mat3& b) { return {a * b.x, a * b.y, a * b.z}; }
};
/// m' v.
template <class Real>
STAMPEDE_FN Vec3<Real> multiply_transposed(const Mat3<Real>& m, Vec3<Real> v) {
  return {dot(m.x, v), dot(m.y, v), dot(m.z, v)};
}

/// A symmetric 3x3 matrix.
template <class Real>
struct Sym3 {
  Real xx, xy, xz, yy, yz, zz;
  template <class To>
  requires(!std::is_same_v<To, Real> && std::is_convertible_v<Real, To>) STAMPEDE_FN operator Sym3<To>() const {
    return {To(xx), To(xy), To(xz), To(yy), To(yz), To(zz)};
  }
  STAMPEDE_FN friend Sym3 operator+(Sym3 a, Sym3 b) {
    return {a.xx + b.xx, a.xy + b.xy, a.xz + b.xz, a.yy + b.yy, a.yz + b.yz, a.zz + b.zz};
  }
  STAMPEDE_FN friend Vec3<Real> operator*(const Sym3& m, Vec3<Real> v) {
    return {m.xx * v.x + m.xy * v.y + m.xz * v.z, m.xy * v.x + m.yy * v.y + m.yz * v.z,
            m.xz * v.x + m.yz * v.y + m.zz * v.z};
  }
  STAMPEDE_FN friend Sym3 operator*(const Sym3& m, Real s) {
    return {m.xx * s, m.xy * s, m.xz * s, m.yy * s, m.yz * s, m.zz * s};
  }
};
/// m s m'.
template <class Real>
STAMPEDE_FN Sym3<Real> rotate(const Mat3<Real>& m, const Sym3<Real>& s) {
  // Rows of m s, then their products with the rows of m.
  const Vec3<Real> rx{m.x.x, m.y.x, m.z.x}, ry{m.x.y, m.y.y, m.z.y}, rz{m.x.z, m.y.z, m.z.z};
  const Vec3<Real> px = s * rx, py = s * ry, pz = s * rz;
  return {dot(px, rx), dot(px, ry), dot(px, rz), dot(py, ry), dot(py, rz), dot(pz, rz)};
}

/// Rotation of a unit quaternion, as a matrix.
template <class Real>
struct Quat {
  Real w, x, y, z;
  STAMPEDE_FN Mat3<Real> matrix() const {
    const Real one(1);
    const Real x2 = x + x, y2 = y + y, z2 = z + z;
    return {{one - y * y2 - z * z2, x * y2 + w * z2, x * z2 - w * y2},
            {x * y2 - w * z2, one - x * x2 - z * z2, y * z2 + w * x2},
            {x * z2 + w * y2, y * z2 - w * x2, one - x * x2 - y * y2}};
  }
  STAMPEDE_FN friend Quat operator*(const Quat& a, const Quat& b) {
    return {a.w * b.w - a.x * b.x - a.y * b.y - a.z * b.z, a.w * b.x + a.x * b.w + a.y * b.z - a.z * b.y,
            a.w * b.y - a.x * b.z + a.y * b.w + a.z * b.x, a.w * b.z + a.x * b.y - a.y * b.x + a.z * b.w};
  }
};

/// A spatial vector: a motion (omega, v) or a force (torque, force).
template <class Real>
struct Spatial {
  Vec3<Real> angular, linear;
  STAMPEDE_FN friend Spatial operator+(Spatial a, Spatial b) { return {a.angular + b.angular, a.linear + b.linear}; }
  STAMPEDE_FN friend Spatial operator-(Spatial a, Spatial b) { return {a.angular - b.angular, a.linear - b.linear}; }
  STAMPEDE_FN friend Spatial operator*(Spatial a, Real s) { return {a.angular * s, a.linear * s}; }
};
template <class Real>
STAMPEDE_FN Real dot(const Spatial<Real>& a, const Spatial<Real>& b) {
  return dot(a.angular, b.angular) + dot(a.linear, b.linear);
}
/// v x m: how a motion m, fixed to a body that moves with v, changes.
template <class Real>
STAMPEDE_FN Spatial<Real> cross_motion(const Spatial<Real>& v, const Spatial<Real>& m) {
  return {cross(v.angular, m.angular), cross(v.angular, m.linear) + cross(v.linear, m.angular)};
}
/// v x* f, the same for a force.
template <class Real>
STAMPEDE_FN Spatial<Real> cross_force(const Spatial<Real>& v, const Spatial<Real>& f) {
  return {cross(v.angular, f.angular) + cross(v.linear, f.linear), cross(v.angular, f.linear)};
}
template <int K, class Real>
STAMPEDE_FN Vec3<Real> group_sum(Vec3<Real> v) {
  return {group_sum<K>(v.x), group_sum<K>(v.y), group_sum<K>(v.z)};
}
template <int K, class Real>
STAMPEDE_FN Spatial<Real> group_sum(const Spatial<Real>& v) {
  return {group_sum<K>(v.angular), group_sum<K>(v.linear)};
}

/// A rigid body's inertia at the origin: mass, first moment (mass times centre of mass), rotational inertia.
template <class Real>
struct RigidInertia {
  Real mass;
  Vec3<Real> moment;
  Sym3<Real> rotational;
  STAMPEDE_FN friend RigidInertia operator+(const RigidInertia& a, const RigidInertia& b) {
    return {a.mass + b.mass, a.moment + b.moment, a.rotational + b.rotational};
  }
  /// The momentum of a motion.
  STAMPEDE_FN friend Spatial<Real> operator*(const RigidInertia& i, const Spatial<Real>& v) {
    return {i.rotational * v.angular + cross(i.moment, v.linear), v.linear * i.mass - cross(i.moment, v.angular)};
  }
};
/// The inertia at the origin of a body with centre of mass `centre` and inertia `about_centre` about it.
template <class Real>
STAMPEDE_FN RigidInertia<Real> rigid_inertia(Real mass, Vec3<Real> centre, const Sym3<Real>& about_centre) {
  const Vec3<Real> h = centre * mass;
  const Real xx = h.x * centre.x, yy = h.y * centre.y, zz = h.z * centre.z;
  Sym3<Real> i = about_centre;
  i.xx += yy + zz;
  i.yy += xx + zz;
  i.zz += xx + yy;
  i.xy -= h.x * centre.y;
  i.xz -= h.x * centre.z;
  i.yz -= h.y * centre.z;
  return {mass, h, i};
}
template <int K, class Real>
STAMPEDE_FN RigidInertia<Real> group_sum(const RigidInertia<Real>& i) {
  const Sym3<Real>& r = i.rotational;
  return {group_sum<K>(i.mass),
          group_sum<K>(i.moment),
          {group_sum<K>(r.xx), group_sum<K>(r.xy), group_sum<K>(r.xz), group_sum<K>(r.yy), group_sum<K>(r.yz),
           group_sum<K>(r.zz)}};
}

}  // namespace stampede
