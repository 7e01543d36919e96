/// \file The GPU as a backend: memory, launches, sums, recorded work, reports.
#include <thrust/execution_policy.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/reduce.h>
#include <thrust/sort.h>

#include <algorithm>
#include <limits>

#include "kernels/ppo.hpp"
#include "tests/cuda/testing.cuh"

namespace stampede::testing {
namespace {

/// x[i] += i + 1.
struct AddIndex {
  float* x;
  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    store(x + first, load<Real>(x + first) + Real(static_cast<float>(first + 1)));
  }
};

struct AddOne {
  float* x;
  STAMPEDE_FN void operator()() const { *x += 1.0f; }
};

/// Column c: x and x^2 of the elements of array c.
struct Powers {
  const float* x;
  Index stride;
  template <class Real>
  STAMPEDE_FN void operator()(Index first, int column, Array<Real, 2>& out) const {
    out[0] = load<Real>(x + column * stride + first);
    out[1] = out[0] * out[0];
  }
};

class Backend : public GpuTest {};

TEST_F(Backend, BuffersAreZeroedWithAPackBehindTheLastElement) {
  for (const Index n : kSizes) {
    const DeviceBuffer<float> buffer(n);
    const std::vector<float> values = DevicePlace(backend()).read_beyond(buffer, padded(n) + kMaxLanes);
    EXPECT_TRUE(same_bits(values, zeros(padded(n) + kMaxLanes))) << n;
  }
}

TEST_F(Backend, UploadsAndDownloadsParts) {
  DeviceBuffer<float> buffer(100);
  const std::vector<float> part = {1, 2, 3};
  backend().upload(buffer, part.data(), 3, 40);
  std::vector<float> back(5, -1.0f);
  backend().download(buffer, back.data(), 5, 39);
  EXPECT_EQ(back, (std::vector<float>{0, 1, 2, 3, 0}));
  DeviceBuffer<float> moved = std::move(buffer);
  backend().download(moved, back.data(), 3, 40);
  EXPECT_EQ(back, (std::vector<float>{1, 2, 3, 3, 0}));
}

TEST_F(Backend, SaysInOneLineThatMemoryIsShort) {
  try {
    const DeviceBuffer<float> buffer(Index{1} << 50);
    FAIL() << "4 PiB were allocated";
  } catch (const OutOfMemory& error) {
    EXPECT_NE(std::string(error.what()).find("no room"), std::string::npos) << error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
  }
  // The failure is over and done with: nothing later reports it again.
  DeviceBuffer<float> buffer(1);
  backend().launch(1, AddIndex{buffer.data()});
  backend().synchronise();
}

TEST_F(Backend, LaunchesEveryElementOnceAndNoneBeyond) {
  for (const Index n : kSizes) {
    DeviceBuffer<float> buffer(n);
    backend().launch(n, AddIndex{buffer.data()});
    const Index half = n / 2;
    CudaBackend::Context{&backend()}.launch({half, n}, AddIndex{buffer.data()});
    std::vector<float> want = zeros(n + kMaxLanes);
    for (Index i = 0; i < n; ++i) want[static_cast<std::size_t>(i)] = static_cast<float>((i + 1) * (i < half ? 1 : 2));
    EXPECT_TRUE(same_bits(DevicePlace(backend()).read_beyond(buffer, n + kMaxLanes), want)) << n;
  }
}

TEST_F(Backend, SumsInAFixedOrder) {
  constexpr int kColumns = 3;
  for (const Index n : {Index{1}, Index{31}, Index{32}, Index{33}, Index{4097}, Index{1000003}}) {
    const Index stride = padded(n);
    const std::vector<float> values = random_floats(kColumns * stride, -1.0f, 2.0f, 7);
    DevicePlace place(backend());
    const DeviceBuffer<float> x = place.array(values);
    DeviceBuffer<float> out(2 * kColumns), again(2 * kColumns);
    backend().sum<2>(n, kColumns, Powers{x.data(), stride}, out.data());
    backend().sum<2>(n, kColumns, Powers{x.data(), stride}, again.data());
    const std::vector<float> got = place.read(out, 2 * kColumns);
    EXPECT_TRUE(same_bits(got, place.read(again, 2 * kColumns)));
    std::vector<double> want(2 * kColumns, 0.0);
    for (std::size_t c = 0; c < kColumns; ++c) {
      for (Index i = 0; i < n; ++i) {
        const double value =
            static_cast<double>(values[c * static_cast<std::size_t>(stride) + static_cast<std::size_t>(i)]);
        want[2 * c] += value;
        want[2 * c + 1] += value * value;
      }
    }
    EXPECT_TRUE(close(got, want, 2e-6, 1e-3)) << n;
    const float thrust_sum = thrust::reduce(thrust::device, x.data(), x.data() + n, 0.0f);
    EXPECT_NEAR(thrust_sum, got[0], 1e-4 * static_cast<double>(n)) << n;
  }
}

/// Values of columns that lie one behind the other, the begins in device memory.
struct OwnLengths {
  const float* x;
  const Index* begin;

