#pragma once
/// \file Distillation: a student learns, by regression, to act as a teacher does (kernels/distillation.hpp). Teacher
/// and student see the same states through observations of their own: the student the policy's group, the teacher the
/// privileged one.
///
///     observation            -> student --.
///                                          >-- beta --> action -> step -> next states
///     privileged observation -> teacher --'
///                                  '---> label ------------------------> loss with the student's mean
///
/// An update learns from the last `rollouts_kept` rollouts. With one rollout and beta = 0 that is the on-policy form
/// which is in use for legged robots; with all rollouts DAgger (Ross et al., 2011), or, if beta stays 1, behaviour
/// cloning. Beside the labels a student may learn to tell its teacher's last hidden layer and height scan
/// (auxiliary.hpp). Or it learns from a data set (TrainingRequest::demonstrations), in passes over all of it: then
/// there is no teacher, and the student acts only to be watched.

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/learn/acting_policy.hpp"
#include "host/learn/algorithm.hpp"
#include "host/learn/auxiliary.hpp"
#include "host/learn/gradient_sums.hpp"
#include "host/learn/minibatches.hpp"
#include "kernels/distillation.hpp"

namespace stampede {

inline TeacherShare share_of(const DistillSettings& settings) {
  const ShareSchedule schedule = settings.beta_schedule == "first"    ? ShareSchedule::kFirst
                                 : settings.beta_schedule == "linear" ? ShareSchedule::kLinear
                                                                      : ShareSchedule::kConstant;
  return {settings.beta, schedule, static_cast<float>(settings.beta_rounds)};
}

inline Imitation imitation_of(const std::string& word) {
  if (word == "huber") return Imitation::kHuber;
  return word == "kl" ? Imitation::kDivergence : Imitation::kSquared;
}

/// In each step of an environment the teacher acts, with probability beta, or the student; the teacher labels every
/// step, and gives the auxiliary targets. Where there is no teacher the student acts.
template <class Backend>
class TeachingActor final : public Actor<Backend> {
 public:
  using Context = typename Backend::Context;

  /// `label` [horizon][stride][actions] is written to, and `target` [horizon][stride][width_of(targets)]; `teacher` may
  /// be null, without targets.
  TeachingActor(Backend& backend, ActorCritic<Backend>& student, ActingPolicy<Backend>* teacher, const Control* control,
                const ActionSpec& action, const DistillSettings& settings, std::uint64_t seed, Index first_environment,
                float* label, const std::vector<AuxiliaryTarget>& targets, float* target)
      : backend_(backend),
        student_(student),
        teacher_(teacher),
        control_(control),
        bounds_(backend, action.centre, action.scale, action.low, action.high),
        share_(share_of(settings)),
        noise_(settings.action_noise),
        seed_(seed),
        first_environment_(first_environment),
        label_(label),
        targets_(targets),
        target_(target) {}

  void reset() override {
    if (teacher_ != nullptr) teacher_->reset(backend_);
  }

  void act(const Context& context, Range environments, Index t, Rollout<Backend>& rollout, float* action) override {
    const Index at = t * rollout.shape.stride;
    const float* taught = nullptr;
    if (teacher_ != nullptr) {
      context.mark(Phase::kInference);
      taught = teacher_->mean(context, environments, rollout.privileged_row(at));
      context.mark(Phase::kTeacher);
    }
    for (const AuxiliaryTarget& target : targets_) keep(context, environments, at, target);
    const float* own = student_.mean(context, environments, rollout.observation.data() + at * rollout.observations,
                                     rollout.current_state());
    const Index taught_stride = teacher_ != nullptr ? teacher_->mean_stride() : student_.mean_stride();
    if (taught == nullptr) taught = own;
    context.launch(environments,
                   MixActions{own, student_.mean_stride(), taught, taught_stride, environments.begin,
                              static_cast<int>(rollout.actions), seed_, control_, static_cast<std::uint32_t>(t), share_,
                              noise_, bounds_.scaling(), label_ + at * rollout.actions, action, first_environment_});
  }

  void forget(const Context& context, Range environments, const float* ended) override {
    if (teacher_ != nullptr) teacher_->forget(context, environments, ended);
  }

 private:
  /// Copies a target of the environments of the row `at` from the teacher, which has just been asked.
  void keep(const Context& context, Range environments, Index at, const AuxiliaryTarget& target) {
    const bool hidden = target.source == AuxiliaryTarget::Source::kHidden;
    const float* from = (hidden ? teacher_->hidden(context) : teacher_->seen(context)) + target.first;
    const Index from_stride = hidden ? teacher_->hidden_stride() : teacher_->seen_stride(), stride = width_of(targets_);
    const Index columns = target.head.outputs;
    context.launch({0, environments.size() * padded(columns)},
                   CopyColumns{from, from_stride, target_ + (at + environments.begin) * stride + target.place, stride,
                               columns, padded(columns)});
  }

