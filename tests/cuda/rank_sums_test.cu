/// \file Sums over ranks on the GPU's stream: what NCCL carries on a machine with several GPUs is played here by copies.
#include "host/learn/rank_sums.hpp"

#include "tests/cuda/testing.cuh"

namespace stampede::testing {
namespace {

/// Rank 0 of two, of which the other one always has the same numbers.
struct TwinLink {
  Rank rank() const { return {0, 2}; }
  void exchange_parts(CudaBackend& backend, const void* values, const std::vector<std::int64_t>& begin,
                      void* received) {
    for (int twin = 0; twin < 2; ++twin)
      copy(backend, static_cast<char*>(received) + twin * begin[1], values, begin[1]);
  }
  /// The other's part is taken for the same as this one's, as far as it goes.
  void gather_parts(CudaBackend& backend, void* values, const std::vector<std::int64_t>& begin) {
    copy(backend, static_cast<char*>(values) + begin[1], values, begin[2] - begin[1]);
  }
  void broadcast(CudaBackend&, void*, std::int64_t) {}

  static void copy(CudaBackend& backend, void* to, const void* from, std::int64_t bytes) {
    STAMPEDE_CUDA(
        cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), cudaMemcpyDeviceToDevice, backend.stream()));
  }
};

class RankSumsOnGpu : public GpuTest {};

TEST_F(RankSumsOnGpu, AreRecordedAndReplayed) {
  for (const Index count : {Index{1}, Index{37}, Index{1024}, Index{1025}, Index{34567}}) {
    CudaBackend own;
    RankSums<CudaBackend, TwinLink> all{TwinLink()};
    const Index part = count <= 1024 ? count : padded((count + 1) / 2);
    std::vector<float> values(static_cast<std::size_t>(count));
    for (Index i = 0; i < count; ++i) values[static_cast<std::size_t>(i)] = 0.1f + static_cast<float>(i % part);
    auto buffer = own.make_buffer<float>(count);
    own.upload(buffer, values.data(), count);
    // Plain, recorded, replayed.
    for (int run = 0; run < 3; ++run) {
      own.replay(0, [&] { all.sum(own, buffer.data(), count, Exchange::kGradient); });
    }
    std::vector<float> sums(values.size());
    own.download(buffer, sums.data(), count);
    for (float& value : values) value *= 8.0f;
    EXPECT_TRUE(same_bits(sums, values)) << count;
    for (int run = 0; run < 3; ++run) {
      own.replay(1, [&] { all.maximum(own, buffer.data(), count, Exchange::kStatistics); });
    }
    own.download(buffer, sums.data(), count);
    EXPECT_TRUE(same_bits(sums, values)) << "the largest of two that are the same, " << count;
  }
}

TEST_F(RankSumsOnGpu, TheHostLooksForTheOthersWhileItWaits) {
  CudaBackend own;
  own.set_communicator(std::make_unique<SingleProcess<CudaBackend>>(), [] { throw Error("rank 1 is gone"); });
  auto buffer = own.make_buffer<float>(1 << 16);
  const auto wait_for_work = [&] {
    for (int tries = 0; tries < 100; ++tries) {  // a GPU may be done before the host has asked
      for (int i = 0; i < 20; ++i) {
        own.launch(buffer.size(), CopyNumbers<float>{buffer.data(), buffer.data()});
      }
      own.synchronise();
    }
  };
  EXPECT_THROW(wait_for_work(), Error);
  own.set_communicator(std::make_unique<SingleProcess<CudaBackend>>(), nullptr);
  own.synchronise();
}

}  // namespace
}  // namespace stampede::testing
