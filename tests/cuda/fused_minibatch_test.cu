/// \file A minibatch of two small networks in two launches against the same layer by layer.
#include "cuda/fused_minibatch.cuh"
#include "tests/cuda/testing.cuh"

namespace stampede::testing {
namespace {

constexpr Index kMostShared = 227 * 1024;  // of a block on compute capability 9.0 and 10.0

/// What a minibatch's loss and inputs are like.
struct Kind {
  std::vector<int> actor, critic;  ///< sizes; no critic where empty
  Activation activation = Activation::kElu;
  bool mirrored = false, clipped = true, scaled = true;
};

class FusedMinibatch : public GpuTest {
 protected:
  void SetUp() override {
    GpuTest::SetUp();
    if (IsSkipped()) return;
    const Index most = cuda::most_shared_bytes();
    if (most < kMostShared) GTEST_SKIP() << "a block may have no more than " << most << " bytes of shared memory";
  }

  static constexpr Index kRollout = 5000;
  static constexpr float kEntropyCoefficient = 0.25f;

  /// Networks, a rollout and the order of a minibatch, on the device.
  struct Made {
    Kind kind;
    int actions;
    CudaMlp actor;
    std::unique_ptr<CudaMlp> critic;
    DeviceBuffer<float> parameters, seen, seen_by_critic, mean, inverse, critic_mean, critic_inverse, sign;
    DeviceBuffer<float> output, old_mean, old_log_std, log_prob, advantage, returns, value;
    DeviceBuffer<std::uint32_t> order, place;
    DeviceBuffer<Control> control;
    DeviceBuffer<AdvantageScale> scale;
    DeviceBuffer<float> rows, critic_rows, columns, sums, advantage_sums;
    CudaBackend::Gradient gradient;
    Index most;

    Made(CudaBackend& backend, const Kind& of, Index most_samples)
        : kind(of),
          actions(of.actor.back()),
          actor(backend, of.actor, of.activation, padded(actions), padded(most_samples)),
          most(most_samples) {
      Index end = actor.parameters().end;
      if (!of.critic.empty()) {
        critic = std::make_unique<CudaMlp>(backend, of.critic, of.activation, end, padded(most));
        end = critic->parameters().end;
      }
      DevicePlace device(backend);
      std::vector<float> values = zeros(end);
      const std::vector<float> log_std = random_floats(actions, -0.6f, 0.3f, 70);
      std::copy(log_std.begin(), log_std.end(), values.begin());
      write(actor, of.actor, 0, values);
      if (critic) write(*critic, of.critic, 20, values);
      parameters = device.array(values);
      const Index features = of.actor.front(), of_critic = of.critic.empty() ? 1 : of.critic.front();
      seen = device.array(random_floats(kRollout * features, -3, 3, 5));
      seen_by_critic = device.array(random_floats(kRollout * of_critic, -3, 3, 50));
      mean = device.array(random_floats(padded(features), -1, 1, 6));
      inverse = device.array(random_floats(padded(features), 0.5f, 2, 7));
      critic_mean = device.array(random_floats(padded(of_critic), -1, 1, 60));
      critic_inverse = device.array(random_floats(padded(of_critic), 0.5f, 2, 61));
      std::vector<std::uint32_t> places(static_cast<std::size_t>(padded(std::max<Index>(features, actions))));
      for (std::size_t i = 0; i < places.size(); ++i) {
        places[i] = i < 2 ? static_cast<std::uint32_t>(1 - i) : static_cast<std::uint32_t>(i);
      }
      if (actions < 2 || features < 2) places[0] = 0;
      place = device.array(places);
      sign = device.array(random_floats(static_cast<Index>(places.size()), -1, 1, 8));
      output = device.array(random_floats(kRollout * actions, -0.5f, 0.5f, 9));
      old_mean = device.array(random_floats(kRollout * actions, -1, 1, 10));
      old_log_std = device.array(random_floats(actions, -0.5f, 0.5f, 11));
      // Such that some of the ratios of probabilities are within the clip's range, some beyond it, and none is large.
      const auto each = static_cast<float>(actions);
      log_prob = device.array(random_floats(kRollout, -1.6f * each, -1.1f * each, 12));
      advantage = device.array(random_floats(kRollout, -3, 3, 13));
      returns = device.array(random_floats(kRollout, -5, 5, 14));
      value = device.array(random_floats(kRollout, -5, 5, 15));
      std::vector<std::uint32_t> picked(static_cast<std::size_t>(most));
      std::mt19937 generator(16);
      for (std::uint32_t& row : picked) row = generator() % kRollout;
      order = device.array(picked);
      Control start{};
      start.values = {100.0f, 0.5f, 4.0f};
      control = device.array(std::vector<Control>{start});
      scale = DeviceBuffer<AdvantageScale>(1);
      advantage_sums = device.array(std::vector<float>{10.0f, 204.0f, 0.5f});  // and what they are about
      rows = DeviceBuffer<float>(most * padded(features));
      critic_rows = DeviceBuffer<float>(most * padded(of_critic));
      columns = DeviceBuffer<float>((kLossColumns + actions) * padded(most));
      sums = DeviceBuffer<float>(padded(kLossColumns + actions));
      gradient = CudaBackend::Gradient(backend, end, most);
      backend.reserve_sums(static_cast<int>(kLossColumns) + actions);
      CudaMlp::reserve_for_learning(actor, critic.get(), gradient);
    }

