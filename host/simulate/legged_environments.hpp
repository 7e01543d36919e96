#pragma once
/// \file Walking robots as environments: runs the tasks' kernels and the physics, one after the other, on the robots'
/// rows.

#include <algorithm>
#include <cstddef>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "envs/legged/kernels.hpp"
#include "host/engine/task_spec.hpp"
#include "host/simulate/camera.hpp"
#include "host/simulate/environments.hpp"
#include "host/simulate/external_robots.hpp"
#include "host/simulate/legged_formulas.hpp"
#include "host/simulate/walking_figures.hpp"

namespace stampede {

/// Draws actions evenly between the bounds, with random numbers keyed by seed, environment and clock.
struct DrawActions {
  const float *low, *high;  ///< [actions]
  int actions;
  std::uint64_t seed;
  std::uint32_t clock;
  float* action;                ///< [env][actions]
  Index first_environment = 0;  ///< number of environment 0 among those of all ranks

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    Random<Real> random(seed, lane_indices<Real>(first_environment + first), clock, Purpose::kRandomAction);
    STAMPEDE_NO_UNROLL
    for (int a = 0; a < actions; ++a) {
      store_strided(action + first * actions + a, actions, random.uniform(Real(low[a]), Real(high[a])));
    }
  }
};

/// Sets the horizontal velocity of one robot's base: all of its lanes know it.
struct PushBase {
  RowsView<float> state;
  int row;  ///< of the velocity along x; that along y follows
  Index lane;
  int lanes;
  float x, y;

  STAMPEDE_FN void operator()() const {
    for (int k = 0; k < lanes; ++k) {
      state.data[row * state.stride + lane + k] = x;
      state.data[(row + 1) * state.stride + lane + k] = y;
    }
  }
};

template <class Backend, class Shape, class Real>
class LeggedEnvironments final : public Environments<Backend> {
 public:
  using Context = typename Backend::Context;
  template <class T>
  using Buffer = typename Backend::template Buffer<T>;
  static constexpr int K = Shape::kGroup, J = Shape::kJoints;
  using State = PhysicsState<float, J>;

  LeggedEnvironments(Backend& backend, const EnvironmentsRequest& request)
      : Environments<Backend>(backend, request, 0),
        legged_(*request.task->legged),
        lane_stride_(odd_lines(this->stride() * K)),
        constants_(backend.template make_buffer<LeggedConstants>(1)) {
    SimulationRequest simulation;
    simulation.robot = &legged_.robot;
    simulation.num_envs = this->stride();
    robots_ = make_robots(backend, simulation);
    if (request.external != nullptr) use_external(backend, *request.external);
    robots_->prepare();
    backend.upload(constants_, &legged_.constants, 1);
    carried_ = backend.template make_buffer<float>(kRows<LeggedLane<float, J>, float> * lane_stride_);
    last_coordinates_ = backend.template make_buffer<float>(kRows<RobotCoordinates<float, J>, float> * lane_stride_);
    last_finite_ = backend.template make_buffer<float>(this->task().states * this->stride());
    totals_ = backend.template make_buffer<float>(this->task().metric_rows * this->stride());
    place_on_tiles(backend, !request.commands.empty());
    const Index actions = legged_.constants.actions;
    random_action_ = backend.template make_buffer<float>(this->stride() * actions);
    bounds_ = backend.template make_buffer<float>(2 * actions);
    backend.upload(bounds_, this->task().action.low.data(), actions);
    backend.upload(bounds_, this->task().action.high.data(), actions, actions);
    clock_ = backend.template make_buffer<std::uint32_t>(1);
    if (!request.commands.empty()) give_commands(backend, request.commands);
    if (legged_.constants.reading_delay.high > 0) {
      const Index size = legged_.constants.policy_size;
      last_reading_ = backend.template make_buffer<float>(this->stride() * size);
      sensed_ = backend.template make_buffer<float>(size);
      backend.upload(sensed_, legged_.sensed.data(), size);
    }
    if (legged_.formulas.present()) {
      formulas_ = std::make_unique<Formulas<Backend, Shape, Real>>(backend, legged_.formulas, this->stride(),
                                                                   lane_stride_, totals_.data());
    }
    if (legged_.camera.pixels() > 0) {
      cameras_ = std::make_unique<Cameras<Backend, Shape>>(backend, legged_.camera, legged_.robot, robots_->map(),
                                                           this->stride(), this->first_environment());
    }
  }

