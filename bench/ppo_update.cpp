/// \file The whole PPO update (gather, forward, loss, backward, clip, Adam) on one minibatch of 16384 samples: this
/// project's fused tiles beside the same update with oneDNN's inner products, and the processor's multiply-add peak, in
/// one run.
///
/// Run with `--benchmark_repetitions=15 --benchmark_enable_random_interleaving=true`, so that both meet the same
/// weather. `share_best` and `share_mean` are the dense layers' operations a second over the peak measured between the
/// updates; on a machine that is busy with other things `processor_ms_best`, the least processor time of an update,
/// says most.

#include <benchmark/benchmark.h>

#include <omp.h>
#include <time.h>

#include <dnnl.hpp>

#include <algorithm>
#include <chrono>
#include <deque>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "host/cpu/backend.hpp"
#include "host/cpu/peak.hpp"
#include "host/learn/ppo.hpp"
#include "tests/plain_task.hpp"

namespace stampede {
namespace {

constexpr int kObservations = 48, kActions = 12;
constexpr Index kSamples = 16384;

const std::vector<std::vector<int>> kNetworks = {{128, 64, 32}, {512, 256, 128}};

TrainingRequest request_for(const std::vector<int>& hidden) {
  TrainingRequest request;
  request.task = std::make_shared<const TaskSpec>(test::plain_task(kObservations, kActions));
  request.train.num_envs = static_cast<int>(kSamples);
  request.train.horizon = 1;
  request.algorithm.minibatch = static_cast<int>(kSamples);
  request.algorithm.epochs = 1;
  request.algorithm.schedule = "fixed";
  request.algorithm.learning_rate = 1e-5f;
  request.network.actor = request.network.critic = hidden;
  request.network.normalise_values = false;
  return request;
}

/// A rollout of random numbers.
struct RandomRollout {
  HostBuffer<float> observation{kSamples * kObservations}, output{kSamples * kActions}, mean{kSamples * kActions},
      log_std{kActions}, log_prob{kSamples}, value{kSamples}, advantage{kSamples}, returns{kSamples};

  RandomRollout() {
    std::mt19937 generator(1);
    std::normal_distribution<float> normal;
    for (HostBuffer<float>* buffer : {&observation, &output, &value, &advantage, &returns}) {
      for (Index i = 0; i < buffer->size(); ++i) buffer->data()[i] = normal(generator);
    }
    std::fill_n(log_prob.data(), kSamples, -17.0f);
  }
  RolloutView view() const {
    return {observation.data(), nullptr,      output.data(),    mean.data(),   log_std.data(),
            log_prob.data(),    value.data(), advantage.data(), returns.data()};
  }
};

/// The same calls as CpuBackend::Mlp's, with oneDNN's primitives for `rows` samples at a time.
class DnnlMlp {
 public:
  DnnlMlp(const std::vector<int>& sizes, Index rows, dnnl::engine& engine, dnnl::stream& stream) : stream_(stream) {
    using namespace dnnl;
    // Our kernels work on whole packs, so oneDNN's arrays need the padding of ours.
    const auto owned = [&](const memory::desc& desc) {
      storage_.emplace_back(static_cast<Index>(desc.get_size() / sizeof(float)));
      return memory(desc, engine, storage_.back().data());
    };
    const auto flat = [&](memory::dims dims, memory::format_tag tag) {
      return owned({dims, memory::data_type::f32, tag});
    };
    const auto any = [](memory::dims dims) {
      return memory::desc(dims, memory::data_type::f32, memory::format_tag::any);
    };
    for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
      Layer l;
      const bool last = i + 2 == sizes.size();
      const memory::dim in = sizes[i], out = sizes[i + 1];
      const auto y_desc = memory::desc({rows, out}, memory::data_type::f32, memory::format_tag::nc);
      const auto x_desc = memory::desc({rows, in}, memory::data_type::f32, memory::format_tag::nc);
      const auto b_desc = memory::desc({out}, memory::data_type::f32, memory::format_tag::a);
      primitive_attr attributes;
      if (!last) {
        post_ops ops;
        ops.append_eltwise(1.0f, algorithm::eltwise_elu, 1.0f, 0.0f);
        attributes.set_post_ops(ops);
      }
      inner_product_forward::primitive_desc forward(
          inner_product_forward::desc(prop_kind::forward_training, x_desc, any({out, in}), b_desc, y_desc), attributes,
          engine);
      l.forward = inner_product_forward(forward);
      l.weights = owned(forward.weights_desc());
      l.bias = owned(b_desc);
      l.y = flat({rows, out}, memory::format_tag::nc);
      l.delta = flat({rows, out}, memory::format_tag::nc);
      inner_product_backward_weights::primitive_desc backward(
          inner_product_backward_weights::desc(x_desc, any({out, in}), b_desc, y_desc), engine, forward);
      l.weight_gradient = owned(backward.diff_weights_desc());
      l.bias_gradient = owned(b_desc);
      l.backward_weights = inner_product_backward_weights(backward);
      if (i > 0) {
        inner_product_backward_data::primitive_desc data(
            inner_product_backward_data::desc(x_desc, any({out, in}), y_desc), engine, forward);
        l.data_weights = owned(data.weights_desc());
        l.backward_data = inner_product_backward_data(data);
        l.repack = reorder(l.weights, l.data_weights);
        eltwise_forward::primitive_desc hint(
            eltwise_forward::desc(prop_kind::forward_training, algorithm::eltwise_elu_use_dst_for_bwd, x_desc, 1.0f,
                                  0.0f),
            engine);
        l.slope = eltwise_backward(eltwise_backward::primitive_desc(
            eltwise_backward::desc(algorithm::eltwise_elu_use_dst_for_bwd, x_desc, x_desc, 1.0f, 0.0f), engine, hint));
      }
      std::mt19937 generator(7);
      std::normal_distribution<float> normal(0.0f, 1.0f / std::sqrt(static_cast<float>(in)));
      for (Index k = 0; k < count(l.weights); ++k) data_of(l.weights)[k] = normal(generator);
      std::fill_n(data_of(l.bias), out, 0.0f);
      layers_.push_back(l);
    }
    x_ = flat({rows, sizes.front()}, memory::format_tag::nc);
  }