    static void write(const CudaMlp& mlp, const std::vector<int>& sizes, unsigned seed, std::vector<float>& values) {
      std::vector<DenseLayer> layers;
      for (std::size_t l = 0; l + 1 < sizes.size(); ++l) {
        const float spread = 1.5f / std::sqrt(static_cast<float>(sizes[l]));
        const unsigned own = seed + static_cast<unsigned>(l);
        layers.push_back({sizes[l], sizes[l + 1],
                          random_floats(Index{sizes[l]} * sizes[l + 1], -spread, spread, 100 + own),
                          random_floats(sizes[l + 1], -0.5f, 0.5f, 140 + own)});
      }
      mlp.write(layers, values.data());
    }

    MirrorView mirror() {
      if (!kind.mirrored) return {};
      return {place.data(), sign.data(), Pass{control.data(), 1, 5}, 0};
    }
    NormaliseRows actor_input() {
      return {seen.data(),    order.data(),           mean.data(), inverse.data(), rows.data(),
              actor.inputs(), padded(actor.inputs()), 2.0f,        mirror()};
    }
    /// The critic's mirror images are another matter, and not made here.
    NormaliseRows critic_input() {
      if (!critic) return actor_input();
      return {seen_by_critic.data(), order.data(),     critic_mean.data(),       critic_inverse.data(),
              critic_rows.data(),    critic->inputs(), padded(critic->inputs()), 2.0f};
    }
    PpoLoss loss(Index samples) {
      PpoLoss of{};
      of.order = order.data();
      of.rows = samples;
      of.actions = actions;
      of.output = output.data();
      of.old_mean = old_mean.data();
      of.old_log_std = old_log_std.data();
      of.log_prob = log_prob.data();
      of.advantage = advantage.data();
      of.returns = returns.data();
      of.value = value.data();
      of.log_std = parameters.data();
      of.control = control.data();
      of.advantage_scale = kind.scaled ? scale.data() : nullptr;
      of.count = 1.0f;  // weights of 1, so that the tolerances mean something
      of.surrogate = kind.clipped ? Surrogate::kClippedRatio : Surrogate::kLogProb;
      of.clip_ratio = 0.2f;
      of.value_coefficient = 0.5f;
      of.clip_value = kind.clipped;
      of.mirror = mirror();
      return of;
    }
    ScaleAdvantages scaling(AdvantageScale* to) {
      return {advantage_sums.data(), advantage_sums.data() + 2, 100.0f, to};
    }
    bool fits() const { return actor.learns_at_once() && (!critic || critic->learns_at_once()); }

