/// \file libcuda.so.1, as far as a program looks at it to see whether there is a GPU.
#include <cstdlib>
#include <cstring>

#include "devices.hpp"

namespace {
bool driver_is(const char* wanted) {
  const char* value = std::getenv("CUDA_EMULATOR_DRIVER");
  return value != nullptr && std::strcmp(value, wanted) == 0;
}
int capability() {
  const char* value = std::getenv("CUDA_EMULATOR_CAPABILITY");
  return value != nullptr ? std::atoi(value) : 90;
}
}  // namespace

extern "C" {
int cuInit(unsigned) { return driver_is("broken") ? 999 : 0; }
int cuDeviceGetCount(int* count) {
  *count = driver_is("none") ? 0 : static_cast<int>(cuda_emulator::visible_devices().size());
  return 0;
}
int cuDeviceGet(int* device, int number) {
  constexpr int kInvalidDevice = 101;
  if (number < 0 || number >= static_cast<int>(cuda_emulator::visible_devices().size())) return kInvalidDevice;
  *device = number;
  return 0;
}
int cuDeviceGetName(char* name, int size, int) {
  std::strncpy(name, "Emulated GPU", static_cast<unsigned>(size));
  return 0;
}
int cuDeviceGetAttribute(int* value, int attribute, int) {
  *value = attribute == 75 ? capability() / 10 : capability() % 10;
  return 0;
}
}
