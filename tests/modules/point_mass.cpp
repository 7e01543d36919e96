/// \file What the tests' own engine has besides the CPU's code: the point mass's kernels, an algorithm that is as simple as can be, and a
/// network module with a state. None of them is named anywhere else.
#include <algorithm>

#include "host/cpu/backend.hpp"
#include "host/learn/algorithm.hpp"
#include "host/simulate/environments.hpp"
#include "tests/envs/point_mass.hpp"
#include "tests/modules/leaky_integrator.hpp"

namespace stampede {
namespace {

[[maybe_unused]] const bool kernels = register_environments<CpuBackend>(test::PointMasses{});

/// 1/2 |mean - target|^2 of the actor's output, a sample a row; every action's target is the same linear function of the observation.
struct RegressionLoss {
  const std::uint32_t* order;
  const float* observation;
  const float* mean;
  float *mean_gradient, *columns;
  Index observations, actions, mean_stride, column_stride;
  float count;

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    for (Index row = first; row < first + kLanes<Real>; ++row) {
      float target = 0, loss = 0;
      for (Index i = 0; i < observations; ++i) {
        target -= 0.5f * observation[static_cast<Index>(order[row]) * observations + i];
      }
      for (Index a = 0; a < actions; ++a) {
        const float error = mean[row * mean_stride + a] - target;
        mean_gradient[row * mean_stride + a] = error / count;
        loss += 0.5f * error * error / count;
      }
      for (int c = 0; c < kLossColumns; ++c) columns[c * column_stride + row] = c == kPolicyLoss ? loss : 0.0f;
    }
  }
};

/// Regression of the action on the observation: whatever the environments answer, the policy learns one linear function.
template <class Backend>
class Regression final : public Algorithm<Backend> {
  using Base = Algorithm<Backend>;
  using Base::backend_, Base::shape_, Base::networks_, Base::optimiser_, Base::control_;

 public:
  using Context = typename Backend::Context;

  Regression(Backend& backend, const TrainingRequest& request, const RolloutShape& shape)
      : Base(backend, request, shape, false, shape.rows()),
        gradient_(backend, networks_.size(), shape.rows()),
        order_(backend.template make_buffer<std::uint32_t>(shape.rows())),
        columns_(backend.template make_buffer<float>(kLossColumns * shape.rows())),
        sums_(backend.template make_buffer<float>(kLossColumns)) {
    if (networks_.states() > 0)
      throw Error("algorithm.kind = \"regression\" learns from single rows; no module may have a state");
    // One pass over the rows as they lie; those of surplus environments are harmless here.
    std::vector<std::uint32_t> order(static_cast<std::size_t>(shape.rows()));
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
    backend.upload(order_, order.data(), shape.rows());
    backend.reserve_sums(kLossColumns);
  }

  void judge(const Context&, Range, Rollout<Backend>&) override {}
  void judge(Rollout<Backend>&, const float*) override {}

  void update(Rollout<Backend>& rollout) override {
    const Index count = shape_.rows();
    backend_.for_samples(count, gradient_, [&](const Context& context, Range range) {
      const std::uint32_t* order = order_.data() + range.begin;
      const Index rows = range.size();
      networks_.gather(context, rollout.view().seen(), order, rows);
      const float* mean = networks_.actor_output(context, rows);
      context.launch({0, rows}, RegressionLoss{order, rollout.observation.data(), mean,
                                               networks_.mean_gradient(context), columns_.data() + range.begin,
                                               rollout.observations, rollout.actions, networks_.mean_stride(), count,
                                               static_cast<float>(count * backend_.communicator().ranks())});
      networks_.backward(context, rows, gradient_.of(context));
    });
    gradient_.collect(backend_, count);
    backend_.communicator().sum(backend_, gradient_.total(), networks_.size(), Exchange::kGradient);
    backend_.template sum<1>(count, kLossColumns, ColumnValues{columns_.data(), count}, sums_.data());
    backend_.communicator().sum(backend_, sums_.data(), kLossColumns, Exchange::kGradient);
    optimiser_.step(gradient_.total(), sums_.data(), control_.data());
  }

  void list_metrics(ReportReader& metrics, double) override {
    metrics.add({.name = "regression_loss", .tag = "loss/regression", .must_be_finite = true, .label = "loss"},
                [](const float* row, int) { return static_cast<double>(row[WriteReport::kPolicy]); });
  }
  double update_flops() const override { return networks_.training_flops() * static_cast<double>(shape_.samples()); }

 private:
  typename Backend::Gradient gradient_;
  typename Backend::template Buffer<std::uint32_t> order_;
  typename Backend::template Buffer<float> columns_, sums_;
};

[[maybe_unused]] const bool leaky = register_network_module<test::LeakyIntegrator, CpuBackend>("leaky_integrator");
[[maybe_unused]] const bool algorithm = register_algorithm<Regression, CpuBackend>("regression");

}  // namespace
}  // namespace stampede
