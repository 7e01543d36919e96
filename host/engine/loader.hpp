#pragma once
/// \file Chooses the processor to run on, and loads its module.
///
/// Modules are `libstampede-cuda.so`, `libstampede-cpu-<instruction set>.so` and, for comparisons, `libstampede-double.so`
/// of the plainest instruction set that was built. They are looked for in the folder that the
/// environment variable STAMPEDE_MODULES names, else in `modules` (a build) and `stampede` (an installation) beside
/// libstampede. STAMPEDE_INSTRUCTION_SET forces avx512, avx2 or baseline.

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "host/engine/engine.hpp"

namespace stampede {

/// What is known of the machine's GPU without loading a library of CUDA's but the driver.
struct GpuProbe {
  bool usable = false;
  std::string name;          ///< of the first GPU, empty without
  std::string architecture;  ///< "sm_90"
  std::string reason;        ///< why none is usable; empty where one is
};

/// Looks once and remembers.
const GpuProbe& probe_gpu();

/// What is asked for the machine's GPU; tests ask another.
using AskForGpu = const GpuProbe& (*)();

/// Why `--device cuda` cannot be, in a few words; empty where it can. Where the probe finds a GPU, the CUDA module is
/// loaded and an engine made and dropped: the driver alone does not say whether CUDA's libraries are there and fit it.
std::string why_no_gpu(AskForGpu ask = probe_gpu);

/// A device that was chosen.
struct DeviceChoice {
  std::string device;           ///< "cpu" or "cuda"
  std::string instruction_set;  ///< "avx512", "sm_90", ...
  std::filesystem::path module;
  std::string note;  ///< with "auto": why it is not the GPU; else empty
};

/// Chooses by the word "auto", "cpu" or "cuda"; "auto" is the CPU wherever no CUDA engine can be made. Throws Error
/// (status 2) where what was asked for is not there.
DeviceChoice choose_device(const std::string& device, AskForGpu ask = probe_gpu);

/// Loads the module and makes its engine. `threads` 0: all cores.
std::unique_ptr<Engine> make_engine(const DeviceChoice& choice, int threads);

/// The same by the device's word.
std::unique_ptr<Engine> make_engine(const std::string& device = "auto", int threads = 0);

/// Robots in doubles, whatever the device: their module is loaded when they are asked for. For comparisons; `program` is
/// built without it. Throws Error where it is missing.
std::unique_ptr<Simulation> make_double_simulation(int threads, const SimulationRequest& request);

/// Cores that this process may use.
int available_cores();

/// The CPU's instruction sets that have a module here and that the processor has, the best first.
std::vector<std::string> usable_instruction_sets();

}  // namespace stampede
