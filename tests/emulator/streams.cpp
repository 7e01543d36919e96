/// \file Streams, events, graphs. Work is really deferred: a stream is a queue that is worked off where somebody waits
/// for it (CUDA_EMULATOR_WHEN=lazy), at once (eager), or at moments drawn by chance (random).
#include "streams.hpp"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace cuda_emulator {
namespace {

/// Alive until the process ends, when destructors may still ask for them.
template <class T>
std::set<T*>& all() {
  static auto* objects = new std::set<T*>;
  return *objects;
}
std::set<CUevent_st*>& events() { return all<CUevent_st>(); }
std::set<CUgraph_st*>& graphs() { return all<CUgraph_st>(); }
std::set<CUgraphExec_st*>& executables() { return all<CUgraphExec_st>(); }

bool is_alive(const CUstream_st* stream) {
  return std::find(streams().begin(), streams().end(), stream) != streams().end();
}

/// The device's clock [s]: processor time, which does not depend on what else the machine does, of a device that is a
/// hundred times as fast.
double device_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return 1e-2 * (static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec));
}

/// Whether it may have to wait for another process.
bool waits(const Item& item) { return item.work && item.work->advance; }

/// Returns whether it is done.
bool run_item(Item& item) {
  if (!item.work) {
    item.event->completed = std::max(item.event->completed, item.version);
    item.event->seconds = device_seconds();
    return true;
  }
  if (sticky_error() != cudaSuccess) return true;  // nothing runs any more
  if (!std::exchange(item.begun, true) && fails_now("run:" + item.work->name)) {
    sticky_error() = planted_error(cudaErrorIllegalAddress);
    return true;
  }
  if (item.work->advance) return item.work->advance();
  item.work->run();
  return true;
}

/// After each call, for those who do not want to wait.
void go_on() {
  switch (settings().when) {
    case When::kLazy:
      return;
    case When::kEager:  // which is not to wait for other processes: the host goes on
      for (CUstream_st* stream : streams()) {
        while (!stream->queue.empty() && run_front(*stream)) {
        }
      }
      return;
    case When::kRandom:
      for (CUstream_st* stream : streams()) {
        for (std::uint64_t n = next_random() % 4; n > 0 && !stream->queue.empty(); --n) {
          if (!run_front(*stream)) break;
        }
      }
      return;
  }
}

/// Legacy rules: the default stream and blocking ones wait for each other. Done before work is put into one of them.
void order_with_default_stream(CUstream_st& stream) {
  if (&stream == default_stream()) {
    for (CUstream_st* other : streams()) {
      if (other != &stream && (other->flags & cudaStreamNonBlocking) == 0) run_all(*other);
    }
  } else if ((stream.flags & cudaStreamNonBlocking) == 0) {
    run_all(*default_stream());
  }
}

}  // namespace

std::recursive_mutex& mutex() {
  static auto* m = new std::recursive_mutex;
  return *m;
}

std::vector<CUstream_st*>& streams() {
  static auto* in_order = new std::vector<CUstream_st*>;
  return *in_order;
}
CUstream_st* default_stream() {
  static auto* stream = [] {
    auto* s = new CUstream_st;
    streams().push_back(s);
    return s;
  }();
  return stream;
}
CUstream_st* stream_of(cudaStream_t handle) {
  CUstream_st* stream = handle == nullptr ? default_stream() : handle;
  return is_alive(stream) ? stream : nullptr;
}

bool forbidden() {
  bool found = false;
  for (CUstream_st* stream : streams()) {
    if (stream->capture != cudaStreamCaptureStatusActive || stream->mode == cudaStreamCaptureModeRelaxed) continue;
    if (stream->mode == cudaStreamCaptureModeThreadLocal && stream->capturer != std::this_thread::get_id()) continue;
    stream->capture = cudaStreamCaptureStatusInvalidated;
    found = true;
  }
  return found;
}

bool run_front(CUstream_st& stream) {
  Item item = std::move(stream.queue.front());
  stream.queue.pop_front();
  std::optional<DeviceAccess> access;
  if (!waits(item)) access.emplace();
  if (run_item(item)) return true;
  stream.queue.push_front(std::move(item));
  return false;
}
void pass_time(CUstream_st& stream) {
  constexpr int kMostDoublings = 6;
  int work = 1 << std::min(stream.asked++, kMostDoublings);
  std::optional<DeviceAccess> access;  // once for all of it: without protection keys it takes long
  while (work-- > 0 && !stream.queue.empty()) {
    if (!access && !waits(stream.queue.front())) access.emplace();
    if (!run_front(stream)) break;
  }
  if (stream.queue.empty()) stream.asked = 0;
}
void run_all(CUstream_st& stream) {
  if (stream.queue.empty()) return;
  const DeviceAccess access;
  while (!stream.queue.empty()) {
    if (!run_front(stream)) wait_for_others();
  }
}
void wait_for_others() { usleep(50); }
void run_everything() {
  for (CUstream_st* stream : streams()) run_all(*stream);
}

