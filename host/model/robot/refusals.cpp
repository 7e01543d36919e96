#include "host/model/robot/refusals.hpp"

#include <fmt/format.h>

#include <cmath>

#include "host/base/error.hpp"
#include "host/model/robot/description.hpp"

namespace stampede {
namespace {

class Refusals {
 public:
  Refusals(const mjModel* model, const std::string& file) : m_(model), file_(file) {}

  void options() const {
    const mjOption& option = m_->opt;
    if (option.integrator != mjINT_EULER && option.integrator != mjINT_IMPLICITFAST) {
      const char* names[] = {"Euler", "RK4", "implicit", "implicitfast", "discrete"};
      refuse(fmt::format("option integrator=\"{}\" is not simulated; Euler or implicitfast would be right",
                         option.integrator >= 0 && option.integrator < 5 ? names[option.integrator] : "?"));
    }
    if (option.density != 0 || option.viscosity != 0) {
      refuse(fmt::format("option density={} viscosity={}: there is no fluid around the robot; 0 would be right",
                         option.density, option.viscosity));
    }
    if (option.noslip_iterations > 0) {
      refuse(fmt::format("option noslip_iterations={} is not simulated; 0 would be right", option.noslip_iterations));
    }
    if ((option.enableflags & mjENBL_OVERRIDE) != 0) {
      refuse("option flag override=\"enable\" is not simulated; each geom's own contact parameters would be right");
    }
    if ((option.enableflags & mjENBL_DIAGEXACT) != 0) {
      refuse("option flag diagexact=\"enable\" is not simulated; disable would be right");
    }
#if mjVERSION_HEADER >= 4000000
    if ((option.enableflags & mjENBL_SPECULATIVE) != 0) {
      refuse("option flag speculative=\"enable\" is not simulated; disable would be right");
    }
#endif
    if (!(option.impratio > 0))
      refuse(fmt::format("option impratio={} is not above 0; 1 would be right", option.impratio));
  }

  void elements() const {
    if (m_->ntendon > 0) {
      refuse(fmt::format("{} is not simulated; actuators and springs of joints would be right", name(mjOBJ_TENDON, 0)));
    }
    for (int i = 0; i < m_->neq; ++i) {
      if (m_->eq_active0[i]) {
        refuse(
            fmt::format("{} is an equality constraint, which is not simulated; a description without loops and "
                        "couplings would be right",
                        name(mjOBJ_EQUALITY, i)));
      }
    }
    if (m_->nflex > 0) refuse(fmt::format("{} is deformable; rigid bodies are simulated", name(mjOBJ_FLEX, 0)));
    if (m_->nplugin > 0) {
      refuse(fmt::format("{} is not simulated; a description without plugins would be right", name(mjOBJ_PLUGIN, 0)));
    }
    for (int i = 0; i < m_->npair; ++i) {
      refuse(fmt::format(
          "contact pair of {} and {}: parameters of single pairs are not simulated; those of the geoms would "
          "be right",
          name(mjOBJ_GEOM, m_->pair_geom1[i]), name(mjOBJ_GEOM, m_->pair_geom2[i])));
    }
    for (int b = 1; b < m_->nbody; ++b) {
      if (m_->body_mocapid[b] >= 0) {
        refuse(name(mjOBJ_BODY, b) + " is moved from outside (mocap); a body with joints or none would be right");
      }
      if (m_->body_gravcomp[b] != 0) {
        refuse(fmt::format("{} has gravcomp {}; gravity acts on all bodies, 0 would be right", name(mjOBJ_BODY, b),
                           m_->body_gravcomp[b]));
      }
    }
    for (int g = 0; g < m_->ngeom; ++g) {
      bool moving_surface = m_->geom_adhesion[g] != 0;
      for (int i = 0; i < 6; ++i) moving_surface |= m_->geom_surfacevel[6 * g + i] != 0;
      if (moving_surface) {
        refuse(name(mjOBJ_GEOM, g) + " has a moving or sticky surface; surfacevel and adhesion of 0 would be right");
      }
    }
    for (int a = 0; a < m_->nactuator; ++a) {
      bool passive = m_->actuator_damping[a] != 0 || m_->actuator_armature[a] != 0;
      for (int i = 0; i < mjNPOLY; ++i) passive |= m_->actuator_dampingpoly[mjNPOLY * a + i] != 0;
      if (passive) {
        refuse(name(mjOBJ_ACTUATOR, a) + " has damping or armature of its own; those of its joint would be right");
      }
    }
  }

