/// \file The CPU as a backend: sums, launches, tiles and gradients, the same bits for any number of threads.

#include "host/cpu/backend.hpp"

#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

const Index kLengths[] = {1, 15, 16, 17, 31, 33, 255, 257, 4097, 100000};

struct Values {
  const float* x;
  Index stride;
  template <class Real>
  STAMPEDE_FN void operator()(Index first, int column, Array<Real, 2>& out) const {
    out[0] = load<Real>(x + column * stride + first);
    out[1] = out[0] * out[0];
  }
};

TEST(CpuBackend, SumsLikeDoubleAndTheSameForAnyThreads) {
  const int columns = 5;
  for (const Index n : kLengths) {
    auto x = random_floats(columns * padded(n), -1, 2, 1);
    for (int c = 0; c < columns; ++c) {
      // Beyond the end lies what must not count.
      for (Index i = n; i < padded(n); ++i) x[c * padded(n) + i] = NAN;
    }
    std::vector<float> first;
    for (int threads = 1; threads <= 4; ++threads) {
      CpuBackend backend(threads);
      std::vector<float> sums(2 * columns);
      backend.sum<2>(n, columns, Values{x.data(), padded(n)}, sums.data());
      for (int c = 0; c < columns; ++c) {
        double want[2] = {}, size = 0;
        for (Index i = 0; i < n; ++i) {
          const double value = static_cast<double>(x[c * padded(n) + i]);
          want[0] += value;
          want[1] += value * value;
          size += std::fabs(value);
        }
        EXPECT_LE(std::fabs(static_cast<double>(sums[2 * c]) - want[0]), 1e-6 * size) << n;
        EXPECT_LE(std::fabs(static_cast<double>(sums[2 * c + 1]) - want[1]), 1e-6 * want[1]) << n;
      }
      if (first.empty()) first = sums;
      EXPECT_TRUE(same_bits(sums, first, 2 * columns)) << threads << " threads, " << n << " values";
    }
  }
}

struct Numbers {
  const std::uint32_t* x;
  Index stride;
  std::uint32_t operator()(Index i, int column) const { return x[column * stride + i]; }
};

/// Values of columns that lie one behind the other.
struct OwnLengths {
  const float* x;
  const Index* begin;

  Index elements(int column) const { return begin[column + 1] - begin[column]; }
  template <class Real>
  void operator()(Index first, int column, Array<Real, 2>& out) const {
    out[0] = load<Real>(x + begin[column] + first);
    out[1] = out[0] * out[0];
  }
};

TEST(CpuBackend, SumsOfColumnsOfTheirOwnLengths) {
  const Index begin[] = {0, 1, 1, 300, 20000, 20033};
  const auto x = random_floats(20033 + kMaxLanes, -1, 1, 9);
  for (const int threads : {1, 3}) {
    CpuBackend backend(threads);
    auto sums = floats(2 * 5), alone = floats(2);
    backend.sum_each<2>(20000, 5, OwnLengths{x.data(), begin}, sums.data());
    for (int column = 0; column < 5; ++column) {
      const Index n = begin[column + 1] - begin[column];
      backend.sum<2>(n, 1, OwnLengths{x.data(), begin + column}, alone.data());
      EXPECT_EQ(sums[2 * column], alone[0]) << column;
      EXPECT_EQ(sums[2 * column + 1], alone[1]) << column;
      double want = 0;
      for (Index i = begin[column]; i < begin[column + 1]; ++i) want += static_cast<double>(x[i]);
      EXPECT_NEAR(static_cast<double>(sums[2 * column]), want, 1e-3) << column;
    }
  }
}

TEST(CpuBackend, CountsToTheLastOne) {
  CpuBackend backend(2);
  std::vector<std::uint32_t> x(2 * 48, 0xffffffffu);
  x[17] = 5;
  for (Index i = 48; i < 96; ++i) x[static_cast<std::size_t>(i)] = (1u << 24) + 1;
  std::uint64_t out[2];
  backend.count(33, 2, Numbers{x.data(), 48}, out);
  EXPECT_EQ(out[0], 32 * std::uint64_t{0xffffffffu} + 5);
  EXPECT_EQ(out[1], 33 * ((std::uint64_t{1} << 24) + 1));
}