  Backend& backend_;
  ActorCritic<Backend>& student_;
  ActingPolicy<Backend>* teacher_;
  const Control* control_;
  ActionBounds<Backend> bounds_;
  TeacherShare share_;
  float noise_;
  std::uint64_t seed_;
  Index first_environment_;
  float* label_;
  std::vector<AuxiliaryTarget> targets_;
  float* target_;
};

template <class Backend>
class Distillation final : public Algorithm<Backend> {
  using Base = Algorithm<Backend>;
  using Base::backend_, Base::settings_, Base::shape_, Base::networks_, Base::optimiser_, Base::control_;

 public:
  using Context = typename Backend::Context;
  template <class T>
  using Buffer = typename Backend::template Buffer<T>;

  /// Throws Error where the request has nobody to learn from, or what it has does not fit the task.
  Distillation(Backend& backend, const TrainingRequest& request, const RolloutShape& shape)
      : Base(backend, request, shape, false,
             Minibatches<Backend>::most_samples(learned(request, shape), request.algorithm),
             heads_of(auxiliary_targets(request))),
        distill_(request.distill),
        targets_(auxiliary_targets(request)),
        actions_(request.task->action.size()),
        kept_(rollouts_kept(request, shape)),
        minibatches_(backend, learned(request, shape), networks_.window(), request.algorithm, request.seed,
                     static_cast<std::uint32_t>(request.rank.index), kept_),
        gradient_(backend, networks_, minibatches_.most(), static_cast<int>(targets_.size())) {
    const auto floats = [&](Index count) { return backend.template make_buffer<float>(count); };
    label_ = floats(shape.rows() * actions_);
    teacher_log_std_ = floats(actions_);
    if (request.demonstrations != nullptr) {
      take(*request.demonstrations, request.network.normalise_observations);
      return;
    }
    teacher_ = std::make_unique<ActingPolicy<Backend>>(backend, checked_teacher(request), shape.stride);
    backend.upload(teacher_log_std_, request.teacher->log_std.data(), actions_);
    networks_.set_log_std(request.teacher->log_std);
    if (!targets_.empty()) {
      target_ = floats(shape.rows() * width_of(targets_));
      auxiliary_losses_ = floats(WriteReport::kOwnNumbers);
    }
    if (kept_ > 1) {
      kept_observation_ = floats(kept_ * shape.rows() * request.task->policy().size());
      kept_label_ = floats(kept_ * shape.rows() * actions_);
      if (!targets_.empty()) kept_target_ = floats(kept_ * target_.size());
      if (networks_.states() > 0) {
        kept_ended_ = floats(kept_ * shape.rows());
        kept_state_ = floats(kept_ * shape.rows() / networks_.window() * networks_.states());
      }
    }
  }

  std::unique_ptr<Actor<Backend>> make_actor(const ActionSpec& action, std::uint64_t seed,
                                             Index first_environment) override {
    return std::make_unique<TeachingActor<Backend>>(backend_, networks_, teacher_.get(), control_.data(), action,
                                                    distill_, seed, first_environment, label_.data(), targets_,
                                                    target_.data());
  }

  // A student learns from labels alone: rewards and constraints are only reported.
  void judge(const Context&, Range, Rollout<Backend>&) override {}
  void judge(Rollout<Backend>&, const float*) override {}

  void update(Rollout<Backend>& rollout) override {
    const SeenRows seen = keep(rollout);
    const float* label = kept_label_.size() > 0 ? kept_label_.data() : label_.data();
    const float* target = kept_target_.size() > 0 ? kept_target_.data() : target_.data();
    const float share = 1.0f / static_cast<float>(settings_.epochs * minibatches_.count());
    bool begins = true;
    for (int epoch = 0; epoch < settings_.epochs; ++epoch) {
      minibatches_.shuffle(
          {control_.data(), static_cast<std::uint32_t>(epoch), static_cast<std::uint32_t>(settings_.epochs)});
      minibatches_.for_each([&](const Minibatch& minibatch) {
        compute_gradient(seen, label, target, minibatch.order, minibatch.count);
        if (!targets_.empty()) {
          backend_.launch_single(MeanAuxiliaryLosses{gradient_.own_sums(), auxiliary_losses_.data(),
                                                     static_cast<int>(targets_.size()), share, begins});
        }
        begins = false;
        optimiser_.step(gradient_.total(), gradient_.sums(), control_.data());
      });
    }
  }