    /// The gradient, and behind it the sums of the loss's columns.
    std::vector<float> result(CudaBackend& backend) {
      return joined(gradient.read(backend), DevicePlace(backend).read(sums, kLossColumns + actions));
    }
    std::vector<float> at_once(CudaBackend& backend, Index samples, const StepPreparation& preparation = {}) {
      CudaBackend::Minibatch minibatch{};
      minibatch.input[0] = actor_input();
      minibatch.input[1] = critic_input();
      minibatch.loss = loss(samples);
      minibatch.scale = scaling(nullptr);
      minibatch.entropy_coefficient = kEntropyCoefficient;
      minibatch.samples = samples;
      minibatch.parameters = parameters.data();
      minibatch.gradient = gradient.total();
      minibatch.parts = gradient.parts();
      minibatch.sums = sums.data();
      minibatch.preparation = preparation;
      minibatch.squares = gradient.squares();
      minibatch.arrived = gradient.arrived();
      CudaMlp::learn_at_once({&backend}, actor, critic.get(), minibatch);
      return result(backend);
    }
    std::vector<float> by_layers(CudaBackend& backend, Index samples) {
      const CudaBackend::Context context{&backend};
      const NormaliseRows input = actor_input(), of_critic = critic_input();
      context.launch({0, samples * input.stride}, input);
      PpoLoss own = loss(samples);
      own.mean = actor.forward(context, parameters.data(), rows.data(), input.stride, samples);
      own.mean_gradient = actor.output_gradient(context);
      own.mean_stride = actor.output_stride();
      if (critic) {
        context.launch({0, samples * of_critic.stride}, of_critic);
        own.critic = critic->forward(context, parameters.data(), critic_rows.data(), of_critic.stride, samples);
        own.critic_gradient = critic->output_gradient(context);
        own.critic_stride = critic->output_stride();
      }
      own.columns = columns.data();
      own.column_stride = padded(most);
      backend.launch_single(scaling(scale.data()));
      context.launch({0, samples}, own);
      actor.backward(context, parameters.data(), rows.data(), input.stride, samples, gradient.total());
      if (critic) {
        critic->backward(context, parameters.data(), critic_rows.data(), of_critic.stride, samples, gradient.total());
      }
      backend.sum<1>(samples, static_cast<int>(kLossColumns) + actions, ColumnValues{columns.data(), padded(most)},
                     sums.data());
      backend.launch_single(LogStdGradient{sums.data(), gradient.total(), actions, kEntropyCoefficient});
      return result(backend);
    }
  };