  void joints() const {
    for (int v = 0; v < m_->nv; ++v) {
      const int j = m_->dof_jntid[v];
      const std::string joint = name(mjOBJ_JOINT, j);
      for (int i = 0; i < mjNPOLY; ++i) {
        if (m_->dof_dampingpoly[mjNPOLY * v + i] != 0 || m_->jnt_stiffnesspoly[mjNPOLY * j + i] != 0) {
          refuse(joint + " has a nonlinear spring or damper; one number for each would be right");
        }
      }
#if mjVERSION_HEADER >= 4000000
      if (m_->jnt_springyield[j] != 0) refuse(joint + " has a spring that yields; springyield of 0 would be right");
#endif
      if (m_->jnt_type[j] != mjJNT_FREE) continue;
      const std::pair<const char*, double> wrong[] = {{"damping", m_->dof_damping[v]},
                                                      {"frictionloss", m_->dof_frictionloss[v]},
                                                      {"armature", m_->dof_armature[v]},
                                                      {"stiffness", m_->jnt_stiffness[j]}};
      for (const auto& [what, value] : wrong) {
        if (value != 0) {
          refuse(fmt::format("free {} of {} has {} {}; 0 would be right (a <freejoint/> takes no defaults)", joint,
                             name(mjOBJ_BODY, m_->jnt_bodyid[j]), what, value));
        }
      }
    }
  }