  /// The auxiliary losses, means over the iteration's minibatches.
  const float* own_numbers() override { return targets_.empty() ? nullptr : auxiliary_losses_.data(); }

  double update_flops() const override {
    return networks_.training_flops() * static_cast<double>(minibatches_.samples()) * settings_.epochs;
  }

  void list_metrics(ReportReader& metrics, double) override {
    using W = WriteReport;
    using enum Reduce;
    const auto number = [](int entry) {
      return [entry](const float* row, int) { return static_cast<double>(row[entry]); };
    };
    metrics.add({.name = "loss", .tag = "loss/imitation", .must_be_finite = true}, number(W::kPolicy));
    metrics.add({.name = "action_error",
                 .tag = "distill/action_error",
                 .unit = "units of the network's output, mean of the actions",
                 .must_be_finite = true},
                number(W::kValue));
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      const std::string name = targets_[i].metric;
      metrics.add({.name = name, .tag = "distill/" + name, .must_be_finite = true},
                  number(W::kOwn + static_cast<int>(i)));
    }
    metrics.add({.name = "teacher_share", .tag = "distill/teacher_share", .unit = "share of steps"}, number(W::kClip));
    metrics.add({.name = "gradient_norm", .tag = "update/gradient_norm", .must_be_finite = true}, number(W::kNorm));
    metrics.add({.name = "learning_rate", .tag = "update/learning_rate", .reduce = kLast}, number(W::kRate));
    metrics.add({.name = "action_std", .tag = "policy/action_std", .unit = "half ranges", .reduce = kLast},
                number(W::kStd));
  }

  /// Besides the learner's own state that of the teacher's network, and the kept rollouts, from which later iterations
  /// learn: each is a part (Tensor::part) with the number of its iteration. Of a data set its checksum.
  void save(std::vector<Tensor>& tensors) override {
    Base::save(tensors);
    if (teacher_ != nullptr && teacher_->states() > 0) {
      tensors.push_back(
          make_tensor(kTeacherState, {shape_.stride, teacher_->states()}, teacher_->read_states(backend_)));
    }
    if (teacher_ == nullptr) tensors.push_back(make_tensor(kDataSet, {2}, checksum_.data(), Tensor::Type::kU32));
    if (kept_ == 1) return;
    const auto places = static_cast<std::uint32_t>(kept_);
    tensors.push_back(make_tensor(kPlaces, {1}, &places, Tensor::Type::kU32));
    for_each_kept([&](const std::string& part, const std::string& name, Buffer<float>& buffer, Index at, Index size) {
      std::vector<float> values(static_cast<std::size_t>(size));
      backend_.download(buffer, values.data(), size, at);
      tensors.push_back(make_tensor(name, {size}, values));
      tensors.back().part = part;
    });
  }
  void load(const std::vector<Tensor>& tensors) override {
    Base::load(tensors);
    if (teacher_ != nullptr && teacher_->states() > 0) {
      const auto count = static_cast<std::size_t>(shape_.stride * teacher_->states());
      teacher_->write_states(backend_, floats_of(tensors, kTeacherState, count));
    }
    if (teacher_ == nullptr) check_data_set(tensors);
    if (kept_ == 1) return;
    const bool whole = std::any_of(tensors.begin(), tensors.end(),
                                   [](const Tensor& tensor) { return tensor.name == "kept/observation"; });
    if (whole) {
      load_whole(tensors);
      return;
    }
    check_places(tensor_values<std::uint32_t>(tensors, kPlaces, Tensor::Type::kU32, 1).front());
    for_each_kept([&](const std::string&, const std::string& name, Buffer<float>& buffer, Index at, Index size) {
      backend_.upload(buffer, floats_of(tensors, name, static_cast<std::size_t>(size)).data(), size, at);
    });
  }

 private:
  struct NamedBuffer {
    const char* name;
    Buffer<float>* buffer;
  };
  std::vector<NamedBuffer> kept_buffers() {
    std::vector<NamedBuffer> all = {{"observation", &kept_observation_}, {"label", &kept_label_}};
    if (!targets_.empty()) all.push_back({"target", &kept_target_});
    if (networks_.states() > 0) {
      all.push_back({"ended", &kept_ended_});
      all.push_back({"state", &kept_state_});
    }
    return all;
  }