TEST(CpuBackend, MaximaOfWhatIsFinite) {
  const Index blocks = 70000, stride = 48;  // more blocks than a GPU's grid has in y
  const int rows = 2;
  for (const Index n : {Index{1}, Index{15}, Index{33}}) {
    CpuBackend backend(2);
    auto x = random_floats(blocks * rows * stride, -3, -1, 6);
    const auto at = [&](Index block, int row) { return x.data() + (block * rows + row) * stride; };
    at(0, 1)[0] = NAN, at(1, 0)[n - 1] = NAN, at(2, 0)[n / 2] = INFINITY, at(3, 1)[0] = -INFINITY;
    for (Index i = 0; i < n; ++i) at(4, 0)[i] = i % 2 == 0 ? NAN : INFINITY;
    for (Index block = 0; block < blocks; ++block) at(block, 0)[n] = 7.0f;  // beyond the end
    std::vector<float> out(static_cast<std::size_t>(blocks * 3), 9.0f);
    backend.row_maxima(x.data(), blocks, rows, stride, n, out.data(), 3);
    for (const Index block : {Index{0}, Index{1}, Index{2}, Index{3}, Index{4}, blocks - 1}) {
      for (int row = 0; row < rows; ++row) {
        float most = kNoMaximum;
        for (Index i = 0; i < n; ++i) {
          if (std::isfinite(at(block, row)[i])) most = std::max(most, at(block, row)[i]);
        }
        EXPECT_EQ(out[static_cast<std::size_t>(block * 3 + row)], most) << block << ", " << row;
      }
      EXPECT_EQ(out[static_cast<std::size_t>(block * 3 + 2)], 9.0f);
    }
  }
}

TEST(CpuBackend, CopiesBeyondTheEndAreRefused) {
  CpuBackend backend(1);
  auto buffer = backend.make_buffer<float>(5);
  std::vector<float> host(6);
  backend.upload(buffer, host.data(), 5);
  backend.download(buffer, host.data(), 0, 5);
  auto empty = backend.make_buffer<float>(0);
  backend.upload(empty, static_cast<const float*>(nullptr), 0);  // memcpy may not be asked this
  backend.download(empty, static_cast<float*>(nullptr), 0);
  const auto message = [&](const auto& copy) -> std::string {
    try {
      copy();
    } catch (const Error& error) {
      return error.what();
    }
    return "done";
  };
  EXPECT_EQ(message([&] { backend.upload(buffer, host.data(), 6); }),
            "upload of 6 elements at place 0 of an array that has 5");
  EXPECT_EQ(message([&] { backend.download(buffer, host.data(), 2, 4); }),
            "download of 2 elements at place 4 of an array that has 5");
  const volatile Index minus_one = -1;  // as a constant, the compiler warns of the copy that is refused
  EXPECT_NE(message([&] { backend.upload(buffer, host.data(), 1, minus_one); }), "done");
  EXPECT_NE(message([&] { backend.download(buffer, host.data(), minus_one); }), "done");
  EXPECT_NE(message([&] { backend.upload(buffer, host.data(), 1, 6); }), "done");
}

struct AddOne {
  float* x;
  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    store(x + first, load<Real>(x + first) + to_real<Real>(as_signed(lane_indices<Real>(first))) + Real(1.0f));
  }
};

TEST(CpuBackend, LaunchTouchesEveryElementOnce) {
  for (int threads = 1; threads <= 3; ++threads) {
    CpuBackend backend(threads);
    for (const Index n : kLengths) {
      auto x = backend.make_buffer<float>(n);
      backend.launch(n, AddOne{x.data()});
      std::vector<float> host(static_cast<std::size_t>(n));
      backend.download(x, host.data(), n);
      Index wrong = 0;
      for (Index i = 0; i < n; ++i) wrong += host[i] != static_cast<float>(i + 1);
      EXPECT_EQ(wrong, 0) << n;
    }
  }
}

TEST(CpuBackend, TilesCoverEverythingOnce) {
  for (int threads = 1; threads <= 4; ++threads) {
    CpuBackend backend(threads);
    for (const Index n : {16, 32, 48, 64, 112, 4096, 4112}) {
      std::vector<int> seen(static_cast<std::size_t>(n), 0);
      std::atomic<int> bad{0};
      backend.for_tiles(n, [&](const CpuBackend::Context& context, Range range) {
        const bool fits = range.begin % kMaxLanes == 0 && range.size() > 0 && range.size() <= CpuBackend::kRolloutTile;
        if (!fits || context.thread < 0 || context.thread >= threads) ++bad;
        for (Index i = range.begin; i < range.end; ++i) seen[i] += 1;
      });
      EXPECT_EQ(bad.load(), 0);
      EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), n);
    }
  }
}

TEST(CpuBackend, ScratchIsOnesOwn) {
  CpuBackend backend(3);
  CpuBackend::Scratch scratch(backend, 4096, 17);
  std::vector<float*> at;
  for (int thread = 0; thread < 3; ++thread) at.push_back(scratch.at({&backend, thread, 0, true}));
  for (int thread = 0; thread < 2; ++thread) EXPECT_GE(at[thread + 1] - at[thread], kTrainingTile * 17);
}