  STAMPEDE_FN Index elements(int column) const { return begin[column + 1] - begin[column]; }
  template <class Real>
  STAMPEDE_FN void operator()(Index first, int column, Array<Real, 2>& out) const {
    out[0] = x[begin[column] + first];
    out[1] = out[0] * out[0];
  }
};

TEST_F(Backend, SumsOfColumnsOfTheirOwnLengths) {
  constexpr int kColumns = 5;
  const std::vector<Index> begin = {0, 1, 1, 300, 20000, 20033};
  const std::vector<float> values = random_floats(begin.back(), -1.0f, 2.0f, 9);
  DevicePlace place(backend());
  const DeviceBuffer<float> x = place.array(values);
  const DeviceBuffer<Index> begins = place.array(begin);
  DeviceBuffer<float> out(2 * kColumns), again(2 * kColumns);
  const OwnLengths functor{x.data(), begins.data()};
  backend().sum_each<2>(20000 - 300, kColumns, functor, out.data());
  backend().sum_each<2>(20000 - 300, kColumns, functor, again.data());
  const std::vector<float> got = place.read(out, 2 * kColumns);
  EXPECT_TRUE(same_bits(got, place.read(again, 2 * kColumns)));
  std::vector<double> want(2 * kColumns, 0.0);
  for (std::size_t c = 0; c < kColumns; ++c) {
    for (auto i = static_cast<std::size_t>(begin[c]); i < static_cast<std::size_t>(begin[c + 1]); ++i) {
      want[2 * c] += static_cast<double>(values[i]);
      want[2 * c + 1] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
    }
  }
  EXPECT_TRUE(close(got, want, 2e-6, 1e-3));
}

/// What follows from a sum.
struct AddTwice {
  const float* sum;
  float* to;