  /// Calls body(part, name of the tensor, buffer, where it begins there, size) for what is kept of each rollout.
  template <class Body>
  void for_each_kept(const Body& body) {
    const auto done = static_cast<std::int64_t>(Base::read_control().iteration);
    for (std::int64_t i = std::max<std::int64_t>(0, done - kept_); i < done; ++i) {
      std::string part = "rollout-";
      part += std::to_string(i);
      for (const auto& [name, buffer] : kept_buffers()) {
        const Index size = buffer->size() / kept_;
        body(part, part + "/" + name, *buffer, static_cast<Index>(i % kept_) * size, size);
      }
    }
  }

  /// Of a checkpoint of an earlier version, which has all rollouts in one tensor.
  void load_whole(const std::vector<Tensor>& tensors) {
    for (const auto& [name, buffer] : kept_buffers()) {
      const std::string whole = std::string("kept/") + name;
      for (const Tensor& tensor : tensors) {
        if (tensor.name == whole) check_places(tensor.shape.front());
      }
      const auto values = floats_of(tensors, whole, static_cast<std::size_t>(buffer->size()));
      backend_.upload(*buffer, values.data(), buffer->size());
    }
  }

  /// Throws Error where a checkpoint has room for another number of rollouts.
  void check_places(std::int64_t places) const {
    if (places == kept_) return;
    throw Error("it keeps " + std::to_string(places) + " rollouts, and config.toml asks for " + std::to_string(kept_) +
                "; leave train.iterations and distill.rollouts_kept as they were");
  }

  static constexpr const char* kPlaces = "kept/rollouts";  ///< in checkpoints: for how many there is room
  static constexpr const char* kDataSet = "data_set";      ///< in checkpoints: its checksums
  static constexpr const char* kTeacherState = "teacher_state";

  /// How many rows of observations, labels and targets kernels reach, which index their values with 31 bits.
  static Index most_rows(const TrainingRequest& request) {
    const Index widest = std::max({padded(Index{request.task->policy().size()}),
                                   padded(Index{request.task->action.size()}), width_of(auxiliary_targets(request))});
    return std::numeric_limits<std::int32_t>::max() / widest;
  }

  /// What a pass goes through: as many samples as a rollout has, or all steps of the data set. Throws Error where
  /// kernels could not reach all of them.
  static RolloutShape learned(const TrainingRequest& request, const RolloutShape& shape) {
    if (request.demonstrations == nullptr) return shape;
    const Index steps = request.demonstrations->steps, most = most_rows(request);
    if (steps <= most) return {steps, steps, 1};
    throw Error(request.demonstrations->name + ": its " + std::to_string(steps) +
                " steps would be more than 2^31 numbers; at most " + std::to_string(most) + " would be right");
  }

  /// Puts the data set on the device.
  void take(const Demonstrations& all, bool normalise) {
    const Index observations = networks_.normaliser().observations();
    if (networks_.states() > 0) {
      throw Error(all.name +
                  ": holds no states of a network, but network.modules carry one from step to step; modules "
                  "without a gru would be right");
    }
    kept_observation_ = backend_.template make_buffer<float>(all.steps * observations);
    kept_label_ = backend_.template make_buffer<float>(all.steps * actions_);
    backend_.upload(kept_observation_, all.observation.data(), all.steps * observations);
    backend_.upload(kept_label_, all.label.data(), all.steps * actions_);
    if (normalise) networks_.keep_moments(all.mean, all.variance);
    name_ = all.name;
    checksum_ = all.checksum;
  }

  /// Throws Error where a checkpoint was learned from another data set.
  void check_data_set(const std::vector<Tensor>& tensors) const {
    if (tensor_values<std::uint32_t>(tensors, kDataSet, Tensor::Type::kU32, 2) ==
        std::vector<std::uint32_t>(checksum_.begin(), checksum_.end())) {
      return;
    }
    throw Error("the run learned from another data set than " + name_ + " is now; put that back, name its place in " +
                "config.toml (distill.dataset), or begin anew with --dataset");
  }

  static const Policy& checked_teacher(const TrainingRequest& request) {
    if (request.teacher == nullptr) {
      throw Error("algorithm.kind = \"distillation\" needs a teacher; `stampede distill --teacher RUN` gives it one");
    }
    const TaskSpec& task = *request.task;
    const Policy& teacher = *request.teacher;
    const int seen = seen_by_teacher(task).size();
    if (teacher.observations() == seen && teacher.actions() == task.action.size()) return teacher;
    throw Error("teacher: it maps " + std::to_string(teacher.observations()) + " observations to " +
                std::to_string(teacher.actions()) + " actions, task '" + task.name + "' gives it " +
                std::to_string(seen) + " and has " + std::to_string(task.action.size()));
  }

