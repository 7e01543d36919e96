#include "host/peers/parity.hpp"

#include <mujoco/mujoco.h>

#include <algorithm>
#include <cmath>

#include "host/peers/mujoco_peer.hpp"
#include "host/peers/scenes.hpp"

namespace stampede {
namespace {

using Numbers = std::vector<double>;

double norm(const double* x, int n) {
  double sum = 0;
  for (int i = 0; i < n; ++i) sum += x[i] * x[i];
  return std::sqrt(sum);
}
double distance(const double* a, const double* b, int n) {
  double sum = 0;
  for (int i = 0; i < n; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum);
}
double quantile(Numbers values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<std::size_t>(share * static_cast<double>(values.size())))];
}

/// A state, with the controls and the acceleration before it.
struct Sample {
  Numbers qpos, qvel, ctrl, qacc;
};

Sample rounded_to_float(Sample sample) {
  for (Numbers* numbers : {&sample.qpos, &sample.qvel, &sample.ctrl, &sample.qacc}) {
    for (double& x : *numbers) x = static_cast<double>(static_cast<float>(x));
  }
  return sample;
}

/// Normalises a floating base's quaternion in double, as MuJoCo wants it of unit length: rounded to float it is that
/// only to rounding.
void normalise(const RobotModel& robot, Sample& sample) {
  if (robot.options.floating) mju_normalize4(&sample.qpos[3]);
}

class Comparison {
 public:
  Comparison(Engine& engine, const RobotModel& robot, const mjModel* model, std::uint64_t seed)
      : engine_(engine),
        robot_(robot),
        seed_(seed),
        model_(comparable_model(model)),
        data_(mj_makeData(model_.get())),
        usual_(model_->opt) {
    // To rounding. A tolerance of 0 would make every step take all its iterations, as the cost cannot fall by less than
    // 0.
    solve_tightly(model_.get(), 1e-20);
    decimation_ = std::max(1, static_cast<int>(std::lround(0.02 / model_->opt.timestep)));
  }

