/// \file The device's memory: a region of its own in which each allocation ends at a page that nobody can touch. The
/// host cannot touch the region outside DeviceAccess: by protection keys where the processor has them. Where it has
/// none, by changing the pages' rights, which only pays if much work is done at once: for streams that are worked off
/// late.
#include <execinfo.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include "internal.hpp"
#include "sanitizer.hpp"

namespace cuda_emulator {
namespace {

/// As cudaMalloc aligns; ends are rounded up to it.
constexpr std::size_t kUnit = 256;
constexpr std::size_t kPage = 4096, kSpace = std::size_t{1} << 40;
/// Fills the room between an allocation's end and the end of its unit.
constexpr unsigned char kCanary = 0xcb;

struct Block {
  std::size_t bytes, slack;
  char* pages;
  std::size_t page_bytes;
  bool alive;
};

std::uint32_t read_rights() {
  std::uint32_t rights, high;
  asm volatile(".byte 0x0f,0x01,0xee" : "=a"(rights), "=d"(high) : "c"(0));  // rdpkru
  return rights;
}
void write_rights(std::uint32_t rights) {
  asm volatile(".byte 0x0f,0x01,0xef" : : "a"(rights), "c"(0), "d"(0) : "memory");  // wrpkru
}

struct Memory {
  char* base = nullptr;
  std::size_t used = 0, in_use = 0;
  int key = -1;  ///< below zero: none
  bool always_open = false;
  int open = 0;                                  ///< how many DeviceAccess there are, without a key
  std::map<std::uintptr_t, Block> blocks;        ///< by the user's address, the freed ones too
  std::map<std::uintptr_t, std::size_t> pinned;  ///< those alive
  std::recursive_mutex guard;

