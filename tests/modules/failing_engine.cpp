/// \file A module that loads and makes no engine, as CUDA's where the driver is older than its runtime.
#include "host/base/error.hpp"
#include "host/engine/engine.hpp"

extern "C" __attribute__((visibility("default"))) const int stampede_engine_interface = stampede::kEngineInterface;

extern "C" __attribute__((visibility("default"))) stampede::Engine* stampede_engine(int) {
  throw stampede::Error("the driver is older\nthan the runtime");
}
