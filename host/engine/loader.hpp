#pragma once
/// \file Chooses the processor to run on, and loads its module.
///
/// Modules are `libstampede-cuda.so`, `libstampede-cpu-<instruction set>.so`, `libstampede-mpi.so` for processes that
/// train together and, for comparisons, `libstampede-double.so`, for the most basic instruction set that was built.
/// They are looked for in the folder that the environment variable STAMPEDE_MODULES names, else in `modules` (a build)
/// and `stampede` (an installation) beside libstampede. STAMPEDE_INSTRUCTION_SET forces avx512, avx2 or baseline.

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "host/engine/engine.hpp"

namespace stampede {

/// What is known of a GPU from its driver alone, without CUDA's libraries.
struct GpuProbe {
  bool usable = false;
  std::string name;          ///< empty where there is none
  std::string architecture;  ///< "sm_90"
  std::string reason;        ///< why it is not usable; empty where it is
  int count = 0;             ///< GPUs that the process sees
};

/// Looks at that GPU of those that the process sees, counted from 0 on, at the first call; returns the same at later
/// ones.
const GpuProbe& probe_gpu(int gpu);

/// The function that says what a GPU is; tests pass another one.
using AskForGpu = const GpuProbe& (*)(int gpu);

/// Why `--device cuda` cannot be used, in a few words; empty where it can. Where the probe finds a GPU, the CUDA module
/// is loaded and an engine made and dropped: the driver alone does not say whether CUDA's libraries are there and fit
/// it.
std::string why_no_gpu(AskForGpu ask = probe_gpu);

/// A device that was chosen.
struct DeviceChoice {
  std::string device;           ///< "cpu" or "cuda"
  std::string instruction_set;  ///< "avx512", "sm_90", ...
  std::filesystem::path module;
  std::string note;  ///< with "auto": why it is not the GPU; else empty
  int gpu = 0;       ///< which of the GPUs that the process sees
};

/// Chooses by the word "auto", "cpu", "cuda" or "cuda:N"; "auto" is the CPU wherever no CUDA engine can be made, and
/// where `why_cpu` says why the CPU is the better one for what is to be done. Throws Error (status 2) where what was
/// asked for is not there.
///
/// "cuda:N" is GPU N of those that the process sees, "cuda" and "auto" the first; where `group` has other ranks, each
/// takes the GPU of its number on its machine, or the only one that it sees: launchers often show each its own.
/// "cuda:N" is refused then.
DeviceChoice choose_device(const std::string& device, AskForGpu ask = probe_gpu, const std::string& why_cpu = "",
                           const RankGroup* group = nullptr);

/// What something ran on, for results that say so.
struct Processor {
  std::string device;           ///< "cpu" or "cuda"
  std::string instruction_set;  ///< "avx512", "sm_90", ...
  int threads = 0;              ///< of the host
};
Processor processor_of(const Engine& engine);
/// That of the engine which make_engine(choice, threads) would make; no module is loaded.
Processor processor_of(const DeviceChoice& choice, int threads);

/// Loads the module and makes its engine. `threads` 0: all cores.
std::unique_ptr<Engine> make_engine(const DeviceChoice& choice, int threads);

/// The same on the device that choose_device(device) chooses.
std::unique_ptr<Engine> make_engine(const std::string& device = "auto", int threads = 0);

/// What the environment says of processes that were started together: mpirun's, Slurm's or torchrun's variables
/// (docs/scaling.md). Without them, or where they tell of one process, it is {0, 1}. Throws Error where they make no
/// sense.
LaunchedRank launched_rank();

/// The group of the processes that were started together, by the MPI module; null where this is the only one. Throws
/// Error where the module is missing, or MPI connects fewer processes than were started.
std::unique_ptr<RankGroup> join_ranks();

/// Robots simulated in doubles, on the CPU whatever the device, for comparisons. Loads their module, which the build's
/// target `program` does not include. Throws Error where it is missing.
std::unique_ptr<Simulation> make_double_simulation(int threads, const SimulationRequest& request);

/// Cores that this process may use.
int available_cores();

/// The CPU's instruction sets that have a module here and that the processor has, the best first.
std::vector<std::string> usable_instruction_sets();

}  // namespace stampede
