#include "host/model/robot/urdf.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "host/base/error.hpp"
#include "host/model/robot/pose.hpp"

namespace stampede {
namespace {

/// Mass [kg], first moment [kg m] and moments of inertia [kg m^2] of a body and the bodies that are fixed to it.
struct Sum {
  double mass = 0;
  Vec3<double> moment{0, 0, 0};
  Sym3<double> rotational{0, 0, 0, 0, 0, 0};  ///< about the origin
};

Sum operator+(const Sum& a, const Sum& b) {
  return {a.mass + b.mass, a.moment + b.moment, a.rotational + b.rotational};
}

Pose spec_pose(const double* position, const double* quaternion, const mjsOrientation& other,
               const mjsCompiler& compiler) {
  double q[4] = {quaternion[0], quaternion[1], quaternion[2], quaternion[3]};
  if (other.type != mjORIENTATION_QUAT) mjs_resolveOrientation(q, compiler.degree, compiler.eulerseq, &other);
  return pose_at(position, q);
}

/// A symmetric matrix in its principal axes: principal moments, in descending order, and the rotation to these axes.
struct Principal {
  double moments[3], axes[9], quaternion[4];
};

Principal principal_of(const Sym3<double>& about) {
  const double full[9] = {about.xx, about.xy, about.xz, about.xy, about.yy, about.yz, about.xz, about.yz, about.zz};
  Principal principal{};
  mju_eig3(principal.moments, principal.axes, principal.quaternion, full);
  return principal;
}

class Inertias {
 public:
  Inertias(Description& description, std::vector<std::string>& changes)
      : file_(description.file), compiler_(description.spec->compiler), changes_(changes) {}

  /// The sum over a body and those below it that are fixed to it, in the frame of the part's first body. Settles the
  /// parts that begin below it.
  Sum gather(mjsBody* body, const Pose& pose) {
    Sum sum;
    const bool given = body->explicitinertial != 0 && std::isfinite(body->ipos[0]);
    if (given && body->mass < 0) {
      throw Error(fmt::format("{}: {} has the mass {}; 0 or above would be right", file_.string(),
                              label_of(body->element), body->mass));
    }
    if (given) {
      const Pose inertial = pose * spec_pose(body->ipos, body->iquat, body->ialt, compiler_);
      const double* f = body->fullinertia;
      // MuJoCo's order of a full inertia: xx yy zz xy xz yz.
      const Sym3<double> about = std::isfinite(f[0])
                                     ? Sym3<double>{f[0], f[3], f[4], f[1], f[5], f[2]}
                                     : Sym3<double>{body->inertia[0], 0, 0, body->inertia[1], 0, body->inertia[2]};
      const RigidInertia<double> rigid =
          rigid_inertia(bounded_mass(body), inertial.origin, rotate(inertial.axes, bounded(about, body)));
      sum = {rigid.mass, rigid.moment, rigid.rotational};
    }
    for (mjsElement* e = mjs_firstChild(body, mjOBJ_BODY, 0); e != nullptr; e = mjs_nextChild(body, e, 0)) {
      mjsBody* child = mjs_asBody(e);
      if (mjs_firstChild(child, mjOBJ_JOINT, 0) != nullptr) {
        settle(child);
      } else {
        sum = sum + gather(child, pose * spec_pose(child->pos, child->quat, child->alt, compiler_));
        write(child, Sum{});
      }
    }
    return sum;
  }

  /// Gives the first body of a part the part's inertia, and does so for all parts below.
  void settle(mjsBody* body) { write(body, gather(body, Pose{})); }

 private:
  void write(mjsBody* body, const Sum& sum) const {
    const Vec3<double> centre = sum.mass > 0 ? sum.moment * (1 / sum.mass) : Vec3<double>{0, 0, 0};
    const RigidInertia<double> point = rigid_inertia(sum.mass, centre, Sym3<double>{0, 0, 0, 0, 0, 0});
    const Sym3<double> about = sum.rotational + point.rotational * -1.0;
    const Principal principal = principal_of(about);
    const double* moments = principal.moments;
    // Smaller moments are rounding errors of 0.
    constexpr double kLeast = 1e-12;  // times the mass [m^2]
    if (sum.mass > 0 && moments[0] <= kLeast * sum.mass) {
      throw Error(
          fmt::format("{}: {}, with what is fixed to it, has the mass {:.4g} and no moments of inertia, which are "
                      "not made from shapes; <inertia> with those of the part would be right",
                      file_.string(), label_of(body->element), sum.mass));
    }
    if (sum.mass > 0 && (!(moments[2] >= 0) || moments[0] > (moments[1] + moments[2]) * (1 + 1e-9))) {
      throw Error(
          fmt::format("{}: {}, with what is fixed to it, has the principal moments of inertia {:.4g} {:.4g} {:.4g}; "
                      "of a rigid body, none is larger than the other two together (<mujoco><compiler "
                      "balanceinertia=\"true\"/></mujoco> in the URDF makes those of such a link equal)",
                      file_.string(), label_of(body->element), moments[0], moments[1], moments[2]));
    }
    body->explicitinertial = 1;
    body->mass = sum.mass;
    body->ialt.type = mjORIENTATION_QUAT;
    body->fullinertia[0] = std::nan("");
    const double origin[3] = {centre.x, centre.y, centre.z};
    mju_copy3(body->ipos, origin);
    mju_copy4(body->iquat, principal.quaternion);
    mju_copy3(body->inertia, moments);
    // Rounding may have raised it above the sum of the others, where it was equal.
    body->inertia[0] = std::min(moments[0], moments[1] + moments[2]);
    if (sum.mass == 0) body->inertia[0] = body->inertia[1] = body->inertia[2] = 0;
  }