  void expect_agreement(const Kind& kind, const std::vector<Index>& sizes) {
    Made made(backend(), kind, *std::max_element(sizes.begin(), sizes.end()));
    ASSERT_TRUE(made.fits());
    for (const Index samples : sizes) {
      SCOPED_TRACE(samples);
      const std::vector<float> got = made.at_once(backend(), samples), want = made.by_layers(backend(), samples);
      EXPECT_LT(relative_error(got, want), 2e-6);
      // A number may be a small difference of large terms: those of a hundredth of the largest number.
      double largest = 0;
      for (const float x : want) largest = std::fmax(largest, std::fabs(static_cast<double>(x)));
      EXPECT_GT(largest, 0);
      EXPECT_TRUE(close(got, want, 2e-5, largest / 100));
    }
  }
};

const Kind kWalking = {{45, 128, 64, 32, 12}, {58, 128, 64, 32, 1}};

TEST_F(FusedMinibatch, GivesTheGradientOfTheLayersOneByOne) {
  expect_agreement(kWalking, {1, 31, 32, 33, 63, 64, 65, 700});
  for (const Activation activation : {Activation::kElu, Activation::kTanh, Activation::kRelu}) {
    SCOPED_TRACE(static_cast<int>(activation));
    expect_agreement({{7, 33, 17, 3}, {5, 20, 1}, activation}, {1, 31, 32, 33, 129});
  }
}

TEST_F(FusedMinibatch, SlowGivesIt) {  // more tiles than blocks
  expect_agreement({{7, 33, 17, 3}, {5, 20, 1}}, {4097, 4224, 4225, 8500});
  expect_agreement(kWalking, {4097});
}

TEST_F(FusedMinibatch, GivesItForOtherShapesAndLosses) {
  expect_agreement({{3, 1}, {4, 1}}, {65});
  expect_agreement({{5, 20, 19, 18, 17, 16, 6}, {6, 130, 31, 1}}, {65});
  expect_agreement({{90, 70, 2}, {3, 300, 1}}, {65});
  Kind kind = {{7, 33, 17, 3}, {5, 20, 1}};
  kind.mirrored = true;
  expect_agreement(kind, {129});
  kind.clipped = false;
  expect_agreement(kind, {129});
  kind.scaled = false;
  expect_agreement(kind, {129});
  kind.critic.clear();
  expect_agreement(kind, {1, 129});
}

TEST_F(FusedMinibatch, NothingIsLeftOfTheMinibatchBefore) {
  Made made(backend(), kWalking, 400);
  const std::vector<float> small = made.at_once(backend(), 33), large = made.at_once(backend(), 400);
  EXPECT_TRUE(same_bits(made.at_once(backend(), 33), small));
  EXPECT_TRUE(same_bits(made.at_once(backend(), 400), large));
  EXPECT_FALSE(same_bits(small, large));
}

/// The gradient's norm, and what the optimiser's step begins with, against the same in double precision and by the host;
/// again and again, as what the blocks count by must be 0 each time.
TEST_F(FusedMinibatch, PreparesTheStep) {
  Kind without = {{7, 33, 17, 3}, {}};
  for (const Kind& kind : {kWalking, without}) {
    Made made(backend(), kind, 400);
    ASSERT_TRUE(made.fits());
    DevicePlace place(backend());
    Control control{};
    control.learning_rate = 1e-3f;
    control.minibatches = 1;
    control.beta1_power = control.beta2_power = 1.0f;
    float first = 0;
    for (const Index samples : {400, 400, 33}) {
      SCOPED_TRACE(samples);
      auto device = place.array(std::vector<Control>{control});
      DeviceBuffer<float> norm(1);
      const auto prepare = [&](Control* of, const float* sums, const float* squared_norm) {
        return PrepareStep{of, sums, squared_norm, 0.5f, Schedule::kAdaptive, 0.01f};
      };
      const std::vector<float> got =
          made.at_once(backend(), samples, {norm.data(), prepare(device.data(), made.sums.data(), norm.data())});
      EXPECT_TRUE(same_bits(got, made.at_once(backend(), samples)));
      const std::size_t parameters = got.size() - static_cast<std::size_t>(kLossColumns + made.actions);
      double squares = 0;
      for (std::size_t i = 0; i < parameters; ++i) squares += static_cast<double>(got[i]) * static_cast<double>(got[i]);
      const float squared_norm = place.read(norm, 1)[0];
      EXPECT_GT(squares, 0.25);  // so it is clipped
      EXPECT_NEAR(static_cast<double>(squared_norm) / squares, 1.0, 1e-6);
      EXPECT_TRUE(samples != 400 || first == 0 || squared_norm == first);
      if (samples == 400) first = squared_norm;
      Control want = control;
      prepare(&want, got.data() + parameters, &squared_norm)();
      const Control is = place.read(device, 1)[0];
      EXPECT_EQ(is.minibatches, 2u);
      EXPECT_EQ(is.learning_rate, want.learning_rate);
      EXPECT_NE(is.learning_rate, control.learning_rate);
      EXPECT_EQ(is.beta2_power, want.beta2_power);
      EXPECT_NEAR(is.gradient_scale, want.gradient_scale, 1e-6f * want.gradient_scale);
      EXPECT_NEAR(is.gradient_norm, want.gradient_norm, 1e-6f * want.gradient_norm);
      EXPECT_EQ(is.kl, want.kl);
      EXPECT_EQ(is.policy_loss, want.policy_loss);
      EXPECT_EQ(is.value_loss, want.value_loss);
      EXPECT_EQ(is.clip_fraction, want.clip_fraction);
    }
  }
}

TEST_F(FusedMinibatch, WhatDoesNotFitIsRefused) {
  const auto fits = [&](const std::vector<int>& sizes, Index bytes, Activation activation = Activation::kElu) {
    const CudaMlp mlp(backend(), sizes, activation, 16, 16);
    const cuda::FusedNetwork network = cuda::FusedNetwork::of(mlp.layouts(), activation, mlp.parameters(), bytes);
    EXPECT_LE(network.bytes(), bytes);
    return network.layers > 0;
  };
  for (const std::vector<int>& sizes : {kWalking.actor, kWalking.critic}) {
    EXPECT_TRUE(fits(sizes, kMostShared));
    EXPECT_FALSE(fits(sizes, 163 * 1024));  // of compute capability 8.0
    EXPECT_FALSE(fits(sizes, kMostShared, Activation::kSilu));
  }
  EXPECT_FALSE(fits({100, 128, 64, 32, 12}, kMostShared));
  EXPECT_FALSE(fits({45, 512, 256, 128, 12}, kMostShared));
  EXPECT_TRUE(fits({5, 9, 9, 9, 9, 9, 9}, kMostShared));
  EXPECT_FALSE(fits({5, 9, 9, 9, 9, 9, 9, 9}, kMostShared));
  // To the byte.
  const CudaMlp mlp(backend(), kWalking.actor, Activation::kElu, 16, 16);
  const Index bytes = cuda::FusedNetwork::of(mlp.layouts(), Activation::kElu, mlp.parameters(), kMostShared).bytes();
  EXPECT_TRUE(fits(kWalking.actor, bytes));
  EXPECT_FALSE(fits(kWalking.actor, bytes - 1));
}

/// Of each network's 192 tiles at most three go to a block, as to the most blocks that there may be.
TEST_F(FusedMinibatch, AsFewBlocksAsTakeNoLonger) {
  EXPECT_EQ(cuda::FusedNetwork::blocks(12288, 66), 64u);
  EXPECT_EQ(cuda::FusedNetwork::blocks(1, 66), 1u);
  EXPECT_EQ(cuda::FusedNetwork::blocks(66 * 64, 66), 66u);
  EXPECT_EQ(cuda::FusedNetwork::blocks(66 * 64 + 1, 66), 34u);
}

}  // namespace
}  // namespace stampede::testing