  static float* data_of(const dnnl::memory& memory) { return static_cast<float*>(memory.get_data_handle()); }
  static Index count(const dnnl::memory& memory) {
    return static_cast<Index>(memory.get_desc().get_size() / sizeof(float));
  }

  float* input() { return data_of(x_); }
  float* output() { return data_of(layers_.back().y); }
  float* output_gradient() { return data_of(layers_.back().delta); }

  void weights_changed() {
    for (Layer& l : layers_) {
      if (l.repack) l.repack.execute(stream_, l.weights, l.data_weights);
    }
  }
  void forward() {
    dnnl::memory* x = &x_;
    for (Layer& l : layers_) {
      l.forward.execute(
          stream_, {{DNNL_ARG_SRC, *x}, {DNNL_ARG_WEIGHTS, l.weights}, {DNNL_ARG_BIAS, l.bias}, {DNNL_ARG_DST, l.y}});
      x = &l.y;
    }
  }
  void backward() {
    for (std::size_t i = layers_.size(); i-- > 0;) {
      Layer& l = layers_[i];
      dnnl::memory& x = i > 0 ? layers_[i - 1].y : x_;
      l.backward_weights.execute(stream_, {{DNNL_ARG_SRC, x},
                                           {DNNL_ARG_DIFF_DST, l.delta},
                                           {DNNL_ARG_DIFF_WEIGHTS, l.weight_gradient},
                                           {DNNL_ARG_DIFF_BIAS, l.bias_gradient}});
      if (i == 0) break;
      Layer& below = layers_[i - 1];
      l.backward_data.execute(
          stream_,
          {{DNNL_ARG_DIFF_DST, l.delta}, {DNNL_ARG_WEIGHTS, l.data_weights}, {DNNL_ARG_DIFF_SRC, below.delta}});
      l.slope.execute(stream_,
                      {{DNNL_ARG_DST, below.y}, {DNNL_ARG_DIFF_DST, below.delta}, {DNNL_ARG_DIFF_SRC, below.delta}});
    }
  }
  /// Calls body(parameters, gradient, count) for each array of parameters.
  template <class Body>
  void for_parameters(const Body& body) {
    for (Layer& l : layers_) {
      body(data_of(l.weights), data_of(l.weight_gradient), count(l.weights));
      body(data_of(l.bias), data_of(l.bias_gradient), count(l.bias));
    }
  }

