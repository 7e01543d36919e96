#pragma once
/// \file The textbook's recursion, in the frames of MuJoCo's bodies: what the engine is held against.
///
/// Recursive Newton-Euler (R. Featherstone, Rigid Body Dynamics Algorithms, 2008, table 5.1) with Pluecker transforms from
/// link to link, each link's spatial quantities in its own frame; the mass matrix column by column, as the forces
/// that unit accelerations need. Read off an mjModel, body by body and joint by joint, so that nothing of the engine's own
/// model takes part; it shares with the kernels neither frames, nor fused bodies, nor an algorithm for the mass matrix.

#include <mujoco/mujoco.h>

#include <array>
#include <cmath>
#include <stdexcept>
#include <vector>

namespace stampede::test {

class ReferenceDynamics {
 public:
  explicit ReferenceDynamics(const mjModel* model) : m_(model), n_(static_cast<std::size_t>(model->nv)) {
    links_.push_back({});  // the world
    std::vector<int> last_link(static_cast<std::size_t>(m_->nbody), 0);
    for (int body = 1; body < m_->nbody; ++body) {
      int parent = last_link[static_cast<std::size_t>(m_->body_parentid[body])];
      const int joints = m_->body_jntnum[body];
      // Several joints of a body are links without mass before it; a body without joints is a link that is welded.
      for (int i = 0; i < std::max(1, joints); ++i) {
        Link link;
        link.parent = parent;
        link.body = body;
        link.first_of_body = i == 0;
        link.joint = joints > 0 ? m_->body_jntadr[body] + i : -1;
        link.massive = i == std::max(1, joints) - 1;
        parent = static_cast<int>(links_.size());
        links_.push_back(link);
      }
      last_link[static_cast<std::size_t>(body)] = parent;
    }
  }

  /// Places all links.
  void set(const double* qpos, const double* qvel) {
    qvel_.assign(qvel, qvel + n_);
    for (std::size_t l = 1; l < links_.size(); ++l) {
      Link& link = links_[l];
      // Where the body's frame is in the frame before it, at the joints' reference positions ...
      Frame frame{identity(), {0, 0, 0}};
      if (link.first_of_body) {
        frame = {rotation(m_->body_quat + 4 * link.body),
                 {m_->body_pos[3 * link.body], m_->body_pos[3 * link.body + 1], m_->body_pos[3 * link.body + 2]}};
      }
      link.dofs = 0;
      if (link.joint >= 0) {
        const int j = link.joint, type = m_->jnt_type[j];
        const double* q = qpos + m_->jnt_qposadr[j];
        link.dof = m_->jnt_dofadr[j];
        const V axis{m_->jnt_axis[3 * j], m_->jnt_axis[3 * j + 1], m_->jnt_axis[3 * j + 2]};
        const V anchor{m_->jnt_pos[3 * j], m_->jnt_pos[3 * j + 1], m_->jnt_pos[3 * j + 2]};
        // ... and moved by the joint. Columns of S are [angular; linear] in the link's frame.
        if (type == mjJNT_FREE) {
          frame = {rotation(q + 3), {q[0], q[1], q[2]}};
          link.dofs = 6;
          for (int i = 0; i < 3; ++i) {
            V unit{0, 0, 0};
            unit[static_cast<std::size_t>(i)] = 1;
            link.s[static_cast<std::size_t>(i)] = join({0, 0, 0}, transposed_times(frame.axes, unit));
            link.s[static_cast<std::size_t>(3 + i)] = join(unit, {0, 0, 0});
          }
        } else if (type == mjJNT_HINGE) {
          const M turn = about(axis, *q - m_->qpos0[m_->jnt_qposadr[j]]);
          // The anchor stays where it is.
          frame.origin = add(frame.origin, times(frame.axes, subtract(anchor, times(turn, anchor))));
          frame.axes = times(frame.axes, turn);
          link.dofs = 1;
          link.s[0] = join(axis, cross(anchor, axis));
        } else if (type == mjJNT_SLIDE) {
          const double moved = *q - m_->qpos0[m_->jnt_qposadr[j]];
          frame.origin = add(frame.origin, times(frame.axes, scale(axis, moved)));
          link.dofs = 1;
          link.s[0] = join({0, 0, 0}, axis);
        } else {
          throw std::logic_error("ball joints are not known here");
        }
      }
      link.frame = frame;
    }
  }

