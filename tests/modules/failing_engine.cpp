/// \file A module that loads and makes no engine, as CUDA's where the driver is older than its runtime.
#include "host/base/error.hpp"
#include "host/engine/engine.hpp"
#include "host/engine/interface.hpp"

// STAMPEDE_TEST_INTERFACE: what a module of another build has in its place.
#if !defined(STAMPEDE_TEST_INTERFACE)
#define STAMPEDE_TEST_INTERFACE STAMPEDE_ENGINE_INTERFACE
#endif
extern "C" __attribute__((visibility("default"))) const char stampede_interface[] = STAMPEDE_TEST_INTERFACE;

extern "C" __attribute__((visibility("default"))) stampede::Engine* stampede_engine(int, int) {
  throw stampede::Error("the driver is older\nthan the runtime");
}