 private:
  struct Layer {
    dnnl::primitive forward, backward_data, backward_weights, slope;
    dnnl::reorder repack;
    dnnl::memory weights, data_weights, bias, weight_gradient, bias_gradient, y, delta;
  };
  dnnl::stream& stream_;
  std::deque<HostBuffer<float>> storage_;
  dnnl::memory x_;
  std::vector<Layer> layers_;
};

/// The update on oneDNN, `chunk` samples at a time; one thread of ours drives it, oneDNN's own threads do the products.
class DnnlUpdate {
 public:
  DnnlUpdate(const std::vector<int>& hidden, Index chunk, int threads)
      : chunk_(chunk),
        backend_(threads),
        engine_(dnnl::engine::kind::cpu, 0),
        stream_(engine_),
        actor_(layer_sizes(kObservations, hidden, kActions), chunk, engine_, stream_),
        critic_(layer_sizes(kObservations, hidden, 1), chunk, engine_, stream_) {
    for_both([&](float*, float*, Index count) {
      total_.emplace_back(count);
      first_.emplace_back(count);
      second_.emplace_back(count);
    });
    control_.learning_rate = 1e-5f;
    control_.beta1_power = control_.beta2_power = 1.0f;
    control_.values = {0.0f, 0.0f, 1.0f};
    std::fill_n(inverse_.data(), kObservations, 1.0f);
    actor_.weights_changed();
    critic_.weights_changed();
  }

  void run(const RolloutView& rollout) {
    backend_.launch(kSamples, Shuffle{order_.data(), kSamples, kSamples, kSamples, 1, {&control_, 0, 1}});
    backend_.sum<2>(kSamples, 1, AdvantageMoments{rollout.advantage, order_.data(), &centre_, {kSamples, 1, 1}},
                    sums_.data());
    backend_.launch_single(ScaleAdvantages{sums_.data(), &centre_, static_cast<float>(kSamples), &scale_});
    for (Index begin = 0; begin < kSamples; begin += chunk_) {
      pick(rollout.observation, order_.data() + begin);
      actor_.forward();
      critic_.forward();
      PpoLoss loss{order_.data() + begin,
                   chunk_,
                   kActions,
                   rollout.output,
                   rollout.mean,
                   rollout.log_std,
                   rollout.log_prob,
                   rollout.advantage,
                   rollout.returns,
                   rollout.value,
                   actor_.output(),
                   actor_.output_gradient(),
                   kActions,
                   critic_.output(),
                   critic_.output_gradient(),
                   1,
                   log_std_.data(),
                   columns_.data() + begin,
                   kSamples,
                   &control_,
                   &scale_,
                   static_cast<float>(kSamples),
                   Surrogate::kClippedRatio,
                   0.2f,
                   1.0f,
                   true};
      backend_.launch(chunk_, loss);
      actor_.backward();
      critic_.backward();
      std::size_t i = 0;
      for_both([&](float*, float* gradient, Index count) {
        float* total = total_[i++].data();
        backend_.launch(count, Add{gradient, total, begin == 0});
      });
    }
    backend_.sum<1>(kSamples, kLossColumns + kActions, ColumnValues{columns_.data(), kSamples}, column_sums_.data());
    float norm = 0;
    for (HostBuffer<float>& gradient : total_) {
      float square = 0;
      backend_.sum<1>(gradient.size(), 1, Squares{gradient.data()}, &square);
      norm += square;
    }
    backend_.launch_single(PrepareStep{&control_, column_sums_.data(), &norm, 1.0f, Schedule::kFixed, 0.01f});
    std::size_t i = 0;
    for_both([&](float* parameters, float*, Index count) {
      backend_.launch(count, AdamStep{parameters, first_[i].data(), second_[i].data(), total_[i].data(), &control_});
      ++i;
    });
    actor_.weights_changed();
    critic_.weights_changed();
  }

 private:
  struct Add {
    const float* from;
    float* to;
    bool set;
    template <class Real>
    STAMPEDE_FN void operator()(Index first) const {
      const Real x = load<Real>(from + first);
      store(to + first, set ? x : load<Real>(to + first) + x);
    }
  };