  int figures() const override { return kLeggedFigures; }
  void sum_up(Backend& backend, const EvaluationRequest& request, const EpisodeSteps& steps,
              Evaluation& result) override {
    result.legged = WalkingFigures(request, steps).sum_up();
    if (formulas_ == nullptr) return;
    std::vector<float> totals(static_cast<std::size_t>(totals_.size()));
    backend.download(totals_, totals.data(), totals_.size());
    const FormulaSpec& formulas = legged_.formulas;
    const double taken = static_cast<double>(steps.steps * steps.count);
    for (std::size_t i = 0; i < formulas.names.size(); ++i) {
      const auto row = totals.begin() + (formulas.nonfinite + static_cast<Index>(i)) * this->stride();
      // Where all start, observations are computed once more.
      const double share = std::accumulate(row, row + steps.count, 0.0) / taken;
      result.legged.formulas_not_finite.push_back(std::min(share, 1.0));
    }
  }
  Index worth_a_launch() const override { return Index{1} << 15; }
  const float* metric_rows() override { return totals_.data(); }

  void reset_all(Backend& backend, std::uint64_t seed, bool random_phase, const FirstObservations& first) override {
    backend.for_tiles(this->stride(), [&](const Context& context, Range range) {
      context.launch(lanes_of(range),
                     ResetLegged<Shape, Real>{kernel_task(seed), random_phase, first.policy, first.privileged});
      if (formulas_ != nullptr) {
        formulas_->start(context, lanes_of(range), kernel_task(seed), first.policy, first.privileged);
      }
      delay_readings(context, range, first.policy, true);
      look(context, range, {this->view().age, seed, nullptr, 0}, first.policy);
    });
  }

  void step_range(const Context& context, Range range, std::uint64_t seed, const Control* control, int offset,
                  const float* action, const StepOutput& out) override {
    take_step(context, range, seed, &control->clock, static_cast<std::uint32_t>(offset), action, out);
  }

  void drive(const Context& context, Range range, std::uint64_t seed, std::uint32_t clock, int steps,
             const StepOutput& out) override {
    const int count = legged_.constants.actions;
    for (int t = 0; t < steps; ++t) {
      const auto now = clock + static_cast<std::uint32_t>(t);
      context.launch(range, DrawActions{bounds_.data(), bounds_.data() + count, count, seed, now, random_action_.data(),
                                        this->first_environment()});
      take_step(context, range, seed, clock_.data(), now, random_action_.data(), out);
    }
  }

  void copy_states(const Context& context, Range range, float* to) override {
    context.launch(lanes_of(range), CopyCoordinates<Shape, Real>{constants_.data(), rows().state, to, this->stride()});
  }

  void set_commands(Backend& backend, const std::vector<float>& commands) override {
    if (commands_.size() == 0) {
      throw Error("these environments draw their commands: make them with EnvironmentRequest::commands");
    }
    give_commands(backend, commands);
  }

  void push(Backend& backend, Index env, float x, float y) override {
    constexpr int kRow = offsetof(State, velocity) / sizeof(float);
    backend.launch_single(PushBase{robots_->rows().state, kRow, env * K, K, x, y});
  }

  void clear_statistics(Backend& backend) override {
    Environments<Backend>::clear_statistics(backend);
    backend.launch(this->task().metric_rows * this->stride(), ClearElements{totals_.data()});
  }

  void save(Backend& backend, std::vector<Tensor>& tensors) override {
    Environments<Backend>::save(backend, tensors);
    const std::vector<float> robots = robots_->save();
    tensors.push_back(make_tensor("robots", {static_cast<std::int64_t>(robots.size())}, robots));
    for (const auto& [name, buffer, columns] : saved_buffers()) {
      std::vector<float> values(static_cast<std::size_t>(buffer->size()));
      backend.download(*buffer, values.data(), buffer->size());
      tensors.push_back(make_tensor(name, {buffer->size() / columns, columns}, values));
    }
    if (formulas_ != nullptr) formulas_->save(backend, tensors);
    if (cameras_ != nullptr) cameras_->save(backend, tensors);
  }
  void load(Backend& backend, const std::vector<Tensor>& tensors) override {
    Environments<Backend>::load(backend, tensors);
    robots_->restore(floats_of(tensors, "robots", robots_->save().size()));
    for (const auto& [name, buffer, columns] : saved_buffers()) {
      const auto values = buffer == &carried_ ? carried_of(tensors, name)
                                              : floats_of(tensors, name, static_cast<std::size_t>(buffer->size()));
      backend.upload(*buffer, values.data(), buffer->size());
    }
    if (formulas_ != nullptr) formulas_->load(backend, tensors);
    if (cameras_ != nullptr) cameras_->load(backend, tensors);
  }