  Parity run(int states) {
    Parity parity;
    std::vector<Sample> samples;
    const std::vector<std::string> kinds = {"standing", "trot", "random", "falling"};
    for (std::size_t k = 0; k < kinds.size(); ++k) {
      const int wanted =
          states * static_cast<int>(k + 1) / static_cast<int>(kinds.size()) - static_cast<int>(samples.size());
      gather(kinds[k], wanted, samples);
    }
    parity.states = static_cast<int>(samples.size());
    for (Sample& sample : samples) normalise(robot_, sample);

    parity.in_double = stages(samples, true, parity);
    std::vector<Sample> rounded;
    for (const Sample& sample : samples) rounded.push_back(rounded_to_float(sample));
    parity.in_float = stages(rounded, false, parity);

    Numbers moved;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      Sample nearby = rounded[i];
      normalise(robot_, nearby);
      const Numbers exact = reference(samples[i], true), after = reference(nearby, true);
      moved.push_back(distance(after.data(), exact.data(), robot_.nv) / scale_);
    }
    parity.sensitivity_p99 = quantile(moved, 0.99);
    drift("standing", &ParityErrors::drift_drop, &ParityErrors::drift_drop_largest, parity);
    drift("trot", &ParityErrors::drift_drive, &ParityErrors::drift_drive_largest, parity);
    return parity;
  }

 private:
  /// Lets MuJoCo run a scene and keeps states spread over its whole length.
  void gather(const std::string& kind, int wanted, std::vector<Sample>& samples) {
    constexpr int kEach = 10;
    const int envs = (wanted + kEach - 1) / kEach;
    const double control_dt = decimation_ * model_->opt.timestep;
    const int control_steps = std::max(kEach, static_cast<int>(1.5 / control_dt));
    const Scene scene = make_scene(kind, robot_, std::max(1, envs), control_steps, control_dt, seed_);
    for (int env = 0, taken = 0; env < envs; ++env) {
      start(scene, env);
      for (int t = 0; t < control_steps && taken < wanted; ++t) {
        control(scene, t, env);
        // The step is another one each time, so that the samples are of all parts of a control step.
        const int at = (t * 7 + env) % decimation_;
        for (int step = 0; step < decimation_; ++step) {
          if (step == at && t % (control_steps / kEach) == control_steps / kEach - 1) {
            samples.push_back(current());
            ++taken;
          }
          mj_step(model_.get(), data_.get());
        }
      }
    }
  }

  void start(const Scene& scene, int env) {
    mj_resetData(model_.get(), data_.get());
    mju_copy(data_->qpos, &scene.qpos[static_cast<std::size_t>(env) * static_cast<std::size_t>(robot_.nq)], robot_.nq);
    mju_copy(data_->qvel, &scene.qvel[static_cast<std::size_t>(env) * static_cast<std::size_t>(robot_.nv)], robot_.nv);
  }
  const double* control_of(const Scene& scene, int t, int env) const {
    const auto envs = scene.qpos.size() / static_cast<std::size_t>(robot_.nq);
    return scene.ctrl.data() +
           (static_cast<std::size_t>(t) * envs + static_cast<std::size_t>(env)) * static_cast<std::size_t>(robot_.nu);
  }
  void control(const Scene& scene, int t, int env) { mju_copy(data_->ctrl, control_of(scene, t, env), robot_.nu); }
  Sample current() const {
    const mjData* d = data_.get();
    return {Numbers(d->qpos, d->qpos + robot_.nq), Numbers(d->qvel, d->qvel + robot_.nv),
            Numbers(d->ctrl, d->ctrl + robot_.nu), Numbers(d->qacc_warmstart, d->qacc_warmstart + robot_.nv)};
  }

  /// MuJoCo's acceleration in a state; sets `scale_` and leaves the stages in `data_`.
  Numbers reference(const Sample& sample, bool contacts) {
    mjData* d = data_.get();
    mj_resetData(model_.get(), d);
    mju_copy(d->qpos, sample.qpos.data(), robot_.nq);
    mju_copy(d->qvel, sample.qvel.data(), robot_.nv);
    mju_copy(d->ctrl, sample.ctrl.data(), robot_.nu);
    mju_copy(d->qacc_warmstart, sample.qacc.data(), robot_.nv);
    if (!contacts) model_->opt.disableflags |= mjDSBL_CONTACT;
    mj_forward(model_.get(), d);
    model_->opt.disableflags &= ~mjDSBL_CONTACT;
    scale_ = std::max({norm(d->qacc, robot_.nv), norm(d->qacc_smooth, robot_.nv), 1e-9});
    return Numbers(d->qacc, d->qacc + robot_.nv);
  }

  std::unique_ptr<Simulation> simulate(const RobotModel& robot, int envs, bool in_double) {
    SimulationRequest request;
    request.robot = &robot;
    request.num_envs = envs;
    request.double_precision = in_double;
    request.exact = in_double;
    return engine_.make_simulation(request);
  }

  void put(Simulation& simulation, int env, const Sample& sample) const {
    simulation.set_state(env, sample.qpos.data(), sample.qvel.data(), sample.qacc.data());
    simulation.set_control(0, env, sample.ctrl.data());
  }

  ParityErrors stages(const std::vector<Sample>& samples, bool in_double, Parity& parity) {
    const int nv = robot_.nv, count = static_cast<int>(samples.size());
    RobotModel lifted = robot_;
    lifted.remove_ground();
    const std::unique_ptr<Simulation> grounded = simulate(robot_, count, in_double),
                                      floating = simulate(lifted, count, in_double);
    for (int i = 0; i < count; ++i) {
      put(*grounded, i, samples[static_cast<std::size_t>(i)]);
      put(*floating, i, samples[static_cast<std::size_t>(i)]);
    }
    const std::vector<StageReport> with = grounded->inspect(0), without = floating->inspect(0);
    ParityErrors errors;
    Numbers free, contact, mass(static_cast<std::size_t>(nv) * static_cast<std::size_t>(nv));
    double contacts = 0;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      // The state as the engine has it, with the engine's rounding.
      Sample sample = samples[i];
      grounded->get_state(static_cast<std::int64_t>(i), sample.qpos.data(), sample.qvel.data());
      normalise(robot_, sample);
      const Numbers unconstrained = reference(sample, false);
      free.push_back(distance(without[i].qacc.data(), unconstrained.data(), nv) / scale_);
      const Numbers constrained = reference(sample, true);
      contact.push_back(distance(with[i].qacc.data(), constrained.data(), nv) / scale_);
      contacts += data_->ncon;
      mj_fullM(model_.get(), data_.get(), mass.data());
      const auto largest = [](const double* x, int n) {
        double most = 1e-300;
        for (int k = 0; k < n; ++k) most = std::max(most, std::fabs(x[k]));
        return most;
      };
      double wrong = 0;
      for (std::size_t k = 0; k < mass.size(); ++k)
        wrong = std::max(wrong, std::fabs(mass[k] - with[i].mass_matrix[k]));
      errors.mass_matrix = std::max(errors.mass_matrix, wrong / largest(mass.data(), nv * nv));
      wrong = 0;
      for (int k = 0; k < nv; ++k)
        wrong = std::max(wrong, std::fabs(data_->qfrc_bias[k] - with[i].bias[static_cast<std::size_t>(k)]));
      errors.bias = std::max(errors.bias, wrong / largest(data_->qfrc_bias, nv));
    }
    parity.contacts_mean = contacts / std::max<double>(1, static_cast<double>(samples.size()));
    errors.free_median = quantile(free, 0.5);
    errors.free_largest = quantile(free, 1);
    errors.contact_median = quantile(contact, 0.5);
    errors.contact_p99 = quantile(contact, 0.99);
    errors.contact_largest = quantile(contact, 1);
    return errors;
  }

  /// Runs a scene for a second in all, and compares the joints.
  void drift(const std::string& kind, double ParityErrors::*middle, double ParityErrors::*largest, Parity& parity) {
    constexpr int kEnvs = 32;
    const double control_dt = decimation_ * model_->opt.timestep;
    const int control_steps = std::max(1, static_cast<int>(std::lround(1.0 / control_dt)));
    const Scene scene = make_scene(kind, robot_, kEnvs, control_steps, control_dt, seed_ + 1);
    const auto nq = static_cast<std::size_t>(robot_.nq), nv = static_cast<std::size_t>(robot_.nv);
    const auto run_peer = [&] {
      std::vector<Numbers> ends;
      for (int env = 0; env < kEnvs; ++env) {
        start(scene, env);
        for (int t = 0; t < control_steps; ++t) {
          control(scene, t, env);
          for (int step = 0; step < decimation_; ++step) mj_step(model_.get(), data_.get());
        }
        ends.emplace_back(data_->qpos, data_->qpos + robot_.nq);
      }
      return ends;
    };
    const std::vector<Numbers> exact = run_peer();
    const auto compare = [&](const std::vector<Numbers>& ends, ParityErrors& errors) {
      Numbers apart;
      for (std::size_t env = 0; env < ends.size(); ++env) {
        double most = 0;
        for (const RobotJoint& joint : robot_.joint_info) {
          const auto at = static_cast<std::size_t>(joint.position);
          const double away = std::fabs(ends[env][at] - exact[env][at]);
          if (!(away <= most)) most = std::isfinite(away) ? away : HUGE_VAL;
        }
        apart.push_back(most);
      }
      errors.*middle = quantile(apart, 0.5);
      errors.*largest = quantile(apart, 1);
    };
    const mjOption tight = model_->opt;
    model_->opt = usual_;
    compare(run_peer(), parity.peer);
    model_->opt = tight;
    for (const bool in_double : {true, false}) {
      ParityErrors& errors = in_double ? parity.in_double : parity.in_float;
      const std::unique_ptr<Simulation> simulation = simulate(robot_, kEnvs, in_double);
      for (int env = 0; env < kEnvs; ++env) {
        const auto e = static_cast<std::size_t>(env);
        simulation->set_state(env, &scene.qpos[e * nq], &scene.qvel[e * nv]);
      }
      for (int t = 0; t < control_steps; ++t) {
        for (int env = 0; env < kEnvs; ++env) simulation->set_control(0, env, control_of(scene, t, env));
        simulation->step(0, decimation_);
      }
      std::vector<Numbers> ends(kEnvs, Numbers(nq));
      for (int env = 0; env < kEnvs; ++env)
        simulation->get_state(env, ends[static_cast<std::size_t>(env)].data(), nullptr);
      compare(ends, errors);
      const SimulationCounts counts = simulation->counts();
      errors.capped_share = std::max(errors.capped_share, counts.capped / std::max(1.0, counts.steps));
      parity.nonfinite += counts.held;
      parity.over_slots += counts.over_slots;
    }
  }

  Engine& engine_;
  const RobotModel& robot_;
  const std::uint64_t seed_;
  ModelHandle model_;
  DataHandle data_;
  mjOption usual_;  ///< options of the model before solve_tightly()
  int decimation_ = 1;
  double scale_ = 1;
};

}  // namespace

Parity compare_with_mujoco(Engine& engine, const RobotModel& robot, const mjModel* model, int states,
                           std::uint64_t seed) {
  return Comparison(engine, robot, model, seed).run(states);
}

}  // namespace stampede