  void numbers() const {
    finite(mjOBJ_BODY, "mass", m_->body_mass, m_->nbody, 1);
    finite(mjOBJ_BODY, "inertia", m_->body_inertia, m_->nbody, 3);
    finite(mjOBJ_BODY, "pose", m_->body_pos, m_->nbody, 3);
    finite(mjOBJ_BODY, "pose", m_->body_quat, m_->nbody, 4);
    finite(mjOBJ_BODY, "inertial pose", m_->body_ipos, m_->nbody, 3);
    finite(mjOBJ_BODY, "inertial pose", m_->body_iquat, m_->nbody, 4);
    finite(mjOBJ_JOINT, "axis", m_->jnt_axis, m_->njnt, 3);
    finite(mjOBJ_JOINT, "pos", m_->jnt_pos, m_->njnt, 3);
    finite(mjOBJ_JOINT, "range", m_->jnt_range, m_->njnt, 2);
    finite(mjOBJ_JOINT, "margin", m_->jnt_margin, m_->njnt, 1);
    finite(mjOBJ_JOINT, "stiffness", m_->jnt_stiffness, m_->njnt, 1);
    finite(mjOBJ_JOINT, "solreflimit", m_->jnt_solref, m_->njnt, mjNREF);
    finite(mjOBJ_JOINT, "solimplimit", m_->jnt_solimp, m_->njnt, mjNIMP);
    for (int v = 0; v < m_->nv; ++v) {
      for (const double x : {m_->dof_damping[v], m_->dof_armature[v], m_->dof_frictionloss[v], m_->dof_invweight0[v]}) {
        if (!std::isfinite(x)) not_finite(mjOBJ_JOINT, m_->dof_jntid[v], "damping, armature or frictionloss");
      }
      if (m_->dof_armature[v] < 0) {
        refuse(
            fmt::format("{} has a negative armature; 0 or above would be right", name(mjOBJ_JOINT, m_->dof_jntid[v])));
      }
    }
    finite(mjOBJ_GEOM, "size", m_->geom_size, m_->ngeom, 3);
    finite(mjOBJ_GEOM, "pose", m_->geom_pos, m_->ngeom, 3);
    finite(mjOBJ_GEOM, "pose", m_->geom_quat, m_->ngeom, 4);
    finite(mjOBJ_GEOM, "friction", m_->geom_friction, m_->ngeom, 3);
    finite(mjOBJ_GEOM, "margin", m_->geom_margin, m_->ngeom, 1);
    finite(mjOBJ_GEOM, "solref", m_->geom_solref, m_->ngeom, mjNREF);
    finite(mjOBJ_GEOM, "solimp", m_->geom_solimp, m_->ngeom, mjNIMP);
    finite(mjOBJ_ACTUATOR, "gain", m_->actuator_gainprm, m_->nactuator, mjNGAIN);
    finite(mjOBJ_ACTUATOR, "bias", m_->actuator_biasprm, m_->nactuator, mjNBIAS);
    finite(mjOBJ_ACTUATOR, "forcerange", m_->actuator_forcerange, m_->nactuator, 2);
    finite(mjOBJ_ACTUATOR, "ctrlrange", m_->actuator_ctrlrange, m_->nu, 2);
    finite(mjOBJ_KEY, "qpos", m_->key_qpos, m_->nkey, m_->nq);
    finite(mjOBJ_KEY, "ctrl", m_->key_ctrl, m_->nkey, m_->nu);
    for (int i = 0; i < 3; ++i) {
      if (!std::isfinite(m_->opt.gravity[i])) refuse("option gravity is not a number; 0 0 -9.81 would be right");
    }
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const { throw Error(file_ + ": " + what); }
  [[noreturn]] void not_finite(mjtObj kind, int id, const char* what) const {
    refuse(fmt::format("{}: {} is not a number; finite numbers would be right", name(kind, id), what));
  }
  std::string name(mjtObj kind, int id) const { return name_of(m_, kind, id); }

  void finite(mjtObj kind, const char* what, const mjtNum* values, mjtSize count, mjtSize each) const {
    for (mjtSize i = 0; i < count * each; ++i) {
      if (!std::isfinite(values[i])) not_finite(kind, static_cast<int>(i / each), what);
    }
  }

  const mjModel* m_;
  const std::string& file_;
};

/// Notes options that say when MuJoCo's solver stops: ours does not follow them, and goes on to the minimum.
void note_solver_options(const mjOption& option, std::vector<std::string>& notes) {
  mjOption usual;
  mj_defaultOption(&usual);
  std::string given;
  const auto add = [&](const char* name, auto value, auto otherwise) {
    if (value != otherwise) given += fmt::format("{}{}=\"{}\"", given.empty() ? "" : " ", name, value);
  };
  add("iterations", option.iterations, usual.iterations);
  add("ls_iterations", option.ls_iterations, usual.ls_iterations);
  add("tolerance", option.tolerance, usual.tolerance);
  add("ls_tolerance", option.ls_tolerance, usual.ls_tolerance);
  if ((option.disableflags & mjDSBL_WARMSTART) != 0)
    given += given.empty() ? "warmstart=\"disable\"" : " warmstart=\"disable\"";
  if (given.empty()) return;
  notes.push_back(fmt::format("of the file's <option>, {} is not followed: the solver goes on to its end", given));
}

}  // namespace

void refuse_negative_masses(mjSpec* spec, const std::string& file) {
  for (mjsElement* e : elements_of(spec, mjOBJ_BODY)) {
    const mjsBody* body = mjs_asBody(e);
    if (body->explicitinertial && body->mass < 0) {
      throw Error(fmt::format("{}: {} has the mass {}; 0 or above would be right", file, label_of(e), body->mass));
    }
  }
}

void refuse_what_is_not_simulated(const mjModel* model, const std::string& file, std::vector<std::string>& notes) {
  const Refusals refusals(model, file);
  refusals.numbers();
  refusals.elements();
  refusals.options();
  refusals.joints();
  for (int i = 0; i < model->neq; ++i) {
    if (!model->eq_active0[i]) notes.push_back(name_of(model, mjOBJ_EQUALITY, i) + " is not active, and stays so");
  }
  if (model->opt.solver != mjSOL_NEWTON) {
    notes.push_back("constraints are solved by Newton's method, which ends at the same minimum as the file's solver");
  }
  note_solver_options(model->opt, notes);
  if ((model->opt.enableflags & mjENBL_SLEEP) != 0) notes.push_back("robots do not sleep here");
}

}  // namespace stampede