 protected:
  Buffer<float>& buffer_of_last_finite() override { return last_finite_; }
  Index begin_of_last_finite() override { return 0; }

 private:
  static Range lanes_of(Range environments) { return {environments.begin * K, environments.end * K}; }

  struct SavedBuffer {
    const char* name;
    Buffer<float>* buffer;
    Index columns;
  };
  std::vector<SavedBuffer> saved_buffers() {
    // The names in checkpoints are those of earlier versions, so that their checkpoints can still be read.
    std::vector<SavedBuffer> all = {{"legged_memory", &carried_, lane_stride_},
                                    {"legged_good", &last_coordinates_, lane_stride_},
                                    {"legged_last_good", &last_finite_, this->stride()}};
    if (last_reading_.size() > 0) all.push_back({"legged_last_reading", &last_reading_, legged_.constants.policy_size});
    return all;
  }

  /// What the lanes carry, from a checkpoint. One from before headings were commanded lacks their row: it is of a task
  /// that commands none.
  std::vector<float> carried_of(const std::vector<Tensor>& tensors, const char* name) {
    const auto size = static_cast<std::size_t>(carried_.size()), row = static_cast<std::size_t>(lane_stride_);
    for (const Tensor& tensor : tensors) {
      if (tensor.name != name || tensor.bytes.size() != (size - row) * sizeof(float)) continue;
      std::vector<float> values = floats_of(tensors, name, size - row);
      using Lane = LeggedLane<float, J>;
      const auto before = offsetof(Lane, heading) / sizeof(float) * row;
      values.insert(values.begin() + static_cast<std::ptrdiff_t>(before), row, 0.0f);
      return values;
    }
    return floats_of(tensors, name, size);
  }

  /// Does nothing where readings are not delayed.
  void delay_readings(const Context& context, Range range, float* observation, bool begin) {
    if (last_reading_.size() == 0) return;
    using Lane = LeggedLane<float, J>;
    constexpr Index kRow = offsetof(Lane, reading_delay) / sizeof(float);
    context.launch(range, DelayReadings{carried_.data() + kRow * lane_stride_, this->view().age, sensed_.data(), K,
                                        this->task().policy().pixels(), legged_.constants.policy_size, begin,
                                        last_reading_.data(), observation});
  }

  /// Does nothing where there is no camera, or nobody asks for the policy's observations.
  void look(const Context& context, Range range, const typename Cameras<Backend, Shape>::Step& step,
            float* observation) {
    if (cameras_ == nullptr || observation == nullptr) return;
    context.mark(Phase::kPhysics);
    cameras_->look(context, range, robots_->rows().state, step, observation, legged_.constants.policy_size);
  }

  void use_external(Backend& backend, ExternalPhysics& external) {
    if constexpr (requires { typename Backend::Real; }) {
      robots_ = std::make_unique<ExternalRobots<Backend, Shape>>(std::move(robots_), legged_.robot, external,
                                                                 backend.threads());
    } else {
      throw Error("another engine than ours runs on the CPU; --device cpu would be right");
    }
  }

  void give_commands(Backend& backend, const std::vector<float>& given) {
    const Index stride = this->stride();
    std::vector<float> rows(static_cast<std::size_t>(3 * stride), 0.0f);
    for (Index env = 0; env < this->count(); ++env) {
      for (Index i = 0; i < 3; ++i) {
        rows[static_cast<std::size_t>(i * stride + env)] = given.at(static_cast<std::size_t>(3 * env + i));
      }
    }
    if (commands_.size() == 0) commands_ = backend.template make_buffer<float>(3 * stride);
    backend.upload(commands_, rows.data(), 3 * stride);
  }