  /// A link's mass (and, in `bounded`, its inertia) with the bounds of the file's <mujoco><compiler>, which MuJoCo
  /// applies to each link before links are fused.
  double bounded_mass(const mjsBody* body) {
    if (!(body->mass < compiler_.boundmass)) return body->mass;
    changes_.push_back(
        fmt::format("the mass of {} is {:.4g}, the file's boundmass", label_of(body->element), compiler_.boundmass));
    return compiler_.boundmass;
  }

  Sym3<double> bounded(const Sym3<double>& about, const mjsBody* body) {
    if (!compiler_.balanceinertia && !(compiler_.boundinertia > 0)) return about;
    const Principal principal = principal_of(about);
    double m[3] = {principal.moments[0], principal.moments[1], principal.moments[2]};
    const bool small = m[2] < compiler_.boundinertia;
    for (double& moment : m) moment = std::max(moment, compiler_.boundinertia);
    const bool unbalanced = compiler_.balanceinertia && m[0] > m[1] + m[2];
    if (unbalanced) m[0] = m[1] = m[2] = (m[0] + m[1] + m[2]) / 3;
    if (!small && !unbalanced) return about;
    changes_.push_back(fmt::format("the principal moments of inertia of {} are {:.4g} {:.4g} {:.4g}, by the file's {}",
                                   label_of(body->element), m[0], m[1], m[2],
                                   unbalanced ? "balanceinertia" : "boundinertia"));
    const double* a = principal.axes;  // rows of a matrix whose columns are the axes
    const Mat3<double> axes{{a[0], a[3], a[6]}, {a[1], a[4], a[7]}, {a[2], a[5], a[8]}};
    return rotate(axes, Sym3<double>{m[0], 0, 0, m[1], 0, m[2]});
  }

  const std::filesystem::path& file_;
  const mjsCompiler& compiler_;
  std::vector<std::string>& changes_;
};

/// Number of limbs below a body: of bodies with joints that are reached through bodies without joints.
int limbs_below(mjsBody* body) {
  int limbs = 0;
  for (mjsElement* e = mjs_firstChild(body, mjOBJ_BODY, 0); e != nullptr; e = mjs_nextChild(body, e, 0)) {
    mjsElement* joint = mjs_firstChild(mjs_asBody(e), mjOBJ_JOINT, 0);
    const bool moves = joint != nullptr && mjs_asJoint(joint)->type != mjJNT_FREE;
    limbs += moves ? 1 : limbs_below(mjs_asBody(e));
  }
  return limbs;
}

}  // namespace

void settle_inertias(Description& description, std::vector<std::string>& changes) {
  Inertias inertias(description, changes);
  mjsBody* world = mjs_findBody(description.spec.get(), "world");
  for (mjsElement* e = mjs_firstChild(world, mjOBJ_BODY, 0); e != nullptr; e = mjs_nextChild(world, e, 0)) {
    inertias.settle(mjs_asBody(e));
  }
  // They are applied above. MuJoCo must not apply them again: links whose mass was moved to others weigh nothing now.
  mjsCompiler& compiler = description.spec->compiler;
  compiler.balanceinertia = 0;
  compiler.boundmass = compiler.boundinertia = 0;
}

void name_shapes(mjSpec* spec) {
  std::set<std::string> taken;
  for (mjsElement* e : elements_of(spec, mjOBJ_GEOM)) taken.insert(mjs_getString(mjs_getName(e)));
  for (mjsElement* e : elements_of(spec, mjOBJ_GEOM)) {
    if (!std::string(mjs_getString(mjs_getName(e))).empty()) continue;
    const std::string link = mjs_getString(mjs_getName(mjs_getParent(e)->element));
    const std::string first = collides(mjs_asGeom(e)) ? link : link + "_visual";
    std::string name = first;
    for (int i = 2; !taken.insert(name).second; ++i) name = fmt::format("{}_{}", first, i);
    mjs_setName(e, name.c_str());
  }
}

int moving_limbs(const Description& description) { return limbs_below(mjs_findBody(description.spec.get(), "world")); }

}  // namespace stampede