  /// Gathers and normalises into both networks' inputs.
  void pick(const float* observation, const std::uint32_t* order) {
    constexpr Index kStride = padded(kObservations);
    static_assert(kStride == kObservations, "oneDNN's rows have no padding");
    backend_.launch(chunk_ * kStride, NormaliseRows{observation, order, mean_.data(), inverse_.data(), actor_.input(),
                                                    kObservations, kStride, kObservationClip});
    std::copy_n(actor_.input(), chunk_ * kObservations, critic_.input());
  }
  template <class Body>
  void for_both(const Body& body) {
    actor_.for_parameters(body);
    critic_.for_parameters(body);
  }

  Index chunk_;
  CpuBackend backend_;
  dnnl::engine engine_;
  dnnl::stream stream_;
  DnnlMlp actor_, critic_;
  std::vector<HostBuffer<float>> total_, first_, second_;
  HostBuffer<float> mean_{kObservations}, inverse_{kObservations}, log_std_{kActions}, sums_{2}, column_sums_{64},
      columns_{(kLossColumns + kActions) * kSamples};
  HostBuffer<std::uint32_t> order_{kSamples};
  Control control_{};
  float centre_ = 0;
  AdvantageScale scale_{};
};

double processor_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Runs the update, with the processor's peak measured before each. A mean over seconds held against the best burst
/// would say more about the neighbours than about the update: the best is held against the best, and the mean against
/// the mean.
template <class Update>
void measure(benchmark::State& state, CpuBackend& backend, double flops, const Update& update) {
  update();
  double seconds = 0, best = std::numeric_limits<double>::infinity(), processor = best, peak_best = 0, peak_sum = 0;
  for (auto _ : state) {
    const FmaPeak peak = measure_fma_peak(backend);
    peak_best = std::max(peak_best, peak.best);
    peak_sum += peak.mean;
    const double processor_before = processor_seconds();
    const auto begin = std::chrono::steady_clock::now();
    update();
    const double s = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    processor = std::min(processor, processor_seconds() - processor_before);
    state.SetIterationTime(s);
    seconds += s;
    best = std::min(best, s);
  }
  const auto updates = static_cast<double>(state.iterations());
  state.counters["gflops_best"] = flops / best * 1e-9;
  state.counters["gflops_mean"] = flops * updates / seconds * 1e-9;
  state.counters["peak_best"] = peak_best;
  state.counters["peak_mean"] = peak_sum / updates;
  state.counters["share_best"] = flops / best * 1e-9 / peak_best;
  state.counters["share_mean"] = flops * updates * updates / seconds * 1e-9 / peak_sum;
  state.counters["processor_ms_best"] = 1e3 * processor;
}

double flops_of(const std::vector<int>& hidden) {
  const auto network = [&](int outputs) {
    const std::vector<int> sizes = layer_sizes(kObservations, hidden, outputs);
    double macs = 0;
    for (std::size_t i = 0; i + 1 < sizes.size(); ++i) macs += static_cast<double>(sizes[i]) * sizes[i + 1];
    return 6 * macs - 2.0 * sizes[0] * sizes[1];
  };
  return (network(kActions) + network(1)) * static_cast<double>(kSamples);
}

void own_update(benchmark::State& state) {
  const std::vector<int>& hidden = kNetworks[static_cast<std::size_t>(state.range(0))];
  CpuBackend backend(static_cast<int>(state.range(1)));
  Ppo<CpuBackend> learner(backend, request_for(hidden), {kSamples, kSamples, 1});
  const RandomRollout rollout;
  measure(state, backend, flops_of(hidden), [&] { learner.update(rollout.view()); });
}

void dnnl_update(benchmark::State& state) {
  const std::vector<int>& hidden = kNetworks[static_cast<std::size_t>(state.range(0))];
  const int threads = static_cast<int>(state.range(1));
  omp_set_num_threads(threads);
  DnnlUpdate update(hidden, state.range(2), threads);
  CpuBackend backend(threads);
  const RandomRollout rollout;
  measure(state, backend, flops_of(hidden), [&] { update.run(rollout.view()); });
}

BENCHMARK(own_update)
    ->ArgNames({"network", "threads"})
    ->ArgsProduct({{0, 1}, {1, 2}})
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(dnnl_update)
    ->ArgNames({"network", "threads", "chunk"})
    ->ArgsProduct({{0, 1}, {1, 2}, {512, 2048}})
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace stampede

BENCHMARK_MAIN();