  /// Spreads the environments over the tiles' columns; those of an evaluation, which gives `commands`, over the levels
  /// as well.
  void place_on_tiles(Backend& backend, bool commands) {
    const Index levels = legged_.constants.levels, columns = legged_.constants.columns_of_tiles;
    if (levels == 0) return;
    const std::vector<float>& spawn = legged_.spawn;
    spawn_ = backend.template make_buffer<float>(static_cast<Index>(spawn.size()));
    backend.upload(spawn_, spawn.data(), static_cast<Index>(spawn.size()));
    std::vector<float> column, level;
    for (Index env = 0; env < this->stride(); ++env) {
      const Index tile = legged_.tile_of(this->first_environment() + env);
      column.push_back(static_cast<float>(tile % columns));
      level.push_back(static_cast<float>(tile / columns));
    }
    column_ = backend.template make_buffer<float>(this->stride());
    backend.upload(column_, column.data(), this->stride());
    if (!commands) return;
    level_ = backend.template make_buffer<float>(this->stride());
    backend.upload(level_, level.data(), this->stride());
  }

  static const float* given(Buffer<float>& buffer) { return buffer.size() > 0 ? buffer.data() : nullptr; }
  LeggedTask kernel_task(std::uint64_t seed) {
    return {constants_.data(),
            {robots_->map(), given(spawn_), given(column_), given(level_)},
            rows(),
            this->view(),
            given(commands_),
            seed};
  }

  LeggedRows rows() {
    const RobotRows<float>& robots = robots_->rows();
    constexpr Index kRow = offsetof(PhysicsCounts<float>, over_slots) / sizeof(float);
    float* const over_slots = robots.counts.data + kRow * robots.counts.stride;
    return {robots.state,
            robots.variation,
            robots.control,
            robots.delayed,
            robots.record,
            {carried_.data(), lane_stride_},
            {last_coordinates_.data(), lane_stride_},
            over_slots};
  }

  void take_step(const Context& context, Range range, std::uint64_t seed, const std::uint32_t* clock,
                 std::uint32_t offset, const float* action, const StepOutput& out) {
    const Range lanes = lanes_of(range);
    const LeggedTask all = kernel_task(seed);
    context.launch(lanes, ApplyActions<Shape, Real>{constants_.data(), all.rows, action});
    robots_->step(context, lanes, legged_.constants.decimation);
    FinishStep<Shape, Real> finish{all, clock, offset, out, totals_.data(), last_finite_.data()};
    if (formulas_ != nullptr) {
      formulas_->run(context, lanes, all, out);
      finish.formula_reward = formulas_->reward();
      finish.formula_end = formulas_->end();
    }
    context.launch(lanes, finish);
    if (formulas_ != nullptr) formulas_->observe(context, lanes, all, clock, offset, out);
    delay_readings(context, range, out.observation, false);
    look(context, range, {this->view().age, seed, clock, offset}, out.observation);
  }

  const LeggedSpec& legged_;
  Index lane_stride_;
  std::unique_ptr<Robots<Backend, float>> robots_;
  Buffer<LeggedConstants> constants_;
  Buffer<float> carried_, last_coordinates_, last_finite_, totals_, random_action_, bounds_, commands_, spawn_, column_,
      level_, last_reading_, sensed_;
  std::unique_ptr<Formulas<Backend, Shape, Real>> formulas_;  ///< null where the task has none
  std::unique_ptr<Cameras<Backend, Shape>> cameras_;          ///< null where the policy sees no picture
  Buffer<std::uint32_t> clock_;                               ///< one number, 0: drive() gives the clock as the offset
};

/// Walking robots of the task's size. Throws Error where the build has no kernels for it.
template <class Backend>
std::unique_ptr<Environments<Backend>> make_legged_environments(Backend& backend, const EnvironmentsRequest& request) {
  using Real = typename LaneOf<Backend>::type;
  const RobotSize size = request.task->legged->robot.size;
  const auto make = [&]<class Shape>(Shape) -> std::unique_ptr<Environments<Backend>> {
    using Lanes = typename GroupPack<Shape, Real>::type;
    return std::make_unique<LeggedEnvironments<Backend, Shape, Lanes>>(backend, request);
  };
  if (size.limbs == 4 && size.joints == 3) return make(RobotShape<4, 3>{});
#if !defined(STAMPEDE_ONLY_QUADRUPEDS)
  if (size.limbs == 2 && size.joints == 3) return make(RobotShape<2, 3>{});
  if (size.limbs == 2 && size.joints == 6) return make(RobotShape<2, 6>{});
  if (size.limbs == 6 && size.joints == 3) return make(RobotShape<6, 3>{});
#endif
  throw Error("robots of size " + std::to_string(size.limbs) + "x" + std::to_string(size.joints) +
              " do not walk in this build");
}

}  // namespace stampede
