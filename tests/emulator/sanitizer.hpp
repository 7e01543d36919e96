#pragma once
/// \file AddressSanitizer, where the emulator is compiled with it: CUDA_EMULATOR_ASAN, POISON, UNPOISON.

#if defined(__SANITIZE_ADDRESS__)
#define CUDA_EMULATOR_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CUDA_EMULATOR_ASAN 1
#endif
#endif

#if defined(CUDA_EMULATOR_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define POISON(data, bytes) __asan_poison_memory_region(data, bytes)
#define UNPOISON(data, bytes) __asan_unpoison_memory_region(data, bytes)
#else
#define POISON(data, bytes) static_cast<void>(0)
#define UNPOISON(data, bytes) static_cast<void>(0)
#endif
