/// \file Small networks in one launch against the same networks layer by layer.
#include "host/nets/network.hpp"
#include "kernels/policy.hpp"
#include "tests/cuda/testing.cuh"

namespace stampede::testing {
namespace {

/// Keeps the outputs.
struct KeepOutputs {
  const float* outputs;
  Index stride, base;
  int count;
  float* to;  ///< [element][count]

  STAMPEDE_FN void reads(const float* from, Index from_stride, Index first) {
    outputs = from;
    stride = from_stride;
    base = first;
  }
  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    for (int i = 0; i < count; ++i) to[first * count + i] = outputs[(first - base) * stride + i];
  }
};

class SmallNetwork : public GpuTest {
 protected:
  /// A network and what it is applied to.
  struct Made {
    std::vector<int> sizes;
    CudaMlp mlp;
    DeviceBuffer<float> parameters, observation, mean, inverse, rows;
    Index features, stride;

    Made(CudaBackend& backend, const std::vector<int>& layers, Activation kind, Index most)
        : sizes(layers),
          mlp(backend, layers, kind, 16, padded(most)),
          rows(most * padded(layers.front())),
          features(layers.front()),
          stride(padded(layers.front())) {
      DevicePlace place(backend);
      std::vector<float> values = zeros(mlp.parameters().end);
      std::vector<DenseLayer> dense;
      for (std::size_t l = 0; l + 1 < layers.size(); ++l) {
        const float spread = 1.5f / std::sqrt(static_cast<float>(layers[l]));
        dense.push_back({layers[l], layers[l + 1],
                         random_floats(Index{layers[l]} * layers[l + 1], -spread, spread, static_cast<unsigned>(l)),
                         random_floats(layers[l + 1], -0.5f, 0.5f, 40 + static_cast<unsigned>(l))});
      }
      mlp.write(dense, values.data());
      parameters = place.array(values);
      observation = place.array(random_floats(most * features, -3, 3, 5));
      mean = place.array(random_floats(stride, -1, 1, 6));
      inverse = place.array(random_floats(stride, 0.5f, 2, 7));
    }
    NormaliseRows input(Index first) {
      return {observation.data() + first * features,
              nullptr,
              mean.data(),
              inverse.data(),
              rows.data(),
              features,
              stride,
              2.0f};
    }
    template <class Tail>
    void at_once(CudaBackend& backend, Range range, const Tail& tail) {
      mlp.run_at_once({&backend}, parameters.data(), input(range.begin), range, tail);
    }
    template <class Tail>
    void by_layers(CudaBackend& backend, Range range, Tail tail) {
      const CudaBackend::Context context{&backend};
      context.launch({0, range.size() * stride}, input(range.begin));
      tail.reads(mlp.forward(context, parameters.data(), rows.data(), stride, range.size()), mlp.output_stride(),
                 range.begin);
      context.launch(range, tail);
    }
  };