cudaError_t put(cudaStream_t handle, Item item) {
  CUstream_st* stream = stream_of(handle);
  if (stream == nullptr) return refused(cudaErrorInvalidResourceHandle, "work for a stream that does not exist");
  if (stream->capture == cudaStreamCaptureStatusInvalidated) return failed(cudaErrorStreamCaptureInvalidated);
  if (stream->capture == cudaStreamCaptureStatusActive) {
    stream->graph->nodes.push_back(std::move(item));
    return cudaSuccess;
  }
  if (stream == default_stream()) {
    for (const CUstream_st* other : streams()) {
      if (other->capture == cudaStreamCaptureStatusActive && (other->flags & cudaStreamNonBlocking) == 0) {
        return failed(cudaErrorStreamCaptureImplicit);
      }
    }
  }
  order_with_default_stream(*stream);
  stream->queue.push_back(std::move(item));
  go_on();
  return cudaSuccess;
}

cudaError_t enqueue(cudaStream_t stream, Operation operation) {
  return put(stream, {std::make_shared<const Operation>(std::move(operation)), nullptr, 0});
}

void run_in_default_stream(const char* what, void (*work)(void*), void* data) {
  const std::scoped_lock lock(mutex());
  enqueue(nullptr, {what, [=] { work(data); }});
  run_all(*default_stream());
}

}  // namespace cuda_emulator

using namespace cuda_emulator;

extern "C" {

// ---------------------------------------------------------------------------------------------- streams

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  CALL("cudaStreamCreateWithFlags");
  *stream = new CUstream_st;
  (*stream)->flags = flags;
  (*stream)->device = current_device();
  streams().push_back(*stream);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  CALL("cudaStreamDestroy");
  if (stream == nullptr || !is_alive(stream)) {
    return refused(cudaErrorInvalidResourceHandle, "cudaStreamDestroy of a stream that does not exist");
  }
  if (!stream->queue.empty()) note("a stream is destroyed with work in it");
  run_all(*stream);
  std::erase(streams(), stream);
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  CALL("cudaStreamSynchronize");
  CUstream_st* stream = stream_of(handle);
  if (stream == nullptr) {
    return refused(cudaErrorInvalidResourceHandle, "cudaStreamSynchronize of a stream that does not exist");
  }
  if (stream->capture != cudaStreamCaptureStatusNone) {
    stream->capture = cudaStreamCaptureStatusInvalidated;
    return failed(cudaErrorStreamCaptureUnsupported);
  }
  if (forbidden()) return failed(cudaErrorStreamCaptureUnsupported);
  ++counters().waits;
  run_all(*stream);
  return after_waiting();
}
cudaError_t cudaStreamQuery(cudaStream_t handle) {
  CALL("cudaStreamQuery");
  CUstream_st* stream = stream_of(handle);
  if (stream == nullptr) return failed(cudaErrorInvalidResourceHandle);
  if (stream->capture != cudaStreamCaptureStatusNone) {
    stream->capture = cudaStreamCaptureStatusInvalidated;
    return failed(cudaErrorStreamCaptureUnsupported);
  }
  if (!stream->queue.empty()) pass_time(*stream);
  return stream->queue.empty() ? cudaSuccess : failed(cudaErrorNotReady);
}
cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  CALL("cudaStreamIsCapturing");
  const CUstream_st* stream = stream_of(handle);
  if (stream == nullptr) return failed(cudaErrorInvalidResourceHandle);
  *status = stream->capture;
  return cudaSuccess;
}
cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  CALL("cudaStreamBeginCapture");
  CUstream_st* stream = stream_of(handle);
  if (stream == nullptr) return failed(cudaErrorInvalidResourceHandle);
  if (stream == default_stream()) return failed(cudaErrorStreamCaptureUnsupported);
  if (stream->capture != cudaStreamCaptureStatusNone) return failed(cudaErrorIllegalState);
  stream->capture = cudaStreamCaptureStatusActive;
  stream->mode = mode;
  stream->capturer = std::this_thread::get_id();
  stream->graph = std::make_unique<CUgraph_st>();
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  CALL("cudaStreamEndCapture");
  *graph = nullptr;
  CUstream_st* stream = stream_of(handle);
  if (stream == nullptr) return failed(cudaErrorInvalidResourceHandle);
  if (stream->capture == cudaStreamCaptureStatusNone) return failed(cudaErrorIllegalState);
  if (stream->mode != cudaStreamCaptureModeRelaxed && stream->capturer != std::this_thread::get_id()) {
    return failed(cudaErrorStreamCaptureWrongThread);
  }
  const bool spoilt = stream->capture == cudaStreamCaptureStatusInvalidated;
  stream->capture = cudaStreamCaptureStatusNone;
  std::unique_ptr<CUgraph_st> recorded = std::move(stream->graph);
  if (spoilt) return failed(cudaErrorStreamCaptureInvalidated);
  *graph = recorded.release();
  graphs().insert(*graph);
  return cudaSuccess;
}