  Memory() {
    void* space = mmap(nullptr, kSpace, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED) fail("no address space for the device's memory");
    base = static_cast<char*>(space);
    key = pkey_alloc(0, PKEY_DISABLE_ACCESS);
    always_open = key < 0 && settings().when != When::kLazy;
  }
  bool closed() const { return key < 0 && !always_open && open == 0; }
  /// Lets the host touch every block, or none.
  void set_rights(bool readable) {
    for (const auto& [address, block] : blocks) {
      if (block.alive) mprotect(block.pages, block.page_bytes, readable ? PROT_READ | PROT_WRITE : PROT_NONE);
    }
  }
};
Memory& memory() {
  static auto* m = new Memory;
  return *m;
}

const Block* find(std::uintptr_t address, std::uintptr_t* start) {
  Memory& m = memory();
  auto at = m.blocks.upper_bound(address);
  if (at == m.blocks.begin()) return nullptr;
  --at;
  *start = at->first;
  return &at->second;
}

void on_fault(int signal, siginfo_t* info, void*) {
  const void* address = info->si_addr;
  const bool host = !in_kernel() && in_device_space(address);
  std::fprintf(stderr, "cuda-emulator: error: %s of memory at %p: %s\n", host ? "the host's own use" : "illegal use",
               address, describe(address).c_str());
  if (const std::string where = what_runs(); !where.empty()) std::fprintf(stderr, "  in %s\n", where.c_str());
  void* calls[64];
  backtrace_symbols_fd(calls, backtrace(calls, 64), STDERR_FILENO);
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

void install_handler() {
  static const bool done = [] {
#if !defined(CUDA_EMULATOR_ASAN)  // which has a stack for signals itself
    constexpr std::size_t kStack = 256 * 1024;
    static char stack_memory[kStack];
    stack_t stack{};
    stack.ss_sp = stack_memory;
    stack.ss_size = kStack;
    sigaltstack(&stack, nullptr);
#endif
    struct sigaction action {};
    action.sa_sigaction = &on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, nullptr);
    sigaction(SIGBUS, &action, nullptr);
    void* warm[1];
    backtrace(warm, 1);  // loads what it needs now, not in the handler
    return true;
  }();
  static_cast<void>(done);
}

}  // namespace

DeviceAccess::DeviceAccess() {
  Memory& m = memory();
  if (m.key >= 0) {
    before_ = read_rights();
    write_rights(before_ & ~(3u << (2 * m.key)));
  } else if (!m.always_open) {
    const std::scoped_lock lock(m.guard);
    if (m.open++ == 0) m.set_rights(true);
  }
}
DeviceAccess::~DeviceAccess() {
  Memory& m = memory();
  if (m.key >= 0) {
    write_rights(before_);
  } else if (!m.always_open) {
    const std::scoped_lock lock(m.guard);
    if (--m.open == 0) m.set_rights(false);
  }
}

void* allocate_device(std::size_t bytes) {
  install_handler();
  Memory& m = memory();
  const std::scoped_lock lock(m.guard);
  const std::size_t most = settings().memory;
  const std::size_t whole = (std::max<std::size_t>(bytes, 1) + kUnit - 1) / kUnit * kUnit;
  if (whole > most || m.in_use + whole > most) return nullptr;
  const std::size_t page_bytes = (whole + kPage - 1) / kPage * kPage;
  if (m.used + page_bytes + 2 * kPage > kSpace) return nullptr;
  char* pages = m.base + m.used + kPage;
  m.used += page_bytes + 2 * kPage;
  constexpr int kRights = PROT_READ | PROT_WRITE;
  const int status =
      m.key >= 0 ? pkey_mprotect(pages, page_bytes, kRights, m.key) : mprotect(pages, page_bytes, kRights);
  if (status != 0) fail("no pages for %zu bytes of the device's memory", bytes);
  char* data = pages + page_bytes - whole;
  {
    const DeviceAccess access;
    std::memset(data, 0xff, bytes);
    std::memset(data + bytes, kCanary, whole - bytes);
  }
  POISON(data + bytes, whole - bytes);
  if (data > pages) POISON(pages, static_cast<std::size_t>(data - pages));
  m.blocks[reinterpret_cast<std::uintptr_t>(data)] = {bytes, whole - bytes, pages, page_bytes, true};
  if (m.closed()) mprotect(pages, page_bytes, PROT_NONE);
  m.in_use += whole;
  return data;
}

bool free_device(void* data) {
  Memory& m = memory();
  const std::scoped_lock lock(m.guard);
  const auto at = m.blocks.find(reinterpret_cast<std::uintptr_t>(data));
  if (at == m.blocks.end() || !at->second.alive) return false;
  Block& block = at->second;
  {
    const DeviceAccess access;
    UNPOISON(block.pages, block.page_bytes);
    const auto* slack = static_cast<const unsigned char*>(data) + block.bytes;
    for (std::size_t i = 0; i < block.slack; ++i) {
      if (slack[i] == kCanary) continue;
      fail("something was written behind the end of %zu bytes of device memory, at byte %zu", block.bytes,
           block.bytes + i);
    }
  }
  block.alive = false;
  madvise(block.pages, block.page_bytes, MADV_DONTNEED);
  mprotect(block.pages, block.page_bytes, PROT_NONE);
  m.in_use -= block.bytes + block.slack;
  return true;
}

void* allocate_pinned(std::size_t bytes) {
  install_handler();
  Memory& m = memory();
  const std::scoped_lock lock(m.guard);
  const std::size_t used = (bytes + 15) / 16 * 16, whole = (used + kPage - 1) / kPage * kPage;
  // A page behind it that nobody can touch.
  void* mapped = mmap(nullptr, whole + kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  char* pages = static_cast<char*>(mapped);
  mprotect(pages, whole, PROT_READ | PROT_WRITE);
  char* data = pages + whole - used;
  std::memset(data, 0xff, bytes);
  m.pinned[reinterpret_cast<std::uintptr_t>(data)] = bytes;
  return data;
}
bool free_pinned(void* data) {
  Memory& m = memory();
  const std::scoped_lock lock(m.guard);
  const auto at = m.pinned.find(reinterpret_cast<std::uintptr_t>(data));
  if (at == m.pinned.end()) return false;
  const auto page = at->first / kPage * kPage;
  mprotect(reinterpret_cast<void*>(page), at->second + (at->first - page), PROT_NONE);
  m.pinned.erase(at);
  return true;
}

std::size_t device_bytes_in_use() { return memory().in_use; }

bool in_device_space(const void* data) {
  const char* p = static_cast<const char*>(data);
  return p >= memory().base && p < memory().base + kSpace;
}
bool on_device(const void* data, std::size_t bytes) {
  Memory& m = memory();
  const std::scoped_lock lock(m.guard);
  const auto address = reinterpret_cast<std::uintptr_t>(data);
  std::uintptr_t start = 0;
  const Block* block = find(address, &start);
  return block != nullptr && block->alive && address + bytes <= start + block->bytes;
}
bool pinned(const void* data, std::size_t bytes) {
  Memory& m = memory();
  const std::scoped_lock lock(m.guard);
  const auto address = reinterpret_cast<std::uintptr_t>(data);
  auto at = m.pinned.upper_bound(address);
  if (at == m.pinned.begin()) return false;
  --at;
  return address + bytes <= at->first + at->second;
}

std::string describe(const void* address) {
  if (!in_device_space(address)) return "memory of the host, or of nobody";
  std::uintptr_t start = 0;
  const Block* block = find(reinterpret_cast<std::uintptr_t>(address), &start);
  if (block == nullptr) return "in front of all device memory";
  char text[256];
  std::snprintf(text, sizeof text, "byte %zu of %zu bytes of device memory%s",
                reinterpret_cast<std::uintptr_t>(address) - start, block->bytes, block->alive ? "" : ", freed");
  return text;
}

}  // namespace cuda_emulator
