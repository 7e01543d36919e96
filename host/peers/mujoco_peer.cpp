#include "host/peers/mujoco_peer.hpp"

#include <mujoco/mujoco.h>

#include <algorithm>
#include <thread>

#include "host/base/clock.hpp"

namespace stampede {

ModelHandle comparable_model(const mjModel* model) {
  ModelHandle copy(mj_copyModel(nullptr, model));
  mjModel* m = copy.get();
  // Geoms that touch the ground go on touching it; nothing else touches anything.
  std::vector<bool> meets(static_cast<std::size_t>(m->ngeom));
  for (int g = 0; g < m->ngeom; ++g) {
    for (int ground = 0; ground < m->ngeom; ++ground) {
      if (m->body_weldid[m->geom_bodyid[ground]] != 0 || m->body_weldid[m->geom_bodyid[g]] == 0) continue;
      const bool match = (m->geom_contype[g] & m->geom_conaffinity[ground]) != 0 ||
                         (m->geom_contype[ground] & m->geom_conaffinity[g]) != 0;
      if (match) meets[static_cast<std::size_t>(g)] = true;
    }
  }
  for (int g = 0; g < m->ngeom; ++g) {
    const bool ground =
        m->body_weldid[m->geom_bodyid[g]] == 0 && (m->geom_contype[g] != 0 || m->geom_conaffinity[g] != 0);
    m->geom_contype[g] = ground ? 1 : 0;
    m->geom_conaffinity[g] = meets[static_cast<std::size_t>(g)] ? 1 : 0;
    m->geom_condim[g] = std::min(m->geom_condim[g], 3);
  }
  m->npair = 0;
  m->opt.solver = mjSOL_NEWTON;
  m->opt.disableflags |= mjDSBL_AUTORESET;
  return copy;
}

void solve_tightly(mjModel* model, double tolerance) {
  model->opt.tolerance = tolerance;
  model->opt.iterations = 200;
  model->opt.ls_iterations = 200;
  model->opt.ls_tolerance = 1e-6;
}

void settle_for_speed(mjModel* model) {
  model->opt.jacobian = mjJAC_DENSE;
  model->opt.disableflags |= mjDSBL_SENSOR | mjDSBL_ISLAND;
  // With few geoms of the ground, such as a plane, a tree of bounding volumes costs more than it saves; with a map's
  // boxes it saves time.
  int ground = 0;
  for (int g = 0; g < model->ngeom; ++g) ground += model->body_weldid[model->geom_bodyid[g]] == 0 ? 1 : 0;
  if (ground < 10) model->opt.disableflags |= mjDSBL_MIDPHASE;
}

namespace {

/// Whether MuJoCo has met a number since the last reset that is not finite, or too large.
bool is_broken(const mjData* data) {
  return data->warning[mjWARN_BADQPOS].number + data->warning[mjWARN_BADQVEL].number +
             data->warning[mjWARN_BADQACC].number >
         0;
}

}  // namespace

std::string mujoco_version() { return mj_versionString(); }

PeerRun run_mujoco(const mjModel* model, const std::vector<PeerStart>& starts, int decimation, int threads) {
  std::vector<PeerRun> parts(static_cast<std::size_t>(threads));
  const auto work = [&](int thread) {
    DataHandle data(mj_makeData(model));
    PeerRun& part = parts[static_cast<std::size_t>(thread)];
    for (std::size_t i = static_cast<std::size_t>(thread); i < starts.size(); i += static_cast<std::size_t>(threads)) {
      const PeerStart& start = starts[i];
      mj_resetData(model, data.get());
      mju_copy(data->qpos, start.qpos.data(), model->nq);
      mju_copy(data->qvel, start.qvel.data(), model->nv);
      if (!start.qacc.empty()) mju_copy(data->qacc_warmstart, start.qacc.data(), model->nv);
      const double begin = seconds_now();
      double contacts = 0, iterations = 0, steps = 0;
      for (const double* ctrl : start.ctrl) {
        if (is_broken(data.get())) break;
        if (ctrl != nullptr) mju_copy(data->ctrl, ctrl, model->nu);
        for (int step = 0; step < decimation; ++step) {
          mj_step(model, data.get());
          ++steps;
          contacts += data->ncon;
          for (int island = 0; island < std::max(1, data->nisland); ++island) iterations += data->solver_niter[island];
        }
      }
      part.seconds += seconds_now() - begin;
      part.steps += steps;
      part.broken += is_broken(data.get()) ? 1 : 0;
      part.contacts += contacts;
      part.iterations += iterations;
    }
  };
  std::vector<std::thread> pool;
  for (int thread = 1; thread < threads; ++thread) pool.emplace_back(work, thread);
  work(0);
  for (std::thread& thread : pool) thread.join();
  PeerRun sum;
  for (const PeerRun& part : parts) {
    sum.seconds = std::max(sum.seconds, part.seconds);
    sum.steps += part.steps;
    sum.contacts += part.contacts;
    sum.iterations += part.iterations;
    sum.broken += part.broken;
  }
  return sum;
}

}  // namespace stampede