  /// The emulated device adds in the same order, for as many inputs as one piece of its products has; a GPU's products
  /// and the contraction of other builds may round otherwise.
  static ::testing::AssertionResult agree(const std::vector<float>& got, const std::vector<float>& want, int widest) {
#if defined(STAMPEDE_PARITY) && defined(CUDA_EMULATOR)
    if (widest <= 128) return same_bits(got, want);
#endif
    static_cast<void>(widest);
    return close(got, want, 2e-5);
  }
};

TEST_F(SmallNetwork, GivesWhatItsLayersGiveOneByOne) {
  for (const std::vector<int>& sizes : {std::vector<int>{48, 128, 64, 32, 12},
                                        {45, 33, 17, 1},
                                        {3, 7, 2},
                                        {4, 3},
                                        {5, 20, 19, 18, 17, 16, 6},
                                        {129, 36, 1}}) {
    for (const Activation kind : {Activation::kElu, Activation::kTanh, Activation::kRelu, Activation::kSilu}) {
      if (kind != Activation::kElu && sizes.size() > 4) continue;
      SCOPED_TRACE(std::to_string(sizes.size() - 1) + " layers, activation " + std::to_string(static_cast<int>(kind)));
      for (const Index rows : {1, 31, 32, 33, 161}) {
        Made made(backend(), sizes, kind, rows);
        ASSERT_TRUE(made.mlp.fits_one_launch());
        const auto outputs = [&](bool at_once) {
          DeviceBuffer<float> to(rows * sizes.back());
          const KeepOutputs keep{nullptr, 0, 0, sizes.back(), to.data()};
          // Two ranges, of which the second begins within a pack.
          for (const Range range : {Range{0, rows / 2}, Range{rows / 2, rows}}) {
            if (at_once) made.at_once(backend(), range, keep);
            if (!at_once && range.size() > 0) made.by_layers(backend(), range, keep);
          }
          return DevicePlace(backend()).read(to, rows * sizes.back());
        };
        EXPECT_TRUE(agree(outputs(true), outputs(false), *std::max_element(sizes.begin(), sizes.end() - 1))) << rows;
      }
    }
  }
}

/// More tiles than there are blocks.
TEST_F(SmallNetwork, BlocksTakeTileAfterTile) {
  constexpr Index kRows = Index{cuda::SmallNetwork::kMostBlocks} * cuda::SmallNetwork::kRows + 50;
  Made made(backend(), {2, 3, 1}, Activation::kTanh, kRows);
  DeviceBuffer<float> one(kRows), other(kRows);
  made.at_once(backend(), {0, kRows}, KeepOutputs{nullptr, 0, 0, 1, one.data()});
  made.by_layers(backend(), {0, kRows}, KeepOutputs{nullptr, 0, 0, 1, other.data()});
  DevicePlace place(backend());
  EXPECT_TRUE(agree(place.read(one, kRows), place.read(other, kRows), 3));
}

/// Drawn by several threads for each environment, actions are those that one thread draws.
TEST_F(SmallNetwork, DrawsTheSameActions) {
  for (const int actions : {1, 2, 5, 12}) {
    for (const Index rows : {Index{33}, Index{150}}) {
      Made made(backend(), {9, 16, actions}, Activation::kElu, rows);
      DevicePlace place(backend());
      const auto draw = [&](bool at_once) {
        auto log_std = place.array(random_floats(actions, -1, 0.5f, 8)), zero = place.array(zeros(actions));
        auto one = place.array(std::vector<float>(static_cast<std::size_t>(actions), 1.0f));
        auto low = place.array(std::vector<float>(static_cast<std::size_t>(actions), -0.7f));
        Control now{};
        now.clock = 77;
        auto control = place.array(std::vector<Control>{now});
        auto output = place.array(zeros(rows * actions)), action = place.array(zeros(rows * actions));
        auto kept = place.array(zeros(rows * actions)), log_prob = place.array(zeros(rows));
        const SampleActions sample{nullptr,
                                   0,
                                   0,
                                   log_std.data(),
                                   actions,
                                   11,
                                   control.data(),
                                   3,
                                   {zero.data(), one.data(), low.data(), one.data()},
                                   output.data(),
                                   action.data(),
                                   log_prob.data(),
                                   kept.data(),
                                   1000};
        if (at_once) {
          made.at_once(backend(), {0, rows}, sample);
        } else {
          made.by_layers(backend(), {0, rows}, sample);
        }
        return joined(joined(place.read(output, rows * actions), place.read(action, rows * actions)),
                      joined(place.read(kept, rows * actions), place.read(log_prob, rows)));
      };
      EXPECT_TRUE(agree(draw(true), draw(false), 16)) << actions << " actions, " << rows << " rows";
    }
  }
}

/// By sizes alone: what a block of every GPU since sm_80 has room for.
TEST_F(SmallNetwork, IsSmallByARuleThatKnowsSizesOnly) {
  const auto fits = [&](const std::vector<int>& sizes) {
    return CudaMlp(backend(), sizes, Activation::kElu, 0, 16).fits_one_launch();
  };
  EXPECT_TRUE(fits({48, 128, 64, 32, 12}));
  EXPECT_TRUE(fits({58, 128, 64, 32, 1}));
  EXPECT_TRUE(fits({4, 3}));
  EXPECT_FALSE(fits({48, 512, 256, 128, 12}));
  EXPECT_FALSE(fits({48, 8, 8, 8, 8, 8, 8, 12})) << "seven layers";
  // 4 bytes x (100 x (inputs + 1) + 36 x (inputs + 100)), against 99 KiB.
  EXPECT_TRUE(fits({159, 100}));
  EXPECT_FALSE(fits({160, 100}));
}

}  // namespace
}  // namespace stampede::testing