// ---------------------------------------------------------------------------------------------- events

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  CALL("cudaEventCreateWithFlags");
  *event = new CUevent_st{std::make_shared<EventState>()};
  (*event)->state->flags = flags;
  events().insert(*event);
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  CALL("cudaEventDestroy");
  if (events().erase(event) == 0) {
    return refused(cudaErrorInvalidResourceHandle, "cudaEventDestroy of an event that does not exist");
  }
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t handle, unsigned flags) {
  CALL("cudaEventRecordWithFlags");
  CUstream_st* stream = stream_of(handle);
  if (stream == nullptr || events().count(event) == 0) {
    return refused(cudaErrorInvalidResourceHandle, "an event, or a stream to record it in, that does not exist");
  }
  const std::shared_ptr<EventState>& state = event->state;
  if (handle != nullptr && state->device != stream->device) {
    return refused(cudaErrorInvalidResourceHandle, "an event of one device, recorded in a stream of another");
  }
  const bool external = (flags & cudaEventRecordExternal) != 0;
  if (stream->capture == cudaStreamCaptureStatusNone) {
    if (external) return failed(cudaErrorIllegalState);
    state->captured = false;
    state->stream = stream;
    return put(handle, {nullptr, state, ++state->recorded});
  }
  if (!external) {
    state->captured = true;
    return cudaSuccess;
  }
  return put(handle, {nullptr, state, 0});
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  CALL("cudaEventQuery");
  if (events().count(event) == 0) return failed(cudaErrorInvalidResourceHandle);
  const EventState& state = *event->state;
  if (state.captured) return failed(cudaErrorCapturedEvent);
  if (state.completed < state.recorded && is_alive(state.stream)) pass_time(*state.stream);
  if (state.completed < state.recorded) return failed(cudaErrorNotReady);
  if (is_alive(state.stream)) state.stream->asked = 0;
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  CALL("cudaEventSynchronize");
  if (events().count(event) == 0) return failed(cudaErrorInvalidResourceHandle);
  const EventState& state = *event->state;
  if (state.captured) return failed(cudaErrorCapturedEvent);
  if (forbidden()) return failed(cudaErrorStreamCaptureUnsupported);
  ++counters().waits;
  if (state.completed >= state.recorded) return after_waiting();
  const DeviceAccess access;
  while (state.completed < state.recorded) {
    if (!run_front(*state.stream)) wait_for_others();
  }
  return after_waiting();
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  CALL("cudaEventElapsedTime");
  if (events().count(from) == 0 || events().count(to) == 0) return failed(cudaErrorInvalidResourceHandle);
  for (const cudaEvent_t event : {from, to}) {
    const EventState& state = *event->state;
    if (state.captured) return failed(cudaErrorCapturedEvent);
    if (state.recorded == 0 || (state.flags & cudaEventDisableTiming) != 0) {
      return refused(cudaErrorInvalidResourceHandle, "cudaEventElapsedTime of an event that was never recorded");
    }
    if (state.completed < state.recorded) return failed(cudaErrorNotReady);
  }
  *milliseconds = static_cast<float>(1e3 * (to->state->seconds - from->state->seconds));
  return cudaSuccess;
}

// ---------------------------------------------------------------------------------------------- graphs

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  CALL("cudaGraphInstantiate");
  if (graphs().count(graph) == 0) return failed(cudaErrorInvalidValue);
  *executable = new CUgraphExec_st{graph->nodes};
  executables().insert(*executable);
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  CALL("cudaGraphDestroy");
  if (graphs().erase(graph) == 0) return failed(cudaErrorInvalidValue);
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  CALL("cudaGraphExecDestroy");
  if (executables().erase(executable) == 0) return failed(cudaErrorInvalidValue);
  delete executable;
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t handle) {
  CALL("cudaGraphLaunch");
  CUstream_st* stream = stream_of(handle);
  if (executables().count(executable) == 0 || stream == nullptr) {
    return refused(cudaErrorInvalidValue, "a graph, or a stream to launch it in, that does not exist");
  }
  ++counters().graph_launches;
  for (const Item& node : executable->nodes) {
    Item item = node;
    if (item.event) {
      item.event->captured = false;
      item.event->stream = stream;
      item.version = ++item.event->recorded;
    }
    if (const cudaError_t error = put(handle, std::move(item)); error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

}  // extern "C"
