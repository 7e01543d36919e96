#pragma once
/// \file How many devices there are: for the runtime and for the driver, which share no library.

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace cuda_emulator {

/// The devices that this process sees, each by its number among all that there are (CUDA_EMULATOR_DEVICES, or 1). As
/// with CUDA, CUDA_VISIBLE_DEVICES names them by number, in the order in which they are counted; the first that does
/// not exist ends the list.
inline const std::vector<int>& visible_devices() {
  static const std::vector<int> seen = [] {
    const char* number = std::getenv("CUDA_EMULATOR_DEVICES");
    char* end = nullptr;
    const long count = number == nullptr || *number == '\0' ? 1 : std::strtol(number, &end, 10);
    if ((end != nullptr && *end != '\0') || count < 1 || count > 64) {
      std::fprintf(stderr, "cuda-emulator: error: CUDA_EMULATOR_DEVICES: unknown value '%s'; known are 1 to 64\n",
                   number);
      std::_Exit(2);
    }
    std::vector<int> devices;
    const char* at = std::getenv("CUDA_VISIBLE_DEVICES");
    if (at == nullptr) {
      for (int i = 0; i < count; ++i) devices.push_back(i);
      return devices;
    }
    for (;; at = end + 1) {
      char* behind = nullptr;
      const long device = std::strtol(at, &behind, 10);
      end = behind;
      if (end == at || device < 0 || device >= count) break;
      devices.push_back(static_cast<int>(device));
      if (*end != ',') break;
    }
    return devices;
  }();
  return seen;
}

}  // namespace cuda_emulator