  STAMPEDE_FN void operator()() const { *to += 2 * *sum; }
};

TEST_F(Backend, WhatFollowsFromASumComesOnceTheSumIsThere) {
  for (const Index n : {Index{0}, Index{1}, Index{33}, Index{4097}, Index{100003}}) {
    DevicePlace place(backend());
    const DeviceBuffer<float> x = place.array(random_floats(padded(std::max<Index>(n, 1)), -1.0f, 2.0f, 8));
    DeviceBuffer<float> alone = place.array(std::vector<float>{7}), out = place.array(std::vector<float>{7}),
                        after = place.array(std::vector<float>{1});
    backend().sum<1>(n, 1, Squares{x.data()}, alone.data());
    backend().sum_then(n, Squares{x.data()}, out.data(), AddTwice{out.data(), after.data()});
    const std::vector<float> got = place.read(out, 1);
    EXPECT_TRUE(same_bits(got, place.read(alone, 1))) << n;
    EXPECT_EQ(place.read(after, 1)[0], 1 + 2 * got[0]) << n;
  }
}

TEST_F(Backend, SumsOfNothingAreZero) {
  const DeviceBuffer<float> x(16);
  DevicePlace place(backend());
  DeviceBuffer<float> out = place.array(std::vector<float>{5, 5});
  backend().sum<2>(0, 1, Powers{x.data(), 16}, out.data());
  EXPECT_EQ(place.read(out, 2), (std::vector<float>{0, 0}));
}

struct Numbers {
  const std::uint32_t* x;
  Index stride;
  STAMPEDE_FN std::uint32_t operator()(Index i, int column) const { return x[column * stride + i]; }
};

TEST_F(Backend, CountsToTheLastOne) {
  DevicePlace place(backend());
  std::vector<std::uint32_t> x(2 * 4112, 0xffffffffu);
  for (std::size_t i = 4112; i < x.size(); ++i) x[i] = (1u << 24) + 1;
  const auto numbers = place.array(x);
  DeviceBuffer<std::uint64_t> out(2);
  backend().count(4097, 2, Numbers{numbers.data(), 4112}, out.data());
  EXPECT_EQ(place.read(out, 2),
            (std::vector<std::uint64_t>{4097 * std::uint64_t{0xffffffffu}, 4097 * ((std::uint64_t{1} << 24) + 1)}));
}

/// The maxima of `blocks` x `rows` rows, whose place in `from` is known to the kernel alone, beside those found here.
void expect_maxima(CudaBackend& backend, const std::vector<float>& x, Index blocks, int rows, Index stride, Index n,
                   Index out_stride) {
  std::vector<float> want = zeros(blocks * out_stride);
  for (Index row = 0; row < blocks * rows; ++row) {
    float& most = want[static_cast<std::size_t>(row / rows * out_stride + row % rows)];
    most = kNoMaximum;
    for (Index i = 0; i < n; ++i) {
      const float value = x[static_cast<std::size_t>(row * stride + i)];
      if (std::isfinite(value)) most = std::fmax(most, value);
    }
  }
  DevicePlace place(backend);
  const DeviceBuffer<float> from = place.array(x);
  DeviceBuffer<float> out(blocks * out_stride);
  backend.row_maxima(from.data(), blocks, rows, stride, n, out.data(), out_stride);
  EXPECT_TRUE(same_bits(place.read(out, blocks * out_stride), want)) << blocks << " blocks, " << n << " elements";
}

TEST_F(Backend, MaximaOfMoreBlocksThanAGridHasInY) {
  const Index blocks = 70000, stride = 48;
  expect_maxima(backend(), random_floats(2 * blocks * stride, -3.0f, -1.0f, 6), blocks, 2, stride, 33, 2);
}

/// Rows longer than a thread block, too, and larger numbers behind their ends.
TEST_F(Backend, MaximaOfWhatIsFinite) {
  for (const Index n : {Index{1}, Index{31}, Index{256}, Index{257}, Index{4097}}) {
    std::vector<float> rows = random_floats(12 * padded(n), -2.0f, -1.0f, 3);
    for (Index row = 0; row < 12; ++row) {
      std::fill(rows.begin() + row * padded(n) + n, rows.begin() + (row + 1) * padded(n), 7.0f);
    }
    rows[0] = std::numeric_limits<float>::quiet_NaN();
    rows[static_cast<std::size_t>(padded(n))] = std::numeric_limits<float>::infinity();
    expect_maxima(backend(), rows, 4, 3, padded(n), n, 16);
  }
}

TEST_F(Backend, ReportsLieInPinnedMemory) {
  // A copy to other memory would wait for all work before it.
  for (int slot = 0; slot < CudaBackend::kReportSlots; ++slot) {
    cudaPointerAttributes attributes{};
    STAMPEDE_CUDA(cudaPointerGetAttributes(&attributes, backend().report(slot)));
    EXPECT_EQ(attributes.type, cudaMemoryTypeHost) << slot;
  }
}

TEST_F(Backend, CopiesBeyondTheEndAreRefused) {
  DeviceBuffer<float> buffer(5);
  std::vector<float> host(6);
  EXPECT_THROW(backend().upload(buffer, host.data(), 6), Error);
  EXPECT_THROW(backend().download(buffer, host.data(), 2, 4), Error);
}

TEST_F(Backend, ShufflesArePermutationsAndThoseOfTheHost) {
  for (const Index n : {Index{1}, Index{31}, Index{32}, Index{33}, Index{4097}, Index{12288}}) {
    const auto shuffle = [&](auto&& place) {
      auto control = place.array(std::vector<Control>(1));
      auto order = place.array(std::vector<std::uint32_t>(static_cast<std::size_t>(n)));
      const auto count = static_cast<std::uint32_t>(n);
      place.launch(n, Shuffle{order.data(), count, count, count, 0x123456789abcdefu, {control.data(), 2, 5}});
      return place.read(order, n);
    };
    const std::vector<std::uint32_t> got = shuffle(DevicePlace(backend()));
    EXPECT_TRUE(same_bits(got, shuffle(HostPlace()))) << n;
    DeviceBuffer<std::uint32_t> sorted = DevicePlace(backend()).array(got);
    thrust::sort(thrust::device, sorted.data(), sorted.data() + n);
    std::vector<std::uint32_t> want(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < want.size(); ++i) want[i] = static_cast<std::uint32_t>(i);
    EXPECT_TRUE(same_bits(DevicePlace(backend()).read(sorted, n), want)) << n;
  }
}

TEST_F(Backend, RunsRecordsAndReplaysWork) {
  DeviceBuffer<float> counters(2);
  DeviceBuffer<float> sums(1);
  backend().reserve_sums(1);
  int calls[2] = {0, 0};
  for (int run = 0; run < 5; ++run) {
    for (int id = 0; id < 2; ++id) {
      backend().replay(id, [&] {
        ++calls[id];
        for (int i = 0; i <= id; ++i) backend().launch_single(AddOne{counters.data() + id});
        backend().sum<1>(2, 1, ColumnValues{counters.data(), 0}, sums.data());
      });
    }
  }
  EXPECT_EQ(calls[0], 2);  // once as it is, once to record
  EXPECT_EQ(calls[1], 2);
  DevicePlace place(backend());
  EXPECT_EQ(place.read(counters, 2), (std::vector<float>{5, 10}));
  EXPECT_EQ(place.read(sums, 1), (std::vector<float>{15}));
}

TEST_F(Backend, AFailureWhileRecordingLeavesTheStreamUsable) {
  const auto fail = [&](bool now) {
    backend().replay(2, [&] {
      if (now) throw Error("wanted");
    });
  };
  fail(false);
  EXPECT_THROW(fail(true), Error);
  DeviceBuffer<float> x(1);
  backend().launch_single(AddOne{x.data()});
  EXPECT_EQ(DevicePlace(backend()).read(x, 1), (std::vector<float>{1}));
}

TEST_F(Backend, ReportsArriveInTheirSlots) {
  DevicePlace place(backend());
  const DeviceBuffer<float> first = place.array(std::vector<float>{1, 2, 3}),
                            second = place.array(std::vector<float>{4, 5, 6});
  backend().stamp(0, 0);
  backend().enqueue_report(0, first, 3);
  backend().enqueue_report(1, second, 3);
  backend().stamp(0, 1);
  ASSERT_TRUE(backend().report_ready(1, true));
  ASSERT_TRUE(backend().report_ready(0, false));  // the earlier one has come, too
  EXPECT_EQ(backend().report(0)[2], 3.0f);
  EXPECT_EQ(backend().report(1)[0], 4.0f);
  backend().synchronise();
  EXPECT_GT(backend().seconds_between(0, 0, 1), 0.0);
  EXPECT_LT(backend().seconds_between(0, 0, 1), 1.0);
}

TEST_F(Backend, BooksTimeUnderPhasesInRecordedWorkToo) {
  DeviceBuffer<float> x(1 << 20);
  backend().set_timing(true);
  for (int run = 0; run < 3; ++run) {
    backend().replay(0, [&] {
      backend().for_tiles(1 << 20, [&](const CudaBackend::Context& context, Range range) {
        for (int i = 0; i < 8; ++i) context.launch(range, AddIndex{x.data()});
        context.mark(Phase::kPhysics);
        context.launch(range, AddIndex{x.data()});
        context.mark(Phase::kInference);
        if (run > 0) return;
        context.launch(range, AddIndex{x.data()});
        context.mark(Phase::kTeacher);
      });
    });
    // Marks of runs before are forgotten.
    EXPECT_EQ(backend().phase_seconds(Phase::kTeacher) > 0.0, run == 0) << run;
    const double physics = backend().phase_seconds(Phase::kPhysics),
                 inference = backend().phase_seconds(Phase::kInference);
    EXPECT_GT(inference, 0.0) << run;
    EXPECT_LT(physics, 1.0) << run;
    // The first launch of a kernel loads it.
    if (run > 0) {
      EXPECT_GT(physics, 2 * inference) << run;
    }
  }
}

}  // namespace
}  // namespace stampede::testing
