/// \file Whether the emulated NCCL carries what it is given, and shows what real ranks would hang on.
#include <nccl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <string>

#include "tests/emulator/testing.hpp"

namespace cuda_emulator::testing {
namespace {

__global__ void add_to(float* x, float value) { x[threadIdx.x] += value; }

/// Lets one process wait for another.
class Signal {
 public:
  Signal() { EXPECT_EQ(pipe(ends_.data()), 0); }
  void give() const { EXPECT_EQ(::write(ends_[1], "x", 1), 1); }
  void take() const {
    char x = 0;
    EXPECT_EQ(::read(ends_[0], &x, 1), 1);
  }

 private:
  std::array<int, 2> ends_{};
};

/// Runs body(comm, rank, stream) in as many processes, a device each; returns the signal that ended one of them, whose
/// death ends the others; 0: none. Must run in a process that has not used the device yet (EXPECT_WELL_WITH).
template <class Body>
int in_ranks(int ranks, const Body& body) {
  ncclUniqueId id{};
  EXPECT_EQ(ncclGetUniqueId(&id), ncclSuccess);
  std::vector<pid_t> processes;
  for (int rank = 0; rank < ranks; ++rank) {
    processes.push_back(fork());
    if (processes.back() != 0) continue;
    ncclComm_t comm = nullptr;
    EXPECT_EQ(cudaSetDevice(rank), cudaSuccess);
    EXPECT_EQ(ncclCommInitRank(&comm, ranks, id, rank), ncclSuccess);
    body(comm, rank, make_stream());
    std::_Exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int ended_by = 0;
  for (int i = 0; i < ranks; ++i) {
    int status = 0;
    EXPECT_GT(::wait(&status), 0);
    if (WIFSIGNALED(status) && ended_by == 0) {
      ended_by = WTERMSIG(status);
      for (const pid_t process : processes) ::kill(process, SIGKILL);
    } else if (ended_by == 0) {
      EXPECT_EQ(WEXITSTATUS(status), 0) << "a rank";
    }
  }
  return ended_by;
}

#define EXPECT_WELL_WITH_DEVICES(number, ...) EXPECT_WELL_WITH("CUDA_EMULATOR_DEVICES", number, __VA_ARGS__)

std::vector<float> counted(int n, float from) {
  std::vector<float> x(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) x[static_cast<std::size_t>(i)] = from + static_cast<float>(i);
  return x;
}

using NcclDeathTest = Emulator;

TEST_F(NcclDeathTest, MessagesPass) {
  EXPECT_WELL_WITH_DEVICES("3", [] {
    const int died = in_ranks(3, [](ncclComm_t comm, int rank, cudaStream_t s) {
      // 100000 floats go through in several pieces.
      for (const int n : {1, 33, 100000}) {
        const float* own = device_floats(counted(n, 1000.0f * static_cast<float>(rank)));
        float* all = device_floats(3 * n);
        const auto floats = static_cast<std::size_t>(n);
        EXPECT_EQ(ncclGroupStart(), ncclSuccess);
        for (int peer = 0; peer < 3; ++peer) {
          if (peer == rank) continue;
          EXPECT_EQ(ncclSend(own, floats, ncclFloat32, peer, comm, s), ncclSuccess);
          EXPECT_EQ(ncclRecv(all + peer * n, floats, ncclFloat32, peer, comm, s), ncclSuccess);
        }
        EXPECT_EQ(ncclGroupEnd(), ncclSuccess);
        EXPECT_EQ(cudaStreamSynchronize(s), cudaSuccess);
        for (int peer = 0; peer < 3; ++peer) {
          if (peer == rank) continue;
          EXPECT_EQ(read(all + peer * n, n), counted(n, 1000.0f * static_cast<float>(peer)));
        }
        EXPECT_EQ(ncclBroadcast(all, all, 0, ncclFloat32, 2, comm, s), ncclSuccess);
        float* same = device_floats(counted(n, static_cast<float>(rank)));
        EXPECT_EQ(ncclBroadcast(same, same, floats, ncclFloat32, 1, comm, s), ncclSuccess);
        EXPECT_EQ(cudaStreamSynchronize(s), cudaSuccess);
        EXPECT_EQ(read(same, n), counted(n, 1.0f));
      }
    });
    EXPECT_EQ(died, 0);
  });
}

TEST_F(NcclDeathTest, AMessageWaitsForBothSidesAndTheHostForNeither) {
  for (const char* when : {"lazy", "eager", "random"}) {
    setenv("CUDA_EMULATOR_WHEN", when, 1);
    EXPECT_WELL_WITH_DEVICES("2", [] {
      const Signal sent, looked;
      const int died = in_ranks(2, [&](ncclComm_t comm, int rank, cudaStream_t s) {
        float* x = device_floats(counted(32, static_cast<float>(rank)));
        if (rank == 0) {
          EXPECT_EQ(ncclSend(x, 32, ncclFloat32, 1, comm, s), ncclSuccess);
          add_to<<<1, 32, 0, s>>>(x, 5.0f);
          for (int i = 0; i < 100; ++i) EXPECT_EQ(cudaStreamQuery(s), cudaErrorNotReady);
          cudaGetLastError();
          sent.give();
          looked.take();
          EXPECT_EQ(cudaStreamSynchronize(s), cudaSuccess);
          EXPECT_EQ(read(x, 32), counted(32, 5.0f));
          return;
        }
        sent.take();
        EXPECT_EQ(ncclRecv(x, 32, ncclFloat32, 0, comm, s), ncclSuccess);
        if (std::string(std::getenv("CUDA_EMULATOR_WHEN")) == "lazy") {
          EXPECT_EQ(read(x, 32), counted(32, 1.0f));
        }
        looked.give();
        EXPECT_EQ(cudaStreamSynchronize(s), cudaSuccess);
        EXPECT_EQ(read(x, 32), counted(32, 0.0f));
      });
      EXPECT_EQ(died, 0);
    });
  }
  unsetenv("CUDA_EMULATOR_WHEN");
}

TEST_F(NcclDeathTest, TwoSendsBeforeTheirReceivesWantAGroup) {
  EXPECT_WELL_WITH_DEVICES("2", [] {
    const std::array<Signal, 2> stuck;
    const int died = in_ranks(2, [&](ncclComm_t comm, int rank, cudaStream_t s) {
      float *x = device_floats(counted(4, 0.0f)), *y = device_floats(4);
      const auto other = static_cast<std::size_t>(1 - rank);
      EXPECT_EQ(ncclSend(x, 4, ncclFloat32, 1 - rank, comm, s), ncclSuccess);
      EXPECT_EQ(ncclRecv(y, 4, ncclFloat32, 1 - rank, comm, s), ncclSuccess);
      for (int i = 0; i < 100; ++i) EXPECT_EQ(cudaStreamQuery(s), cudaErrorNotReady);
      stuck[other].give();
      stuck[static_cast<std::size_t>(rank)].take();  // the other has come as far
      for (int i = 0; i < 100; ++i) EXPECT_EQ(cudaStreamQuery(s), cudaErrorNotReady);
      EXPECT_EQ(ncclCommAbort(comm), ncclSuccess);  // which frees the stream
      EXPECT_EQ(cudaStreamSynchronize(s), cudaSuccess);
      EXPECT_TRUE(std::isnan(read(y, 4)[0]));
      ncclResult_t error = ncclSuccess;
      EXPECT_EQ(ncclCommGetAsyncError(comm, &error), ncclInvalidArgument);
      EXPECT_EQ(ncclSend(x, 4, ncclFloat32, 1 - rank, comm, s), ncclInvalidArgument);
    });
    EXPECT_EQ(died, 0);
  });
}

TEST_F(NcclDeathTest, GraphsHoldMessages) {
  EXPECT_WELL_WITH_DEVICES("2", [] {
    const int died = in_ranks(2, [](ncclComm_t comm, int rank, cudaStream_t s) {
      float *x = device_floats(counted(8, static_cast<float>(rank))), *y = device_floats(8);
      cudaGraph_t graph = nullptr;
      cudaGraphExec_t again = nullptr;
      ASSERT_EQ(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal), cudaSuccess);
      EXPECT_EQ(ncclGroupStart(), ncclSuccess);
      EXPECT_EQ(ncclSend(x, 8, ncclFloat32, 1 - rank, comm, s), ncclSuccess);
      EXPECT_EQ(ncclRecv(y, 8, ncclFloat32, 1 - rank, comm, s), ncclSuccess);
      EXPECT_EQ(ncclGroupEnd(), ncclSuccess);
      add_to<<<1, 8, 0, s>>>(x, 10.0f);
      ASSERT_EQ(cudaStreamEndCapture(s, &graph), cudaSuccess);
      ASSERT_EQ(cudaGraphInstantiate(&again, graph, 0), cudaSuccess);
      EXPECT_EQ(cudaStreamSynchronize(s), cudaSuccess);
      EXPECT_TRUE(std::isnan(read(y, 8)[0]));  // recorded, not run
      for (int i = 0; i < 5; ++i) EXPECT_EQ(cudaGraphLaunch(again, s), cudaSuccess);
      EXPECT_EQ(cudaStreamSynchronize(s), cudaSuccess);
      EXPECT_EQ(read(y, 8), counted(8, static_cast<float>(1 - rank) + 40.0f));
    });
    EXPECT_EQ(died, 0);
  });
}

TEST_F(NcclDeathTest, BothSidesMustAgree) {
  const auto disagree = [](auto&& rank_1) {
    std::_Exit(in_ranks(2,
                        [&](ncclComm_t comm, int rank, cudaStream_t s) {
                          float* x = device_floats(counted(8, 0.0f));
                          if (rank == 0) {
                            ncclRecv(x, 8, ncclFloat32, 1, comm, s);
                          } else {
                            rank_1(comm, x, s);
                          }
                          cudaStreamSynchronize(s);
                        }) == SIGABRT
                   ? 7
                   : 0);
  };
  setenv("CUDA_EMULATOR_DEVICES", "2", 1);
  EXPECT_EXIT(disagree([](auto comm, float* x, auto s) { ncclSend(x, 4, ncclFloat32, 0, comm, s); }),
              ::testing::ExitedWithCode(7),
              "rank 0 waits for a message of 8 elements of type 7, and rank 1 sends a message of 4 elements of type 7");
  EXPECT_EXIT(disagree([](auto comm, float* x, auto s) { ncclSend(x, 8, ncclUint32, 0, comm, s); }),
              ::testing::ExitedWithCode(7), "of type 7, and rank 1 sends a message of 8 elements of type 3");
  EXPECT_EXIT(disagree([](auto comm, float* x, auto s) { ncclBroadcast(x, x, 8, ncclFloat32, 1, comm, s); }),
              ::testing::ExitedWithCode(7),
              "waits for a message .* rank 1 sends a broadcast from rank 1 of 8 elements");
  unsetenv("CUDA_EMULATOR_DEVICES");
}

TEST_F(NcclDeathTest, ArgumentsAreChecked) {
  EXPECT_WELL_WITH_DEVICES("2", [] {
    const int died = in_ranks(2, [](ncclComm_t comm, int rank, cudaStream_t s) {
      float *x = device_floats(8), host[8];
      const int peer = 1 - rank;
      EXPECT_EQ(ncclSend(x, 8, ncclFloat32, 2, comm, s), ncclInvalidArgument);
      EXPECT_EQ(ncclSend(x, 8, static_cast<ncclDataType_t>(15), peer, comm, s), ncclInvalidArgument);
      EXPECT_EQ(ncclSend(x, 9, ncclFloat32, peer, comm, s), ncclInvalidArgument);
      EXPECT_EQ(ncclRecv(host, 8, ncclFloat32, peer, comm, s), ncclInvalidArgument);
      EXPECT_EQ(ncclSend(x, 8, ncclFloat32, peer, nullptr, s), ncclInvalidArgument);
      EXPECT_EQ(ncclBroadcast(x, x, 8, ncclFloat32, 2, comm, s), ncclInvalidArgument);
      EXPECT_EQ(ncclGroupEnd(), ncclInvalidUsage);
      EXPECT_EQ(cudaStreamSynchronize(s), cudaSuccess);
    });
    EXPECT_EQ(died, 0);
  });
}

TEST_F(NcclDeathTest, EachRankWantsADeviceOfItsOwn) {
  EXPECT_WELL_WITH_DEVICES("2", [] {
    ncclUniqueId id{};
    EXPECT_EQ(ncclGetUniqueId(&id), ncclSuccess);
    const pid_t other = fork();
    ncclComm_t comm = nullptr;
    EXPECT_EQ(ncclCommInitRank(&comm, 2, id, other == 0 ? 1 : 0), ncclInvalidUsage);  // both on device 0
    if (other == 0) std::_Exit(::testing::Test::HasFailure() ? 1 : 0);
    int status = 0;
    EXPECT_EQ(::waitpid(other, &status, 0), other);
    EXPECT_EQ(status, 0);
  });
}

}  // namespace
}  // namespace cuda_emulator::testing
