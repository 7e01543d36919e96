/// \file main() of all test programs. Where the machine lacks what a program was compiled for, it says so and skips.
///
/// A program's tests may be compiled for AVX-512, and so may their static initialisers. The processor is therefore
/// looked at before any of those run, and this file is compiled without the instruction set's flags.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#ifdef STAMPEDE_TESTS_NEED_CUDA
#include <cuda_runtime_api.h>
#endif

namespace {

constexpr int kSkipped = 77;  // ctest knows this status as "skipped" (SKIP_RETURN_CODE)

void say(const char* text) {
  if (write(STDOUT_FILENO, text, std::strlen(text)) < 0) _exit(1);
}

/// What the machine lacks, or null.
const char* lacking() {
#if defined(__x86_64__)
  __builtin_cpu_init();
#endif
#ifdef STAMPEDE_TESTS_NEED_AVX512
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512dq") ||
      !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512vl")) {
    return "processor_without_AVX512";
  }
#endif
#if defined(STAMPEDE_TESTS_NEED_AVX512) || defined(STAMPEDE_TESTS_NEED_AVX2)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi2")) {
    return "processor_without_AVX2";
  }
#endif
  return nullptr;
}

/// Runs before the static initialisers of the tests. Lists one test by the name of what is lacking, and skips it.
__attribute__((constructor(101))) void look_at_processor(int count, char** arguments, char**) {
  const char* reason = lacking();
  if (reason == nullptr) return;
  for (int i = 1; i < count; ++i) {
    if (std::strcmp(arguments[i], "--gtest_list_tests") != 0) continue;
    say("skipped.\n  ");
    say(reason);
    say("\n");
    _exit(0);
  }
  say("[  SKIPPED ] ");
  say(reason);
  say("\n");
  _exit(kSkipped);
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
#ifdef STAMPEDE_TESTS_NEED_CUDA
  int devices = 0;
  const cudaError_t status = cudaGetDeviceCount(&devices);
  if (!testing::GTEST_FLAG(list_tests) && (status != cudaSuccess || devices == 0)) {
    say("[  SKIPPED ] no GPU: ");
    say(cudaGetErrorString(status));
    say("\n");
    return kSkipped;
  }
#endif
  return RUN_ALL_TESTS();
}