  /// How many rollouts are kept: no more than there are iterations. Throws Error where kernels could not reach all of
  /// them.
  static int rollouts_kept(const TrainingRequest& request, const RolloutShape& shape) {
    if (request.demonstrations != nullptr) return 1;
    const int wanted = request.distill.rollouts_kept;
    const int kept = wanted > 0 ? std::min(wanted, request.train.iterations) : request.train.iterations;
    const Index most = most_rows(request) / shape.rows();
    if (kept <= most) return std::max(kept, 1);
    throw Error("distill.rollouts_kept = " + std::to_string(wanted) + (wanted == 0 ? " (all of them)" : "") + ": " +
                std::to_string(kept) + " rollouts would be more than 2^31 numbers; at most " + std::to_string(most) +
                ", or a smaller train.num_envs or train.horizon, would be right");
  }

  /// Adds a rollout to those that are kept. Returns what the update sees: these, or the data set.
  SeenRows keep(Rollout<Backend>& rollout) {
    const SeenRows own = rollout.view().seen();
    if (teacher_ == nullptr) return {kept_observation_.data(), nullptr, nullptr, nullptr, 1};
    if (kept_ == 1) return own;
    const auto add = [&](const float* from, Buffer<float>& to) {
      const Index size = to.size() / kept_;
      backend_.launch(size, KeepRollout{from, to.data(), size, control_.data(), static_cast<std::uint32_t>(kept_)});
    };
    add(own.observation, kept_observation_);
    add(label_.data(), kept_label_);
    if (!targets_.empty()) add(target_.data(), kept_target_);
    if (networks_.states() > 0) {
      add(own.ended, kept_ended_);
      add(own.state, kept_state_);
    }
    return {kept_observation_.data(), nullptr, kept_ended_.data(), kept_state_.data(), own.stride};
  }

  /// Loss and gradient of a minibatch, on each rank of the rows that `order` [count] names.
  void compute_gradient(const SeenRows& seen, const float* label, const float* target, const std::uint32_t* order,
                        Index count) {
    const auto total = static_cast<float>(count * backend_.communicator().ranks());
    backend_.for_samples(count, gradient_.tiles(), [&](const Context& context, Range range) {
      const Index rows = range.size();
      networks_.gather(context, seen, order + range.begin, rows);
      const float* mean = networks_.actor_output(context, rows);
      context.launch({0, rows}, ImitationLoss{order + range.begin, rows, actions_, label, teacher_log_std_.data(), mean,
                                              networks_.mean_gradient(context), networks_.mean_stride(),
                                              networks_.log_std(), gradient_.columns(range.begin),
                                              gradient_.column_stride(), total, imitation_of(distill_.loss),
                                              distill_.huber_threshold, control_.data(), share_of(distill_)});
      Index column = actions_;  // of the outputs
      for (std::size_t i = 0; i < targets_.size(); ++i) {
        const auto& [head, weight, metric, source, first, place] = targets_[i];
        context.launch({0, rows}, AuxiliaryLoss{order + range.begin, rows, head.outputs, weight, target + place,
                                                width_of(targets_), mean + column,
                                                networks_.mean_gradient(context) + column, networks_.mean_stride(),
                                                gradient_.own_column(static_cast<int>(i), range.begin), total});
        column += head.outputs;
      }
      networks_.backward(context, rows, gradient_.tiles().of(context));
    });
    gradient_.collect(count, 0.0f);
  }

  DistillSettings distill_;
  std::vector<AuxiliaryTarget> targets_;
  int actions_, kept_;
  std::unique_ptr<ActingPolicy<Backend>> teacher_;  ///< null: a data set teaches
  Minibatches<Backend> minibatches_;
  GradientSums<Backend> gradient_;
  Buffer<float> label_, teacher_log_std_;  ///< [horizon][stride][actions] of the current rollout; [actions]
  // Empty without targets: [horizon][stride][width_of(targets_)] of the current rollout; [WriteReport::kOwnNumbers].
  Buffer<float> target_, auxiliary_losses_;
  // Of all rollouts that are kept, [rollout] and then as in a rollout; empty where that is one. Or the data set,
  // [step].
  Buffer<float> kept_observation_, kept_label_, kept_target_, kept_ended_, kept_state_;
  std::string name_;  ///< of the data set
  std::array<std::uint32_t, 2> checksum_{};
};

}  // namespace stampede
