/// \file Kernels: a fiber for each thread of a block, one block after the other.
#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <utility>
#include <vector>

#include "internal.hpp"
#include "sanitizer.hpp"

// Saves what a function must keep, moves to another stack, and goes on there.
asm(R"(
.text
.p2align 4
.type cuda_emulator_switch,@function
.globl cuda_emulator_switch
.hidden cuda_emulator_switch
cuda_emulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp,(%rdi)
  movq %rsi,%rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size cuda_emulator_switch,.-cuda_emulator_switch
)");
extern "C" void cuda_emulator_switch(void** save, void* load);

namespace cuda_emulator {

thread_local const Coordinates* current = nullptr;

namespace {

constexpr int kMostThreads = 1024, kWarp = 32;
constexpr std::size_t kStatic = 48 * 1024, kGap = 64;
#if defined(CUDA_EMULATOR_ASAN)
constexpr std::size_t kStack = 1024 * 1024;
#else
constexpr std::size_t kStack = 256 * 1024;
#endif

enum class State : std::uint8_t { kReady, kAtWarp, kAtBlock, kDone };

struct Lane {
  Coordinates coordinates{};
  void* stack_pointer = nullptr;
  char* stack = nullptr;
#if defined(CUDA_EMULATOR_ASAN)
  void* fake = nullptr;
#endif
};

/// What the lanes of a warp wait for, and what they give.
struct Warp {
  State state[kWarp];
  Collective kind[kWarp];
  std::uint32_t mask[kWarp], value[kWarp];
  std::int32_t operand[kWarp];
  const void* site[kWarp];
};

const char* name_of(Collective kind) {
  switch (kind) {
    case Collective::kShuffleXor:
      return "__shfl_xor_sync";
    case Collective::kShuffleDown:
      return "__shfl_down_sync";
    case Collective::kShuffle:
      return "__shfl_sync";
    case Collective::kAny:
      return "__any_sync";
    case Collective::kAll:
      return "__all_sync";
    case Collective::kBallot:
      return "__ballot_sync";
    case Collective::kSync:
      return "__syncwarp";
  }
  return "?";
}

class Runner;
thread_local Runner* runner = nullptr;

void enter();

class Runner {
 public:
  const KernelName* name = nullptr;
  const Call* call = nullptr;
  Lane* lane = nullptr;
  unsigned barriers = 0;

  Runner()
      : lanes_(kMostThreads),
        warps_(kMostThreads / kWarp),
        arena_(static_cast<char*>(std::aligned_alloc(256, 2 * kStatic + kMostShared))) {}

  void run(const KernelName& kernel, const Configuration& c, const Call& body) {
    name = &kernel;
    call = &body;
    dynamic_ = c.shared;
    threads_ = static_cast<int>(c.block.x * c.block.y * c.block.z);
    for (int t = 0; t < threads_; ++t) {
      Lane& l = lanes_[static_cast<std::size_t>(t)];
      if (l.stack == nullptr) make_stack(l);
      const unsigned u = static_cast<unsigned>(t);
      l.coordinates.thread = {u % c.block.x, u / c.block.x % c.block.y, u / (c.block.x * c.block.y)};
      l.coordinates.block_size = c.block;
      l.coordinates.grid_size = c.grid;
    }
    const std::uint64_t blocks = std::uint64_t{c.grid.x} * c.grid.y * c.grid.z;
    const std::uint64_t stride = settings().order == Order::kRandom ? random_stride(blocks) : 1;
    const std::uint64_t first = settings().order == Order::kRandom ? next_random() % blocks : 0;
    for (std::uint64_t i = 0; i < blocks; ++i) {
      std::uint64_t b = settings().order == Order::kReverse ? blocks - 1 - i : i;
      if (settings().order == Order::kRandom) b = (first + i * stride) % blocks;
      run_block({static_cast<unsigned>(b % c.grid.x), static_cast<unsigned>(b / c.grid.x % c.grid.y),
                 static_cast<unsigned>(b / (std::uint64_t{c.grid.x} * c.grid.y))});
    }
    lane = nullptr;
    current = nullptr;
    name = nullptr;
  }

  /// The lane that runs waits in the state given, or ends; returns what it gets once it goes on. Others go on in the
  /// meantime: the warp's next ones, and when none of them can, the scheduler.
  std::uint32_t leave(State state) {
    Lane& me = *lane;
    const int at = order_[position_];
    Warp& w = *warp_;
    w.state[at] = state;
    for (;;) {
      while (++position_ < count_) {
        const int next = order_[position_];
        if (w.state[next] != State::kReady) continue;
        if (next != at) switch_to(me, state == State::kDone, &warp_lanes_[next]);
        return w.value[at];
      }
      if (!release()) break;
      position_ = -1;
    }
    switch_to(me, state == State::kDone, nullptr);
    return w.value[at];
  }