  /// Forces that give these accelerations (MuJoCo's qacc), armature included.
  std::vector<double> forces(const double* qacc, const double* gravity, bool moving) {
    std::vector<double> tau(n_, 0.0);
    links_[0].v = {};
    links_[0].a = join({0, 0, 0}, {-gravity[0], -gravity[1], -gravity[2]});
    links_[0].f = {};
    for (std::size_t l = 1; l < links_.size(); ++l) {
      Link& link = links_[l];
      const Link& before = links_[static_cast<std::size_t>(link.parent)];
      link.v = to_child(link.frame, before.v);
      link.a = to_child(link.frame, before.a);
      S joint_velocity{}, joint_acceleration{};
      for (int i = 0; i < link.dofs; ++i) {
        const auto d = static_cast<std::size_t>(link.dof + i);
        for (std::size_t c = 0; c < 6; ++c) {
          if (moving) joint_velocity[c] += link.s[static_cast<std::size_t>(i)][c] * qvel_[d];
          joint_acceleration[c] += link.s[static_cast<std::size_t>(i)][c] * qacc[d];
        }
      }
      S bend = cross_motion(link.v, joint_velocity);  // with the velocity before: S qd x S qd is 0
      if (link.dofs == 6) {
        // The linear columns are fixed in the world, and turn in the link's frame: their derivative is -omega x.
        const V omega = head(joint_velocity), velocity = tail(joint_velocity);
        bend = join({0, 0, 0}, scale(cross(omega, velocity), -1));
      }
      for (std::size_t c = 0; c < 6; ++c) {
        link.v[c] += joint_velocity[c];
        link.a[c] += joint_acceleration[c] + bend[c];
      }
      link.f = {};
      if (!link.massive) continue;
      const S inertial = inertia_times(link.body, link.a), momentum = inertia_times(link.body, link.v),
              turning = cross_force(link.v, momentum);
      for (std::size_t c = 0; c < 6; ++c) link.f[c] = inertial[c] + turning[c];
    }
    for (std::size_t l = links_.size() - 1; l > 0; --l) {
      Link& link = links_[l];
      for (int i = 0; i < link.dofs; ++i) {
        const auto d = static_cast<std::size_t>(link.dof + i);
        for (std::size_t c = 0; c < 6; ++c) tau[d] += link.s[static_cast<std::size_t>(i)][c] * link.f[c];
        tau[d] += m_->dof_armature[d] * qacc[d];
      }
      S& before = links_[static_cast<std::size_t>(link.parent)].f;
      const S carried = to_parent(link.frame, link.f);
      for (std::size_t c = 0; c < 6; ++c) before[c] += carried[c];
    }
    return tau;
  }

  std::vector<double> mass_matrix() {
    std::vector<double> mass(n_ * n_), unit(n_, 0.0);
    const double none[3] = {0, 0, 0};
    for (std::size_t i = 0; i < n_; ++i) {
      unit[i] = 1;
      const std::vector<double> column = forces(unit.data(), none, false);
      for (std::size_t r = 0; r < n_; ++r) mass[r * n_ + i] = column[r];
      unit[i] = 0;
    }
    return mass;
  }
  std::vector<double> bias(const double* gravity) {
    const std::vector<double> still(n_, 0.0);
    return forces(still.data(), gravity, true);
  }

 private:
  using V = std::array<double, 3>;
  using M = std::array<V, 3>;       // rows
  using S = std::array<double, 6>;  // [angular; linear]
  struct Frame {
    M axes;    // columns are the axes, in the frame before
    V origin;  // in the frame before
  };
  struct Link {
    int parent = 0, body = 0, joint = -1, dof = 0, dofs = 0;
    bool first_of_body = false, massive = false;
    Frame frame{};
    std::array<S, 6> s{};
    S v{}, a{}, f{};
  };

