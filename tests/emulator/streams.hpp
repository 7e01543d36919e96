#pragma once
/// \file Streams, events and graphs, as the calls of the runtime see them.

#include <deque>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "internal.hpp"

namespace cuda_emulator {

struct EventState {
  unsigned flags = 0;
  std::uint64_t recorded = 0, completed = 0;  ///< how often
  bool captured = false;                      ///< last recorded in a capture, not as a node of its own
  double seconds = 0;                         ///< when it was last reached
  CUstream_st* stream = nullptr;
  int device = current_device();
};

/// Something in a queue: work, or the recording of an event.
struct Item {
  std::shared_ptr<const Operation> work;
  std::shared_ptr<EventState> event;
  std::uint64_t version = 0;
  bool begun = false;  ///< whether it was run without being done
};

}  // namespace cuda_emulator

struct CUevent_st {
  std::shared_ptr<cuda_emulator::EventState> state;
};
struct CUgraph_st {
  std::vector<cuda_emulator::Item> nodes;
};
struct CUgraphExec_st {
  std::vector<cuda_emulator::Item> nodes;
};
struct CUstream_st {
  unsigned flags = 0;
  int device = 0;  ///< as current_device()
  int asked = 0;   ///< how often in a row somebody asked whether something was done that was not
  std::deque<cuda_emulator::Item> queue;
  cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  std::thread::id capturer;
  std::unique_ptr<CUgraph_st> graph;
};

namespace cuda_emulator {

std::vector<CUstream_st*>& streams();  ///< in the order in which they were made
CUstream_st* default_stream();
/// The stream a handle stands for; null where there is none.
CUstream_st* stream_of(cudaStream_t handle);

/// Makes it this thread's last error.
cudaError_t failed(cudaError_t error);
/// Likewise, and says why.
cudaError_t refused(cudaError_t error, const char* format, ...) __attribute__((format(printf, 2, 3)));
/// The error that a kernel left: from then on all calls return it.
cudaError_t& sticky_error();
/// What a call that has waited returns: a kernel may have failed meanwhile.
cudaError_t after_waiting();
/// The error that CUDA_EMULATOR_FAIL names.
cudaError_t planted_error(cudaError_t otherwise);
/// Whether an ongoing capture forbids this thread what might wait or allocate. Spoils that capture.
bool forbidden();

cudaError_t put(cudaStream_t handle, Item item);
/// Runs what comes first in the stream. Returns false where that is not done, as it waits for another process.
bool run_front(CUstream_st& stream);
/// Time passes while somebody asks for something in the stream: for the first time for one piece of work, then for two,
/// four and so on, up to 64.
void pass_time(CUstream_st& stream);
/// Until nothing is left in the stream.
void run_all(CUstream_st& stream);
/// Until nothing is left in any.
void run_everything();
/// After something in a stream was not done: gives other processes time.
void wait_for_others();

}  // namespace cuda_emulator

/// What each call begins with.
#define CALL(name)                                                                         \
  const std::scoped_lock lock_(::cuda_emulator::mutex());                                  \
  if (::cuda_emulator::in_kernel()) ::cuda_emulator::fail(name " in a kernel");            \
  if (::cuda_emulator::sticky_error() != cudaSuccess) {                                    \
    return ::cuda_emulator::failed(::cuda_emulator::sticky_error());                       \
  }                                                                                        \
  if (::cuda_emulator::fails_now(name)) {                                                  \
    return ::cuda_emulator::failed(::cuda_emulator::planted_error(cudaErrorInvalidValue)); \
  }