  /// The lane that runs and asks.
  Warp& warp() { return *warp_; }
  int place() const { return order_[position_]; }

#if defined(CUDA_EMULATOR_ASAN)
  /// A lane begins: from the scheduler, whose stack is learned thereby, or from another lane.
  void entered() {
    const bool learn = std::exchange(from_scheduler_, false);
    const void* stack = nullptr;
    std::size_t size = 0;
    __sanitizer_finish_switch_fiber(nullptr, &stack, &size);
    if (learn) scheduler_stack_ = stack, scheduler_size_ = size;
  }
#else
  void entered() {}
#endif

  void* shared_place(const void* key, std::size_t bytes, std::size_t alignment, const char* variable) {
    if (char* place = find_shared(key)) return place;
    static_used_ = (static_used_ + alignment - 1) / alignment * alignment + bytes;
    if (static_used_ > kStatic) fail("shared variables of more than 48 KiB: %s", variable);
    return place_shared(key, bytes, alignment);
  }
  void* dynamic_shared() {
    static const char key = 0;
    if (char* place = find_shared(&key)) return place;
    if (dynamic_ == 0) fail("a launch without shared memory, of a kernel that uses it");
    return place_shared(&key, dynamic_, 16);
  }

 private:
  struct Shared {
    const void* key;
    std::size_t offset;
  };

  char* find_shared(const void* key) {
    for (const Shared& s : shared_) {
      if (s.key == key) return arena_ + s.offset;
    }
    return nullptr;
  }
  char* place_shared(const void* key, std::size_t bytes, std::size_t alignment) {
    const std::size_t offset = (arena_used_ + alignment - 1) / alignment * alignment;
    UNPOISON(arena_ + offset, bytes);
    std::memset(arena_ + offset, 0xff, bytes);
    shared_.push_back({key, offset});
    POISON(arena_ + offset + bytes, kGap);
    arena_used_ = offset + bytes + kGap;
    return arena_ + offset;
  }

  /// A step by which all of n blocks are reached.
  static std::uint64_t random_stride(std::uint64_t n) {
    if (n < 3) return 1;
    std::uint64_t stride = next_random() % n | 1;
    while (std::gcd(stride, n) != 1) stride += 2;
    return stride;
  }