TEST(CpuBackend, GradientsAddUpTheSameForAnyThreads) {
  const Index parameters = 33;
  for (const Index samples : {1, 95, 96, 97, 4097}) {
    const auto x = random_floats(samples * parameters, -1, 1, 2);
    std::vector<float> first;
    for (int threads = 1; threads <= 4; ++threads) {
      CpuBackend backend(threads);
      CpuBackend::Gradient gradient(backend, parameters, samples);
      std::vector<int> seen(static_cast<std::size_t>(samples), 0);
      for (int round = 0; round < 2; ++round) {  // the second must not add to the first
        backend.for_samples(samples, gradient, [&](const CpuBackend::Context& context, Range range) {
          float* sum = gradient.of(context);
          if (context.first) std::fill_n(sum, parameters, 0.0f);
          for (Index i = range.begin; i < range.end; ++i) {
            seen[i] += 1;
            for (Index p = 0; p < parameters; ++p) sum[p] += x[i * parameters + p];
          }
        });
        gradient.collect(backend, samples);
      }
      EXPECT_EQ(std::count(seen.begin(), seen.end(), 2), samples);
      const std::vector<float> total = gradient.read(backend);
      for (Index p = 0; p < parameters; ++p) {
        double want = 0, size = 0;
        for (Index i = 0; i < samples; ++i) {
          want += static_cast<double>(x[i * parameters + p]);
          size += std::fabs(static_cast<double>(x[i * parameters + p]));
        }
        ASSERT_LE(std::fabs(static_cast<double>(total[p]) - want), 2e-6 * size);
      }
      if (first.empty()) first = total;
      EXPECT_TRUE(same_bits(total, first, parameters)) << threads << " threads, " << samples << " samples";
    }
  }
}

TEST(CpuBackend, LargeNetworksLearnInLargerTilesWhateverTheThreads) {
  const Index parameters = 140000, samples = 32 * kTrainingTile + 5;
  std::vector<float> first;
  for (const int threads : {1, 2, 3}) {
    CpuBackend backend(threads);
    CpuBackend::Gradient gradient(backend, parameters, samples);
    ASSERT_EQ(gradient.tile(), kTrainingTile);
    std::vector<int> seen(samples, 0);
    backend.for_samples(samples, gradient, [&](const CpuBackend::Context& context, Range range) {
      EXPECT_LE(range.size(), kTrainingTile);
      float* sum = gradient.of(context);
      if (context.first) sum[7] = 0.0f;
      for (Index i = range.begin; i < range.end; ++i) {
        seen[i] += 1;
        sum[7] += 1.0f / static_cast<float>(i + 1);
      }
    });
    gradient.collect(backend, samples);
    EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), samples);
    const std::vector<float> total = gradient.read(backend);
    if (first.empty()) first = total;
    EXPECT_EQ(total[7], first[7]);
  }
}

TEST(CpuBackend, FewerSamplesThanTheGradientIsMadeFor) {
  // The last minibatch may be smaller; slabs that it does not fill hold an older gradient.
  CpuBackend backend(2);
  CpuBackend::Gradient gradient(backend, 16, 1000);
  for (const Index samples : {1000, 96, 1}) {
    backend.for_samples(samples, gradient, [&](const CpuBackend::Context& context, Range range) {
      float* sum = gradient.of(context);
      for (int p = 0; p < 16; ++p) sum[p] = (context.first ? 0.0f : sum[p]) + static_cast<float>(range.size());
    });
    gradient.collect(backend, samples);
    EXPECT_EQ(gradient.total()[15], static_cast<float>(samples));
  }
}

TEST(CpuBackend, AllThreadsAtTheSameTime) {
  CpuBackend backend(3);
  std::vector<int> calls(3, 0);
  backend.on_all_threads([&](int thread) { calls[thread] += 1; });
  EXPECT_EQ(calls, (std::vector<int>{1, 1, 1}));
}

TEST(CpuBackend, FlagsAreFound) {
  CpuBackend backend(1);
  const CpuBackend::Context context{&backend, 0, 0, true};
  auto flags = floats(64);
  EXPECT_FALSE(context.any_set(flags.data(), {0, 64}));
  flags[33] = 2.0f;
  EXPECT_TRUE(context.any_set(flags.data(), {32, 48}));
  EXPECT_FALSE(context.any_set(flags.data(), {48, 64}));
}

TEST(HostBuffer, ZeroAlignedMovable) {
  for (const Index n : {1, 17, 600000}) {  // the last asks for huge pages
    HostBuffer<float> a(n);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a.data()) % 64, 0u);
    for (Index i = 0; i < padded(n); ++i) ASSERT_EQ(a.data()[i], 0.0f);
    a.data()[n - 1] = 3.0f;
    HostBuffer<float> b(std::move(a));
    EXPECT_EQ(b.size(), n);
    EXPECT_EQ(b.data()[n - 1], 3.0f);
    HostBuffer<float> c;
    c = std::move(b);
    EXPECT_EQ(c.data()[n - 1], 3.0f);
  }
}

}  // namespace
}  // namespace stampede::testing