  static M identity() { return {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}}; }
  static V add(V a, V b) { return {a[0] + b[0], a[1] + b[1], a[2] + b[2]}; }
  static V subtract(V a, V b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }
  static V scale(V a, double s) { return {a[0] * s, a[1] * s, a[2] * s}; }
  static V cross(V a, V b) { return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]}; }
  static V times(const M& m, V v) {
    V r{};
    for (std::size_t i = 0; i < 3; ++i) r[i] = m[i][0] * v[0] + m[i][1] * v[1] + m[i][2] * v[2];
    return r;
  }
  static V transposed_times(const M& m, V v) {
    V r{};
    for (std::size_t i = 0; i < 3; ++i) r[i] = m[0][i] * v[0] + m[1][i] * v[1] + m[2][i] * v[2];
    return r;
  }
  static M times(const M& a, const M& b) {
    M r{};
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t j = 0; j < 3; ++j) r[i][j] = a[i][0] * b[0][j] + a[i][1] * b[1][j] + a[i][2] * b[2][j];
    }
    return r;
  }
  static M rotation(const double* q) {
    const double s = 2 / (q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
    const double w = q[0], x = q[1], y = q[2], z = q[3];
    return {{{1 - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y)},
             {s * (x * y + w * z), 1 - s * (x * x + z * z), s * (y * z - w * x)},
             {s * (x * z - w * y), s * (y * z + w * x), 1 - s * (x * x + y * y)}}};
  }
  /// Rodrigues' formula.
  static M about(V k, double angle) {
    const double c = std::cos(angle), s = std::sin(angle), t = 1 - c;
    return {{{c + t * k[0] * k[0], t * k[0] * k[1] - s * k[2], t * k[0] * k[2] + s * k[1]},
             {t * k[1] * k[0] + s * k[2], c + t * k[1] * k[1], t * k[1] * k[2] - s * k[0]},
             {t * k[2] * k[0] - s * k[1], t * k[2] * k[1] + s * k[0], c + t * k[2] * k[2]}}};
  }
  static S join(V a, V b) { return {a[0], a[1], a[2], b[0], b[1], b[2]}; }
  static V head(const S& s) { return {s[0], s[1], s[2]}; }
  static V tail(const S& s) { return {s[3], s[4], s[5]}; }
  static S cross_motion(const S& v, const S& m) {
    return join(cross(head(v), head(m)), add(cross(head(v), tail(m)), cross(tail(v), head(m))));
  }
  static S cross_force(const S& v, const S& f) {
    return join(add(cross(head(v), head(f)), cross(tail(v), tail(f))), cross(head(v), tail(f)));
  }
  /// A motion of the frame before, in the link's.
  static S to_child(const Frame& x, const S& m) {
    return join(transposed_times(x.axes, head(m)),
                transposed_times(x.axes, subtract(tail(m), cross(x.origin, head(m)))));
  }
  /// A force on the link, in the frame before.
  static S to_parent(const Frame& x, const S& f) {
    const V force = times(x.axes, tail(f));
    return join(add(times(x.axes, head(f)), cross(x.origin, force)), force);
  }
  S inertia_times(int body, const S& v) const {
    const V centre{m_->body_ipos[3 * body], m_->body_ipos[3 * body + 1], m_->body_ipos[3 * body + 2]};
    const M principal = rotation(m_->body_iquat + 4 * body);
    // Momentum at the centre of mass, then moved to the frame's origin.
    const V linear = scale(add(tail(v), cross(head(v), centre)), m_->body_mass[body]);
    V spin = transposed_times(principal, head(v));
    for (std::size_t i = 0; i < 3; ++i) spin[i] *= m_->body_inertia[3 * static_cast<std::size_t>(body) + i];
    return join(add(times(principal, spin), cross(centre, linear)), linear);
  }

  const mjModel* m_;
  std::size_t n_;
  std::vector<Link> links_;
  std::vector<double> qvel_;
};

/// Solves a x = b for a symmetric positive a by Cholesky's factors, with two corrections by the residual.
inline std::vector<double> solve_positive(const std::vector<double>& a, const std::vector<double>& b) {
  const std::size_t n = b.size();
  std::vector<double> l(a);
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t k = 0; k < j; ++k) l[j * n + j] -= l[j * n + k] * l[j * n + k];
    l[j * n + j] = std::sqrt(l[j * n + j]);
    for (std::size_t i = j + 1; i < n; ++i) {
      for (std::size_t k = 0; k < j; ++k) l[i * n + j] -= l[i * n + k] * l[j * n + k];
      l[i * n + j] /= l[j * n + j];
    }
  }
  std::vector<double> x(n, 0.0);
  for (int round = 0; round < 3; ++round) {
    std::vector<double> r(n);
    for (std::size_t i = 0; i < n; ++i) {
      long double left = b[i];
      for (std::size_t k = 0; k < n; ++k) left -= static_cast<long double>(a[i * n + k]) * x[k];
      r[i] = static_cast<double>(left);
    }
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t k = 0; k < i; ++k) r[i] -= l[i * n + k] * r[k];
      r[i] /= l[i * n + i];
    }
    for (std::size_t i = n; i-- > 0;) {
      for (std::size_t k = i + 1; k < n; ++k) r[i] -= l[k * n + i] * r[k];
      r[i] /= l[i * n + i];
    }
    for (std::size_t i = 0; i < n; ++i) x[i] += r[i];
  }
  return x;
}

}  // namespace stampede::test