  static void make_stack(Lane& l) {
    // A page in front of it that cannot be touched.
    char* pages = static_cast<char*>(
        mmap(nullptr, kStack + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    if (pages == MAP_FAILED) fail("no memory for a thread's stack");
    mprotect(pages, 4096, PROT_NONE);
    l.stack = pages + 4096;
  }

  void start(Lane& l, uint3 block) {
    l.coordinates.block = block;
    auto* top = reinterpret_cast<void**>(l.stack + kStack - 64);
    top[0] = reinterpret_cast<void*>(&enter);  // returned to; a function begins 8 bytes off a multiple of 16
    top[1] = nullptr;
    for (int i = 1; i <= 6; ++i) top[-i] = nullptr;
    l.stack_pointer = top - 6;
#if defined(CUDA_EMULATOR_ASAN)
    l.fake = nullptr;
#endif
    UNPOISON(l.stack + kStack - 16384, 16384);  // the last lane's frames, which were never left
  }

  /// From a lane to another, or to the scheduler. Comes back when that lane goes on.
  void switch_to(Lane& from, [[maybe_unused]] bool ends, Lane* to) {
#if defined(CUDA_EMULATOR_ASAN)
    __sanitizer_start_switch_fiber(ends ? nullptr : &from.fake, to != nullptr ? to->stack : scheduler_stack_,
                                   to != nullptr ? kStack : scheduler_size_);
#endif
    lane = to;
    current = to != nullptr ? &to->coordinates : nullptr;
    cuda_emulator_switch(&from.stack_pointer, to != nullptr ? to->stack_pointer : scheduler_);
#if defined(CUDA_EMULATOR_ASAN)
    __sanitizer_finish_switch_fiber(from.fake, nullptr, nullptr);
#endif
  }

  /// From the scheduler to a lane. Comes back when no lane of the warp can go on.
  void resume(Lane& l) {
    lane = &l;
    current = &l.coordinates;
#if defined(CUDA_EMULATOR_ASAN)
    void* fake = nullptr;
    from_scheduler_ = true;
    __sanitizer_start_switch_fiber(&fake, l.stack, kStack);
#endif
    cuda_emulator_switch(&scheduler_, l.stack_pointer);
#if defined(CUDA_EMULATOR_ASAN)
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
    current = nullptr;
    lane = nullptr;
  }

  void run_block(uint3 block) {
    shared_.clear();
    arena_used_ = static_used_ = 0;
    barriers = 0;
    block_ = block;
    const int warps = (threads_ + kWarp - 1) / kWarp;
    for (int t = 0; t < threads_; ++t) start(lanes_[static_cast<std::size_t>(t)], block);
    for (int i = 0; i < warps; ++i) {
      for (int l = 0; l < kWarp; ++l) {
        warps_[static_cast<std::size_t>(i)].state[l] = i * kWarp + l < threads_ ? State::kReady : State::kDone;
      }
    }
    for (;;) {
      for (int i = 0; i < warps; ++i) run_warp(settings().order == Order::kReverse ? warps - 1 - i : i);
      // All are done, or wait for the block.
      int waiting = 0;
      for (int t = 0; t < threads_; ++t) {
        State& state = warps_[static_cast<std::size_t>(t / kWarp)].state[t % kWarp];
        if (state == State::kDone) continue;
        ++waiting;
        state = State::kReady;
      }
      if (waiting == 0) return;
      if (waiting < threads_) {
        note("%s: __syncthreads() is reached by %d threads of a block; %d have ended", name->name, waiting,
             threads_ - waiting);
      }
      ++barriers;
    }
  }

  void run_warp(int warp) {
    warp_ = &warps_[static_cast<std::size_t>(warp)];
    warp_lanes_ = &lanes_[static_cast<std::size_t>(warp) * kWarp];
    count_ = std::min(kWarp, threads_ - warp * kWarp);
    for (int i = 0; i < count_; ++i) order_[i] = settings().order == Order::kReverse ? count_ - 1 - i : i;
    if (settings().order == Order::kRandom) {
      for (int i = count_ - 1; i > 0; --i) std::swap(order_[i], order_[next_random() % static_cast<unsigned>(i + 1)]);
    }
    for (position_ = 0; position_ < count_; ++position_) {
      if (warp_->state[order_[position_]] != State::kReady) continue;
      resume(warp_lanes_[order_[position_]]);
      return;  // no lane of the warp can go on
    }
  }

  /// Completes what lanes of the warp wait for, none of which can run. Returns whether there was anything.
  bool release() {
    Warp& w = *warp_;
    bool same = count_ == kWarp;
    for (int i = 0; i < kWarp; ++i) {
      same &= w.state[i] == State::kAtWarp && w.mask[i] == 0xffffffffu && w.kind[i] == w.kind[0] &&
              w.operand[i] == w.operand[0];
    }
    if (same && w.kind[0] == Collective::kShuffleXor && w.operand[0] >= 0 && w.operand[0] < kWarp) {
      std::uint32_t results[kWarp];
      for (int i = 0; i < kWarp; ++i) results[i] = w.value[i ^ w.operand[0]];
      std::memcpy(w.value, results, sizeof results);
    } else if (same && w.kind[0] == Collective::kAny) {
      std::uint32_t any = 0;
      for (int i = 0; i < kWarp; ++i) any |= w.value[i];
      for (int i = 0; i < kWarp; ++i) w.value[i] = any != 0;
    } else {
      bool released = false;
      for (int i = 0; i < kWarp; ++i) {
        if (w.state[i] != State::kAtWarp) continue;
        complete(w, i);
        released = true;
      }
      return released;
    }
    for (int i = 0; i < kWarp; ++i) w.state[i] = State::kReady;
    ++exchanges;
    return true;
  }

  /// The same, whatever it is: of the lane `first` and those of its mask.
  void complete(Warp& w, int first) {
    const std::uint32_t mask = w.mask[first];
    const Collective kind = w.kind[first];
    if ((mask >> first & 1) == 0)
      fail("lane %d calls %s with a mask that does not name it: %08x", first, name_of(kind), mask);
    std::uint32_t here = 0, ended = 0;
    for (int i = 0; i < kWarp; ++i) {
      if ((mask >> i & 1) == 0) continue;
      if (w.state[i] == State::kDone) {
        ended |= 1u << i;
        continue;
      }
      if (w.state[i] == State::kAtBlock) {
        fail("lane %d waits in %s at %p for lane %d, which waits at __syncthreads() at %p", first, name_of(kind),
             w.site[first], i, w.site[i]);
      }
      if (w.state[i] != State::kAtWarp || w.mask[i] != mask || w.kind[i] != kind ||
          (kind != Collective::kShuffle && w.operand[i] != w.operand[first])) {
        fail("lanes %d and %d do not meet: %s (mask %08x, operand %d) at %p, %s (mask %08x, operand %d) at %p", first,
             i, name_of(kind), mask, w.operand[first], w.site[first], name_of(w.kind[i]), w.mask[i], w.operand[i],
             w.site[i]);
      }
      here |= 1u << i;
    }
    std::uint32_t votes = 0;
    for (int i = 0; i < kWarp; ++i) {
      if (here >> i & 1 && w.value[i] != 0) votes |= 1u << i;
    }
    if (ended != 0) {
      note("%s: %s names lanes that have ended or never were (mask %08x, of them %08x)", name->name, name_of(kind),
           mask, ended);
    }
    std::uint32_t results[kWarp] = {};
    for (int i = 0; i < kWarp; ++i) {
      if ((here >> i & 1) == 0) continue;
      int source = i;
      switch (kind) {
        case Collective::kShuffleXor:
          source = i ^ w.operand[i];
          break;
        case Collective::kShuffleDown:
          source = i + w.operand[i] < kWarp ? i + w.operand[i] : i;
          break;
        case Collective::kShuffle:
          source = w.operand[i] & (kWarp - 1);
          break;
        case Collective::kAny:
          results[i] = votes != 0;
          continue;
        case Collective::kAll:
          results[i] = votes == here;
          continue;
        case Collective::kBallot:
          results[i] = votes;
          continue;
        case Collective::kSync:
          continue;
      }
      if (source < 0 || source >= kWarp || (here >> source & 1) == 0) {
        fail("lane %d reads lane %d by %s at %p, which takes no part in it (mask %08x, taking part %08x)", i, source,
             name_of(kind), w.site[i], mask, here);
      }
      results[i] = w.value[source];
    }
    for (int i = 0; i < kWarp; ++i) {
      if ((here >> i & 1) == 0) continue;
      w.value[i] = results[i];
      w.state[i] = State::kReady;
    }
    ++exchanges;
  }

 public:
  std::int64_t exchanges = 0;
  uint3 block_{};

 private:
  std::vector<Lane> lanes_;
  std::vector<Warp> warps_;
  // The warp that runs, and the lanes' turn in it.
  Warp* warp_ = nullptr;
  Lane* warp_lanes_ = nullptr;
  int order_[kWarp] = {}, count_ = 0, position_ = 0;
  char* arena_;
  std::size_t dynamic_ = 0;  ///< bytes of shared memory that the launch asks for
  std::size_t arena_used_ = 0, static_used_ = 0;
  std::vector<Shared> shared_;
  int threads_ = 0;
  void* scheduler_ = nullptr;
#if defined(CUDA_EMULATOR_ASAN)
  const void* scheduler_stack_ = nullptr;
  std::size_t scheduler_size_ = 0;
  bool from_scheduler_ = false;
#endif
};

/// Where a lane begins.
void enter() {
  Runner& r = *runner;
  r.entered();
  r.call->run();
  r.leave(State::kDone);
  std::abort();
}

}  // namespace

bool in_kernel() { return current != nullptr; }

std::string what_runs() {
  if (runner == nullptr || runner->name == nullptr) return "";
  char text[512];
  const Runner& r = *runner;
  const unsigned thread = r.lane != nullptr ? r.lane->coordinates.thread.x : 0;
  std::snprintf(text, sizeof text, "kernel %s (%s:%d), block %u, %u, %u, thread %u", r.name->name, r.name->file,
                r.name->line, r.block_.x, r.block_.y, r.block_.z, thread);
  return text;
}

void run_kernel(const KernelName& name, const Configuration& configuration, const Call& call) {
  if (runner == nullptr) runner = new Runner;
  const std::int64_t before = runner->exchanges;
  runner->run(name, configuration, call);
  counters().exchanges += runner->exchanges - before;
}

__attribute__((noinline)) std::uint32_t exchange_here(Collective kind, std::uint32_t mask, std::uint32_t value,
                                                      int operand) {
  if (current == nullptr) {
    switch (kind) {
      case Collective::kAny:
      case Collective::kAll:
      case Collective::kSync:
        return value;
      default:
        fail("%s on the host", name_of(kind));
    }
  }
  Runner& r = *runner;
  Warp& w = r.warp();
  const int at = r.place();
  w.kind[at] = kind;
  w.mask[at] = mask;
  w.value[at] = value;
  w.operand[at] = operand;
  w.site[at] = __builtin_return_address(0);
  return r.leave(State::kAtWarp);
}

__attribute__((noinline)) void wait_for_block_here() {
  if (current == nullptr) fail("__syncthreads() on the host");
  runner->warp().site[runner->place()] = __builtin_return_address(0);
  runner->leave(State::kAtBlock);
}

unsigned barriers_passed() { return runner->barriers; }

void* shared_place(const void* key, std::size_t bytes, std::size_t alignment, const char* name) {
  if (current == nullptr) fail("shared memory on the host");
  return runner->shared_place(key, bytes, alignment, name);
}

void* dynamic_shared_memory() {
  if (current == nullptr) fail("shared memory on the host");
  return runner->dynamic_shared();
}

void check_launch_bounds(unsigned most) {
  const dim3 size = current->block_size;
  const unsigned threads = size.x * size.y * size.z;
  if (threads > most) fail("blocks of %u threads, of which __launch_bounds__ allows %u", threads, most);
}

}  // namespace cuda_emulator
